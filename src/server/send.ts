/** Sending of long bodies: with backpressure, with an end for readers that stopped, and for clients that left. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { TidelockError } from '../core/errors.ts';
import { toTidelockError } from './errors.ts';

/** The client left; there is nobody to tell. */
class ClientGone extends Error {
  constructor() {
    super('the client is gone');
    this.name = 'ClientGone';
  }
}

/** Aborts when the connection ends before the response does. */
export function clientSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => {
    if (!response.writableFinished) controller.abort(new ClientGone());
  };
  if (response.destroyed) abort();
  else response.once('close', abort);
  return controller.signal;
}

/** Runs something that may take long before its first byte, or between two, without the connection's idle limit. */
export async function withoutIdleLimit<T>(reply: FastifyReply, run: () => Promise<T>): Promise<T> {
  const { socket } = reply.request.raw;
  const idleMs = reply.server.server.timeout;
  socket.setTimeout(0);
  try {
    return await run();
  } finally {
    if (!socket.destroyed) socket.setTimeout(idleMs);
  }
}

export type Sending = {
  readonly reply: FastifyReply;
  readonly headers: OutgoingHttpHeaders;
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  /** A reader that takes nothing for so long is cut off. */
  readonly stallMs: number;
  /** Raised by what was handed to the socket. */
  readonly sent: { count: number };
  /** Called when all chunks are written, before the end of the body: the moment for trailers. */
  readonly beforeEnd?: (() => void) | undefined;
};

/**
 * Sends all chunks. Failures before the first chunk are thrown; later ones are told in an error line when the
 * body is NDJSON, and the connection is cut without a proper end, so that no reader takes it for complete.
 */
export async function sendChunks(sending: Sending): Promise<void> {
  const { reply, headers, signal } = sending;
  const iterator = sending.chunks[Symbol.asyncIterator]();
  try {
    let next = await iterator.next();
    signal.throwIfAborted();
    reply.hijack();
    reply.raw.writeHead(200, { 'cache-control': 'no-store', ...headers });
    while (next.done !== true) {
      sending.sent.count += next.value.byteLength;
      if (!reply.raw.write(next.value)) await happened('drain', sending);
      next = await iterator.next();
    }
    sending.beforeEnd?.();
    reply.raw.end();
    if (!reply.raw.writableFinished) await happened('finish', sending);
  } catch (error) {
    if (!reply.raw.headersSent) throw error;
    breakOff(sending, error);
  } finally {
    await iterator.return?.();
  }
}

/**
 * Waits for the client to take what was written. Throws when it is gone, or takes nothing for too long: the
 * socket's own timeout, because it alone sees progress inside one large write.
 */
function happened(event: 'drain' | 'finish', sending: Sending): Promise<void> {
  const { reply, signal, stallMs } = sending;
  const { raw } = reply;
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      raw.socket?.setTimeout(0);
      raw.off(event, onEvent);
      raw.off('timeout', onTimeout);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onEvent = (): void => settle(resolve);
    const onAbort = (): void => settle(() => reject(signal.reason));
    const onTimeout = (): void => settle(() => reject(stalled(stallMs)));
    raw.socket?.setTimeout(stallMs);
    raw.on('timeout', onTimeout);
    raw.on(event, onEvent);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}

function stalled(stallMs: number): TidelockError {
  return new TidelockError({
    code: 'TIMEOUT',
    message: `the client read nothing for ${stallMs / 1000} s`,
    hint: 'ask for the snapshot again and read it without pauses',
  });
}

function breakOff({ reply, headers, signal }: Sending, error: unknown): void {
  const { raw } = reply;
  if (signal.aborted) return;
  reply.log.warn({ err: error }, 'a body was broken off');
  const isLines = headers['content-type'] === 'application/x-ndjson';
  if (!isLines || raw.writableNeedDrain) {
    raw.destroy();
    return;
  }
  raw.write(`${JSON.stringify({ type: 'error', ...toTidelockError(error).toJSON() })}\n`);
  raw.socket?.destroySoon();
}
