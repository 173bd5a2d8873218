/** Failures in the form that Transicator's clients know. */
import type { FastifyReply } from 'fastify';
import type { TidelockError } from '../../core/errors.ts';
import { toTidelockError } from '../errors.ts';
import type { Log } from '../log.ts';

const RETRY_AFTER_S = '2';

/** By code: HTTP status and what the code says in words. */
export const TRANSICATOR_ERRORS = {
  MISSING_SCOPE: [400, 'no scope was given'],
  INVALID_REQUEST_PARAM: [400, 'a parameter is invalid'],
  PARAMETER_INVALID: [400, 'a parameter is invalid'],
  SNAPSHOT_TOO_OLD: [400, 'the snapshot is too old'],
  UNAUTHORIZED: [401, 'a valid token is needed'],
  FORBIDDEN: [403, 'the token does not cover this'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'none of the accepted formats is served here'],
  UNSUPPORTED_FORMAT: [415, 'none of the accepted formats is served here'],
  INTERNAL_SERVER_ERROR: [500, 'the request failed'],
  UNAVAILABLE: [503, 'the server does not serve now'],
} as const satisfies Record<string, readonly [number, string]>;

export type TransicatorCode = keyof typeof TRANSICATOR_ERRORS;

/** A failure that has no equal among our own codes. */
export class TransicatorError extends Error {
  readonly code: TransicatorCode;

  constructor(code: TransicatorCode, description: string) {
    super(description);
    this.name = 'TransicatorError';
    this.code = code;
  }
}

/** Answers with the error. `badParameter` is what the route calls a parameter that cannot be read. */
export function sendTransicatorError(
  error: unknown,
  reply: FastifyReply,
  { log, badParameter }: { readonly log: Log; readonly badParameter: TransicatorCode },
): void {
  if (reply.raw.destroyed || reply.raw.headersSent) {
    reply.hijack();
    return;
  }
  const { code, description } = describe(error, badParameter);
  const [status, words] = TRANSICATOR_ERRORS[code];
  if (code === 'INTERNAL_SERVER_ERROR') log.warn({ err: error, url: reply.request.url }, 'failed');
  if (status === 503) reply.header('retry-after', RETRY_AFTER_S);
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  const body = JSON.stringify({ code, error: words, description }, null, 2);
  // A Buffer, because Fastify adds a charset to texts.
  reply.code(status).type('application/json').send(Buffer.from(body));
}

function describe(
  error: unknown,
  badParameter: TransicatorCode,
): { readonly code: TransicatorCode; readonly description: string } {
  if (error instanceof TransicatorError) return { code: error.code, description: error.message };
  const known = toTidelockError(error);
  const hint = known.hint === undefined ? '' : ` (${known.hint})`;
  return { code: codeOf(known, badParameter), description: `${known.message}${hint}` };
}

function codeOf({ code, status }: TidelockError, badParameter: TransicatorCode): TransicatorCode {
  switch (code) {
    case 'TOO_OLD':
    case 'TIMELINE_CHANGED':
      return 'SNAPSHOT_TOO_OLD';
    case 'TOKEN_INVALID':
      return 'UNAUTHORIZED';
    case 'TOKEN_FORBIDS':
      return 'FORBIDDEN';
    case 'BUSY':
    case 'NOT_READY':
      return 'UNAVAILABLE';
    default:
      return status < 500 ? badParameter : 'INTERNAL_SERVER_ERROR';
  }
}
