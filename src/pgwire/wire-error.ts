/** What a client is told when something fails: PostgreSQL's five characters, a sentence, a place in its text. */
import { type ErrorCode, messageOf, TidelockError } from '../core/errors.ts';
import { SqlError, type SqlState, sqlError } from '../sql/errors.ts';

/** The client does not speak the protocol. */
export function protocolError(message: string): SqlError {
  return sqlError('08P01', message);
}

export type ErrorFields = {
  readonly sqlState: string;
  readonly message: string;
  readonly hint: string | undefined;
  /** Of a character, from 1. */
  readonly position: number | undefined;
};

/** Failures of other parts of the system, in PostgreSQL's words. */
const STATES: Readonly<Partial<Record<ErrorCode, SqlState>>> = {
  BUSY: '53300',
  NOT_READY: '57P03',
  SOURCE_DOWN: '57P03',
  TOKEN_INVALID: '28P01',
  TOKEN_FORBIDS: '42501',
};

/** `sql` is the text that the error's place counts in. */
export function errorFields(error: unknown, sql: string | null): ErrorFields {
  const hint = error instanceof TidelockError ? error.hint : undefined;
  const message = messageOf(error);
  if (!(error instanceof SqlError)) {
    const sqlState = (error instanceof TidelockError && STATES[error.code]) || 'XX000';
    return { sqlState, message, hint, position: undefined };
  }
  const { sqlState, offset } = error;
  const position = sql === null || offset === null ? undefined : placeOf(sql, offset);
  return { sqlState, message, hint, position };
}

/** Whole characters before `offset`, and one. */
function placeOf(sql: string, offset: number): number {
  return [...sql.slice(0, offset)].length + 1;
}
