/**
 * What an execution has left: GET /runs/v1/files lists its work area, /runs/v1/file gives one file of it to keep. A file is never
 * shown: whatever is in it, the browser stores it, and makes no page of it.
 */
import type { FastifyReply, RouteOptions } from 'fastify';
import type { WorkFiles } from '../../protocol/run-files.ts';
import { RUNS_PREFIX } from '../../protocol/runs.ts';
import { requireSelectors } from '../auth.ts';
import { Gate } from '../gate.ts';
import { object } from '../schemas.ts';
import { clientSignal, sendChunks, withoutIdleLimit } from '../send.ts';
import { FILE, type FileQuery, INERT_HEADERS, openNamed, TEST } from './log-route.ts';
import type { RunsParts } from './parts.ts';
import { listWorkFiles, type OpenFile, workFolder } from './work-files.ts';

const NOT_HERE: WorkFiles = { isHere: false, files: [], isCut: false };
const READ_BYTES = 256 * 1024;
const DOWNLOADS = { name: 'downloads', runningMax: 8, queueMax: 32, queueMs: 15_000 };

export function filesRoute({ port }: RunsParts): RouteOptions {
  return {
    ...{ method: 'GET', url: `${RUNS_PREFIX}/files`, exposeHeadRoute: false },
    config: { scope: 'read' },
    schema: { hide: true, querystring: object({ test: TEST }) },
    handler: async ({ access, query }) => {
      requireSelectors(access, [port.area]);
      const { test } = query as FileQuery;
      const [row] = port.read({ kind: 'test', testId: test }).tests ?? [];
      const folder = await workFolder(port.logRoots ?? [], row?.runDir).catch(() => null);
      return folder === null ? NOT_HERE : await listWorkFiles(folder);
    },
  };
}

export function fileRoute(parts: RunsParts): RouteOptions {
  const gate = new Gate(DOWNLOADS);
  return {
    ...{ method: 'GET', url: `${RUNS_PREFIX}/file`, exposeHeadRoute: false },
    config: { scope: 'read' },
    schema: { hide: true, querystring: object({ test: TEST, file: { ...FILE, minLength: 1 } }) },
    handler: async (request, reply) => {
      const signal = clientSignal(reply.raw);
      const leave = await gate.enter(signal);
      try {
        const file = await openNamed(parts, request);
        await withoutIdleLimit(reply, () => download(file, { reply, signal }, parts));
      } finally {
        leave();
      }
      return reply;
    },
  };
}

async function download(
  { handle, size, name }: OpenFile,
  { reply, signal }: { readonly reply: FastifyReply; readonly signal: AbortSignal },
  { stallMs }: RunsParts,
): Promise<void> {
  try {
    // No further than its size now: a log that grows would not end.
    const end = Math.max(0, size - 1);
    const stream = { start: 0, end, highWaterMark: READ_BYTES, autoClose: false };
    await sendChunks({
      ...{ reply, signal, stallMs, sent: { count: 0 } },
      chunks: whole(size === 0 ? [] : handle.createReadStream(stream), size),
      headers: {
        ...{ ...INERT_HEADERS, 'content-type': 'application/octet-stream', 'content-length': size },
        'content-disposition': `attachment; filename*=UTF-8''${nameOf(name)}`,
      },
    });
  } finally {
    await handle.close();
  }
}

/** Throws when there is less than was announced: whoever reads would take what comes next for the rest of it. */
async function* whole(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const chunk of chunks) {
    sent += chunk.byteLength;
    yield chunk;
  }
  if (sent !== size) throw new Error(`a file of ${size} bytes became shorter while it was sent`);
}

/** As RFC 8187 has it: all but a few characters in percent; halves of characters as U+FFFD. */
function nameOf(name: string): string {
  return encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
