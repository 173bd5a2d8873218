/** Errors of the other side as errors of ours. */
import { ERROR_CODES, type ErrorCode, messageOf, TidelockError } from '../core/errors.ts';

const EXCERPT_CHARS = 200;

/** The error object of an `error` line or of an answer's body. Unknown codes become `PROTOCOL`. */
export function errorFromWire(value: unknown): TidelockError {
  const wire = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const message = typeof wire.message === 'string' ? wire.message : 'the server reported an error';
  const code = typeof wire.code === 'string' ? wire.code : '';
  if (!isErrorCode(code)) {
    return new TidelockError({
      code: 'PROTOCOL',
      message: `${code || 'an error without a code'}: ${message}`,
    });
  }
  const hint = typeof wire.hint === 'string' ? wire.hint : undefined;
  const details = wire.details as Readonly<Record<string, unknown>> | undefined;
  return new TidelockError({ code, message, hint, details });
}

/**
 * The error of an answer that is no success. Without an error body of ours it came from something in
 * between (a proxy, a balancer), about which nothing is known except that trying again may help.
 */
export function errorFromAnswer(status: number, body: string): TidelockError {
  const error = parseErrorBody(body);
  if (error !== undefined) return errorFromWire(error);
  return new TidelockError({
    code: status === 502 || status === 503 || status === 504 ? 'SERVER_UNREACHABLE' : 'PROTOCOL',
    message: `the server answered with status ${status}: ${body.slice(0, EXCERPT_CHARS)}`,
    hint: 'check that the address is that of a Tidelock server, and what stands between here and there',
  });
}

/** Everything that may come out of the network stack. */
export function errorFromNetwork(cause: unknown, what: string): TidelockError {
  if (cause instanceof TidelockError) return cause;
  return new TidelockError({
    code: 'SERVER_UNREACHABLE',
    message: `${what}: ${messageOf(cause)}`,
    hint: 'is the server running, and is its address right? the replica keeps trying',
    cause,
  });
}

export function streamEnded(): TidelockError {
  return new TidelockError({ code: 'SERVER_UNREACHABLE', message: 'the server ended the stream' });
}

export function closedError(): TidelockError {
  return new TidelockError({ code: 'NOT_READY', message: 'the replica is closed' });
}

/** A bug of ours, in the form in which everything else is told. */
export function internalError(cause: unknown): TidelockError {
  return new TidelockError({ code: 'INTERNAL', message: messageOf(cause), cause });
}

function parseErrorBody(body: string): unknown {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null && 'error' in parsed
      ? parsed.error
      : undefined;
  } catch {
    return undefined;
  }
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

/** An upload was given up. */
export function noAnswer(ms: number): TidelockError {
  return new TidelockError({
    code: 'TIMEOUT',
    message: `the server did not answer an upload within ${ms / 1000} s`,
    hint: 'it is sent again; what the server has stored already counts once',
  });
}

/** An answer that gives no outcome to what was sent. */
export function noProgress(accepted: number, first: number): TidelockError {
  return new TidelockError({
    code: 'PROTOCOL',
    message: `the server answered for transactions up to ${accepted}, but ${first} was sent`,
  });
}

export function tooManyWaits(max: number): TidelockError {
  return new TidelockError({
    code: 'BUSY',
    message: `${max} calls wait for local writes already`,
    hint: 'wait for them',
  });
}
