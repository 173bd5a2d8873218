/** Turns what `pg`, the socket and the server report into this program's errors. */
import { messageOf, TidelockError } from '../core/errors.ts';

/** Postgres' five-character error code, or undefined when the error is not from the server. */
export function sqlStateOf(error: unknown): string | undefined {
  const cause = error instanceof TidelockError ? error.cause : error;
  if (!(cause instanceof Error) || !('code' in cause)) return undefined;
  return typeof cause.code === 'string' && /^[0-9A-Z]{5}$/.test(cause.code)
    ? cause.code
    : undefined;
}

/** An error response of the server, read from the bare socket. */
export class ServerError extends Error {
  readonly code: string;
  /** The function of the server that reported it: unlike the text, never translated. */
  readonly routine: string;

  constructor(code: string, message: string, routine: string) {
    super(message);
    this.name = 'ServerError';
    this.code = code;
    this.routine = routine;
  }
}

/** Reads the fields of an ErrorResponse or NoticeResponse between `start` and `end`. */
export function parseServerError(buffer: Buffer, start: number, end: number): ServerError {
  const fields = new Map<string, string>();
  let at = start;
  while (at < end && buffer[at] !== 0) {
    const stop = buffer.indexOf(0, at + 1);
    if (stop < 0 || stop >= end) break;
    fields.set(String.fromCharCode(buffer[at] ?? 0), buffer.toString('utf8', at + 1, stop));
    at = stop + 1;
  }
  const text = fields.get('M') ?? 'an error without a text';
  return new ServerError(fields.get('C') ?? 'XX000', text, fields.get('R') ?? '');
}

/** What the operator can do, by the first sign that fits. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/^28/, 'check the user name and password in the Postgres URL, and pg_hba.conf'],
  [/^3D000$/, 'create the database, or correct its name in the Postgres URL'],
  [/^53300$/, 'raise max_connections, or max_wal_senders for the replication connection'],
  [/^57P/, 'Postgres is starting or stopping; the connection is tried again by itself'],
];

const DEFAULT_REMEDY = 'check that Postgres runs and that host, port and firewall are right';

/** SQLSTATE classes that mean: this connection is of no use any more. */
const LOST_STATES = /^(08|57P0[1-5]|28|3D000|53300|25P03)/;

/**
 * `SOURCE_DOWN` for a connection that cannot be made or is lost, `SOURCE_UNFIT` for a missing right;
 * other errors of the server stay as they are, because only the caller knows what they mean.
 */
export function translateError(
  cause: unknown,
  where: string,
  situation: { readonly isConnecting: boolean },
): TidelockError {
  if (cause instanceof TidelockError) return cause;
  const state = sqlStateOf(cause);
  if (state === undefined || situation.isConnecting || LOST_STATES.test(state)) {
    return down(cause, where, state);
  }
  if (state === '42501') {
    return new TidelockError({
      code: 'SOURCE_UNFIT',
      message: `Postgres at ${where} refuses: ${messageOf(cause)}`,
      hint: 'run `tidelock doctor --postgres URL`: it prints the GRANT that is missing',
      cause,
    });
  }
  return new TidelockError({
    code: 'INTERNAL',
    message: `Postgres at ${where} says: ${messageOf(cause)} (${state})`,
    cause,
  });
}

function down(cause: unknown, where: string, state: string | undefined): TidelockError {
  const remedy = REMEDIES.find(([sign]) => state !== undefined && sign.test(state));
  return new TidelockError({
    code: 'SOURCE_DOWN',
    message: `Postgres at ${where} cannot be used: ${reasonOf(cause)}`,
    hint: remedy?.[1] ?? DEFAULT_REMEDY,
    cause,
  });
}

/** Failed connections to a name with several addresses come as one error without a text of its own. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(messageOf).join('; ');
  return messageOf(cause);
}
