/** Connections on which no request could be read at all. */
import type { Socket } from 'node:net';
import { TidelockError } from '../core/errors.ts';

const REASONS: Readonly<Record<string, TidelockError>> = {
  HPE_HEADER_OVERFLOW: new TidelockError({
    code: 'TOO_LARGE',
    message: 'the request line and headers are too large',
    hint: 'name fewer selectors in one request',
  }),
  ERR_HTTP_REQUEST_TIMEOUT: new TidelockError({
    code: 'BAD_REQUEST',
    message: 'the request did not arrive in time',
    hint: 'send it without pauses, or over a slow line raise requestS at the server',
  }),
};

const MALFORMED = new TidelockError({
  code: 'BAD_REQUEST',
  message: 'the request is not HTTP',
  hint: 'compare it with RFC 9112',
});

/** Answers in our error form, unless the socket carries a stream, whose bytes must not be mixed with an answer. */
export function onClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  isStream: boolean,
): void {
  if (socket.destroyed) return;
  if (isStream || !socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const known = REASONS[error.code ?? ''] ?? MALFORMED;
  const body = JSON.stringify(known);
  socket.end(
    `HTTP/1.1 ${known.status} ${known.code}\r\nconnection: close\r\n` +
      `content-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
