/**
 * The files of the page. A package carries them built (dist/dashboard/); a clone bundles its own sources
 * (src/dashboard/) when the first page is asked for, so that what is served is never older than the code.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TidelockError } from '../../core/errors.ts';

export type Asset = {
  readonly type: string;
  readonly body: Buffer;
  /** Its name has the hash of its bytes: it may be kept for ever. */
  readonly isFixed: boolean;
  readonly etag: string;
};

/** By file name. `index.html` is the page itself. */
export type Assets = ReadonlyMap<string, Asset>;

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
};

const INDEX = 'index.html';
const FOLDER = fileURLToPath(new URL('../../dashboard/', import.meta.url));

/** Reads or bundles them once. Throws `NOT_READY` in a clone without its packages. */
export class AssetSource {
  readonly #hasRuns: boolean;
  #loading: Promise<Assets> | null = null;

  /** `hasRuns`: the page says so itself, and asks for them before it is drawn. */
  constructor(hasRuns: boolean) {
    this.#hasRuns = hasRuns;
  }

  load(): Promise<Assets> {
    this.#loading ??= loadAssets(this.#hasRuns).catch((error: unknown) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }
}

async function loadAssets(hasRuns: boolean): Promise<Assets> {
  const isBuilt = existsSync(join(FOLDER, INDEX)) && !existsSync(join(FOLDER, 'main.tsx'));
  const files = isBuilt ? readBuilt() : await bundle();
  return new Map(
    [...files].map(([name, body]) => [
      name,
      assetOf(name, hasRuns && name === INDEX ? withRuns(body) : body),
    ]),
  );
}

function withRuns(page: Buffer): Buffer {
  return Buffer.from(page.toString('utf8').replace('<html ', '<html data-runs '));
}

function readBuilt(): ReadonlyMap<string, Buffer> {
  const names = readdirSync(FOLDER).filter((name) => typeOf(name) !== undefined);
  return new Map(names.map((name) => [name, readFileSync(join(FOLDER, name))]));
}

/** The bundler is there in a clone only, and its process ends with the work. */
async function bundle(): Promise<ReadonlyMap<string, Buffer>> {
  try {
    const { bundleDashboard } = await import('./bundle.ts');
    return await bundleDashboard(FOLDER);
  } catch (cause) {
    throw new TidelockError({
      code: 'NOT_READY',
      message: 'the dashboard cannot be bundled from its sources',
      hint: 'run: npm ci',
      cause,
    });
  }
}

function assetOf(name: string, body: Buffer): Asset {
  const hash = createHash('sha256').update(body).digest('base64url').slice(0, 22);
  return {
    type: typeOf(name) ?? 'application/octet-stream',
    body,
    isFixed: /-[A-Z0-9]{8}\.(?:js|css)$/.test(name),
    etag: `"${hash}"`,
  };
}

function typeOf(name: string): string | undefined {
  return TYPES[name.split('.').at(-1) ?? ''];
}
