/**
 * GET /runs/v1/log: a range of a file of an execution, by default of its log. Files are read where tests of the area may
 * work only, whatever the database says: links and names that lead out of there lead nowhere.
 */
import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import type { RouteOptions } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import { RUNS_PREFIX } from '../../protocol/runs.ts';
import { requireSelectors } from '../auth.ts';
import { COUNT, object } from '../schemas.ts';
import type { RunsParts } from './parts.ts';

const RANGE_BYTES_MAX = 1024 * 1024;
const READ_ONLY = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
/** In a work area: files of the runner about its attempts, and dumps of the environment. */
const CONTROL_FOLDER = '.tidelock';
const DUMPS: ReadonlySet<string> = new Set(['megatest.sh', 'megatest.csh']);
/** A character of UTF-8 has so many bytes at most. */
const CHARACTER_BYTES_MAX = 4;

type LogQuery = {
  readonly test: number;
  readonly file?: string;
  readonly from?: number;
  readonly bytes: number;
};

/** Without `from`, the end of the file. The headers `tidelock-from` and `tidelock-size` tell which range it is. */
export function logRoute({ port }: RunsParts): RouteOptions {
  return {
    method: 'GET',
    url: `${RUNS_PREFIX}/log`,
    exposeHeadRoute: false,
    config: { scope: 'read' },
    schema: {
      hide: true,
      querystring: object(
        {
          test: { type: 'integer', minimum: 1 },
          file: { type: 'string', maxLength: 1000 },
          from: COUNT,
          bytes: { type: 'integer', minimum: 1, maximum: RANGE_BYTES_MAX, default: 256 * 1024 },
        },
        ['file', 'from', 'bytes'],
      ),
    },
    handler: async ({ access, query }, reply) => {
      requireSelectors(access, [port.area]);
      const wanted = query as LogQuery;
      const [row] = port.read({ kind: 'test', testId: wanted.test }).tests ?? [];
      const file = wanted.file ?? row?.log ?? null;
      if (row?.runDir == null || file === null) throw noLog();
      const path = await pathInside(port.logRoots ?? [], resolve(row.runDir, file));
      await requireOwn(row.runDir, path);
      const { body, from, size } = await readRange(path, wanted);
      return reply
        .headers({
          ...{ 'tidelock-from': from, 'tidelock-size': size, 'cache-control': 'no-store' },
          'x-content-type-options': 'nosniff',
          'content-security-policy': "default-src 'none'; sandbox",
        })
        .type('text/plain; charset=utf-8')
        .send(body);
    },
  };
}

/** The file without links, when it is below one of the folders. */
async function pathInside(roots: readonly string[], path: string): Promise<string> {
  const real = await realpath(path).catch(() => null);
  if (real === null) throw noLog();
  for (const root of roots) {
    const folder = await realpath(root).catch(() => null);
    if (folder === null) continue;
    const inside = relative(folder, real);
    if (inside !== '' && inside.split(sep)[0] !== '..' && !isAbsolute(inside)) return real;
  }
  throw noLog();
}

/** Readers see what the test has written, not the environment that it was given: that may hold secrets. */
async function requireOwn(runDir: string, path: string): Promise<void> {
  const [first = '', ...rest] = relative(await realpath(runDir), path).split(sep);
  const isOurs = first === CONTROL_FOLDER || (rest.length === 0 && DUMPS.has(first));
  if (first === '..' || isOurs) throw noLog();
}

async function readRange(
  path: string,
  { from, bytes }: LogQuery,
): Promise<{ readonly body: Buffer; readonly from: number; readonly size: number }> {
  // Without waiting: a pipe that a test has left would hold the reader for ever.
  const file = await open(path, READ_ONLY).catch(() => null);
  if (file === null) throw noLog();
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw noLog();
    const start = Math.min(from ?? Math.max(0, stat.size - bytes), stat.size);
    const { bytesRead, buffer } = await file.read(
      Buffer.alloc(Math.min(bytes, stat.size - start)),
      {
        position: start,
      },
    );
    const body = wholeCharacters(buffer.subarray(0, bytesRead));
    return { body, from: start, size: stat.size };
  } finally {
    await file.close();
  }
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

function noLog(): TidelockError {
  return new TidelockError({
    code: 'NOT_FOUND',
    message: 'there is no such file of this execution here',
    hint: 'it is on the host where the test ran, and comes with its first line',
  });
}
