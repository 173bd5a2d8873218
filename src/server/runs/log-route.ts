/**
 * GET /runs/v1/log: a range of a file of an execution, by default of its log; `/log/search` and `/log/place` look through
 * the whole of it, a bounded part for each request.
 */
import type { FileHandle } from 'node:fs/promises';
import type { FastifyRequest, RouteOptions } from 'fastify';
import { RUNS_PREFIX } from '../../protocol/runs.ts';
import { requireSelectors } from '../auth.ts';
import { Gate } from '../gate.ts';
import { COUNT, object, type Schema } from '../schemas.ts';
import { clientSignal } from '../send.ts';
import { placeIn, searchLog } from './log-scan.ts';
import type { RunsParts } from './parts.ts';
import { type OpenFile, openWorkFile, workFolder } from './work-files.ts';

const RANGE_BYTES_MAX = 1024 * 1024;
/** A character of UTF-8 has so many bytes at most. */
const CHARACTER_BYTES_MAX = 4;
const TEXT_CHARS_MAX = 200;
const HITS_MAX = 200;
/** They read a lot: others are to have their turn. */
const SEARCHES = { name: 'searches of logs', runningMax: 2, queueMax: 32, queueMs: 15_000 };

export const TEST: Schema = { type: 'integer', minimum: 1 };
export const FILE: Schema = { type: 'string', maxLength: 1000 };
const PLACE: Schema = { ...COUNT, maximum: Number.MAX_SAFE_INTEGER };
const LINE: Schema = { ...PLACE, minimum: 1 };

/** What no browser may take for anything else. */
export const INERT_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; sandbox",
} as const;

export type FileQuery = { readonly test: number; readonly file?: string };

/** Without `from`, the end of the file. The headers `tidelock-from` and `tidelock-size` tell which range it is. */
export function logRoute(parts: RunsParts): RouteOptions {
  const bytes = { type: 'integer', minimum: 1, maximum: RANGE_BYTES_MAX, default: 256 * 1024 };
  return {
    ...route(
      '/log',
      object({ test: TEST, file: FILE, from: PLACE, bytes }, ['file', 'from', 'bytes']),
    ),
    handler: async (request, reply) => {
      const { body, from, size } = await withFile(parts, request, (file) =>
        readRange(file, request.query as RangeQuery),
      );
      return reply
        .headers({ ...INERT_HEADERS, 'tidelock-from': from, 'tidelock-size': size })
        .type('text/plain; charset=utf-8')
        .send(body);
    },
  };
}

type SearchQuery = {
  readonly text?: string;
  readonly from: number;
  readonly line: number;
  readonly limit: number;
};

/** Without `text`: lines that say that something went wrong. */
export function logSearchRoute(parts: RunsParts): RouteOptions {
  const gate = new Gate(SEARCHES);
  const text = { type: 'string', minLength: 1, maxLength: TEXT_CHARS_MAX };
  const limit = { type: 'integer', minimum: 1, maximum: HITS_MAX, default: HITS_MAX };
  const from = { ...PLACE, default: 0 };
  const query = { test: TEST, file: FILE, text, from, line: { ...LINE, default: 1 }, limit };
  return {
    ...route('/log/search', object(query, ['file', 'text', 'from', 'line', 'limit'])),
    handler: async (request, reply) => {
      const wanted = request.query as SearchQuery;
      const signal = clientSignal(reply.raw);
      return await inTurn(gate, signal, () =>
        withFile(parts, request, ({ handle }) =>
          searchLog(handle, {
            ...{ byte: wanted.from, line: wanted.line, signal },
            ...{ text: wanted.text ?? null, hitsMax: wanted.limit },
          }),
        ),
      );
    },
  };
}

type PlaceQuery = {
  readonly from: number;
  readonly line: number;
  readonly toLine?: number;
  readonly toByte?: number;
};

/** From a known place, `from` in line `line`, on: where `toLine` begins, or in which line `toByte` is. */
export function logPlaceRoute(parts: RunsParts): RouteOptions {
  const gate = new Gate(SEARCHES);
  const known = { from: { ...PLACE, default: 0 }, line: { ...LINE, default: 1 } };
  const query = { test: TEST, file: FILE, ...known, toLine: LINE, toByte: PLACE };
  return {
    ...route('/log/place', object(query, ['file', 'from', 'line', 'toLine', 'toByte'])),
    handler: async (request, reply) => {
      const { from: byte, line, toLine, toByte = 0 } = request.query as PlaceQuery;
      const signal = clientSignal(reply.raw);
      const wanted = toLine === undefined ? { byte: toByte } : { line: toLine };
      return await inTurn(gate, signal, () =>
        withFile(parts, request, ({ handle }) => placeIn(handle, { byte, line, signal }, wanted)),
      );
    },
  };
}

function route(path: string, querystring: Schema) {
  return {
    method: 'GET' as const,
    url: `${RUNS_PREFIX}${path}`,
    exposeHeadRoute: false,
    config: { scope: 'read' as const },
    schema: { hide: true, querystring },
  };
}

async function inTurn<T>(gate: Gate, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const leave = await gate.enter(signal);
  try {
    return await work();
  } finally {
    leave();
  }
}

/** Opens what a request names, and closes it. Throws `TOKEN_FORBIDS`, `NOT_FOUND`. */
async function withFile<T>(
  parts: RunsParts,
  request: FastifyRequest,
  use: (file: OpenFile) => Promise<T>,
): Promise<T> {
  const file = await openNamed(parts, request);
  try {
    return await use(file);
  } finally {
    await file.handle.close();
  }
}

/** The file that a request names, by default the log; the caller closes it. Throws as `withFile` does. */
export async function openNamed(
  { port }: RunsParts,
  { access, query }: FastifyRequest,
): Promise<OpenFile> {
  requireSelectors(access, [port.area]);
  const { test, file } = query as FileQuery;
  const [row] = port.read({ kind: 'test', testId: test }).tests ?? [];
  const folder = await workFolder(port.logRoots ?? [], row?.runDir);
  return await openWorkFile(folder, file ?? row?.log ?? '');
}

type RangeQuery = { readonly from?: number; readonly bytes: number };

async function readRange(
  { handle, size }: { readonly handle: FileHandle; readonly size: number },
  { from, bytes }: RangeQuery,
): Promise<{ readonly body: Buffer; readonly from: number; readonly size: number }> {
  const start = Math.min(from ?? Math.max(0, size - bytes), size);
  const room = Buffer.alloc(Math.min(bytes, size - start));
  const { bytesRead, buffer } = await handle.read(room, { position: start });
  return { body: wholeCharacters(buffer.subarray(0, bytesRead)), from: start, size };
}

/** Without the part of a character at the end, unless there is nothing else. */
function wholeCharacters(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(CHARACTER_BYTES_MAX, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back && back < bytes.length ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}
