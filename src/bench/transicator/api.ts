/** Transicator's two requests, as its reference has them. */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { decodeChanges, type WireChangeList } from './schema.ts';

/** An answer that is no 200. */
export class RefusedError extends Error {
  readonly status: number;
  /** `SNAPSHOT_TOO_OLD`, for example; empty when the body has none. */
  readonly code: string;

  constructor(status: number, body: string) {
    super(`${status} ${body.slice(0, 500)}`);
    this.status = status;
    this.code = codeOf(body);
  }
}

export type ChangesRequest = {
  readonly server: string;
  readonly scopes: readonly string[];
  /** `xmin:xmax:xips` of the snapshot that the reader began with. */
  readonly snapshot?: string | undefined;
  /** Sequence of what the reader has; empty at the beginning. */
  readonly since?: string | undefined;
  readonly blockS?: number | undefined;
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
};

export async function getChanges(request: ChangesRequest): Promise<WireChangeList> {
  const answer = await fetch(changesUrl(request), {
    headers: { accept: 'application/transicator+protobuf' },
    signal: request.signal ?? null,
  });
  const body = new Uint8Array(await answer.arrayBuffer());
  if (answer.status !== 200) throw new RefusedError(answer.status, Buffer.from(body).toString());
  return decodeChanges(body);
}

export function changesUrl(request: ChangesRequest): string {
  const url = new URL('changes', withSlash(request.server));
  for (const scope of request.scopes) url.searchParams.append('scope', scope);
  if (request.snapshot !== undefined) url.searchParams.set('snapshot', request.snapshot);
  if (request.blockS !== undefined) url.searchParams.set('block', String(request.blockS));
  if (request.limit !== undefined) url.searchParams.set('limit', String(request.limit));
  if (request.since !== undefined) url.searchParams.set('since', request.since);
  return url.href;
}

/** Loads a SQLite snapshot into a file; redirects are followed. */
export async function loadSnapshot(
  request: Pick<ChangesRequest, 'server' | 'scopes' | 'signal'>,
  file: string,
): Promise<Headers> {
  const url = new URL('snapshots', withSlash(request.server));
  for (const scope of request.scopes) url.searchParams.append('scope', scope);
  const answer = await fetch(url, {
    headers: { accept: 'application/transicator+sqlite' },
    signal: request.signal ?? null,
  });
  if (answer.status !== 200) throw new RefusedError(answer.status, await answer.text());
  if (answer.body === null) throw new Error('a snapshot without a body');
  await pipeline(Readable.fromWeb(answer.body), createWriteStream(file));
  return answer.headers;
}

function withSlash(server: string): string {
  return server.endsWith('/') ? server : `${server}/`;
}

function codeOf(body: string): string {
  try {
    return String((JSON.parse(body) as { code?: unknown }).code ?? '');
  } catch {
    return '';
  }
}
