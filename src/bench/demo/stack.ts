/** The server side of the demo in one process: embedded Postgres with its database, engine, HTTP server. */
import { mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, messageOf, TidelockError } from '../../core/errors.ts';
import { parseSelectorRule } from '../../core/selector.ts';
import { openEngine, type RunningEngine } from '../../engine/engine.ts';
import { EmbeddedPostgres } from '../../postgres/embedded.ts';
import { systemClock } from '../../server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../server/config.ts';
import { createLog } from '../../server/log.ts';
import { createServer, type TidelockServer } from '../../server/server.ts';
import { until } from '../until.ts';
import { TABLES } from './places.ts';

const SLOT = 'tidelock';
export const PREFERRED_PORT = 7700;

const HOST = '127.0.0.1';
const DATABASE = 'demo';
const STREAMING_MS_MAX = 60_000;
const HEARTBEAT_S = 5;
/** What the demo needs on a first run, with room to spare. */
const DISK_BYTES_MIN = 500_000_000;

/** Starts Postgres in `<dir>/postgres`. Returns it with the URL of the demo's database. */
export async function startPostgres(dir: string): Promise<{
  readonly postgres: EmbeddedPostgres;
  readonly url: string;
}> {
  prepareFolder(dir);
  const postgres = await startEmbedded(dir);
  try {
    return { postgres, url: await postgres.createDatabase(DATABASE) };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

async function startEmbedded(dir: string): Promise<EmbeddedPostgres> {
  try {
    // The engine tells of the loss, and connects again.
    return await EmbeddedPostgres.start({ dir: join(dir, 'postgres'), onRevival: () => undefined });
  } catch (error) {
    if (!hasCode(error, 'EMBEDDED_IN_USE')) throw error;
    throw new TidelockError({
      code: 'EMBEDDED_IN_USE',
      message: `another demo is running here: ${error.message}`,
      hint: 'stop it with Ctrl-C in its terminal, or give this one its own folder: --data <dir>',
      details: error.details,
      cause: error,
    });
  }
}

function prepareFolder(dir: string): void {
  const freeBytes = makeFolder(dir);
  if (freeBytes >= DISK_BYTES_MIN) return;
  throw new TidelockError({
    code: 'EMBEDDED_START_FAILED',
    message: `the disk of ${dir} has ${Math.floor(freeBytes / 1e6)} MB left; the demo needs up to ${DISK_BYTES_MIN / 1e6} MB`,
    hint: 'free some space, or use a folder on another disk: --data <dir>',
  });
}

/** Returns the free bytes of its disk. */
function makeFolder(dir: string): number {
  try {
    // Others may pass through: as root, Postgres runs as another user.
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize;
  } catch (cause) {
    throw new TidelockError({
      code: 'EMBEDDED_START_FAILED',
      message: `the folder ${dir} cannot be used: ${messageOf(cause)}`,
      hint: 'use a folder that you may write: --data <dir>',
      cause,
    });
  }
}

/** Opens the engine over the demo's tables and waits until changes stream. */
export async function startEngine(options: {
  readonly url: string;
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly onNotice: (notice: string) => void;
}): Promise<RunningEngine> {
  const { url, signal, onNotice } = options;
  const engine = await openEngine({
    ...{ url, slot: SLOT, onNotice },
    dir: join(options.dir, 'server'),
    tables: TABLES.map(({ name, selector }) => ({ name, selector: parseSelectorRule(selector) })),
  });
  try {
    const isStreaming = (): boolean => engine.status().source.state === 'streaming';
    await until('the engine reads the changes', isStreaming, { limitMs: STREAMING_MS_MAX, signal });
    return engine;
  } catch (error) {
    const { reason } = engine.status().source;
    await engine.close();
    if (!hasCode(error, 'TIMEOUT') || reason === undefined) throw error;
    throw new TidelockError({ ...error, message: `${error.message} (${reason})`, cause: error });
  }
}

/** Serves on `port`; without one on 7700, or on a free port when that is taken. */
export async function startServer(
  engine: RunningEngine,
  port: number | undefined,
): Promise<{ readonly server: TidelockServer; readonly url: string }> {
  try {
    return await listen(engine, port ?? PREFERRED_PORT);
  } catch (error) {
    if (port !== undefined || !hasCode(error, 'BAD_CONFIG')) throw error;
    return listen(engine, 0);
  }
}

async function listen(
  engine: RunningEngine,
  port: number,
): Promise<{ readonly server: TidelockServer; readonly url: string }> {
  const server = createServer({
    engine,
    clock: systemClock,
    log: createLog('silent', () => undefined),
    config: {
      ...{ host: HOST, port, heartbeatS: HEARTBEAT_S },
      tokens: NO_TOKENS,
      limits: DEFAULT_LIMITS,
    },
  });
  try {
    return { server, url: (await server.listen()).url };
  } catch (error) {
    await server.close();
    throw error;
  }
}
