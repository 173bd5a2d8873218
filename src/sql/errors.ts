/**
 * The expected failures of SQL. Codes are PostgreSQL's SQLSTATEs of the same meaning, so that drivers, `psql` and
 * people know them. docs/sql.md lists them; a test holds the list.
 */
import { messageOf, TidelockError } from '../core/errors.ts';

export const SQL_STATES = {
  '08P01': 'the client does not speak the protocol',
  /** Valid SQL of PostgreSQL that is outside of the supported subset. Never answered with something else. */
  '0A000': 'not supported',
  /** INSERT gives a row of another width than the columns named. */
  '21000': 'a subquery used as an expression gave more than one row',
  '22001': 'text too long for its type',
  '22003': 'number out of range',
  '22007': 'a date, time or interval cannot be read',
  '22008': 'date or time out of range',
  '22011': 'negative length of a substring',
  '22012': 'division by zero',
  '22021': 'text that is not valid UTF-8',
  '22023': 'an argument has no meaning',
  '22025': 'a LIKE pattern ends with the escape character',
  '22P02': 'text that is no value of its type',
  '22P03': 'binary value that is no value of its type',
  '2201B': 'a regular expression cannot be read',
  '2201F': 'a root or power without a real result',
  '2201W': 'negative LIMIT',
  '2201X': 'negative OFFSET',
  '23502': 'NULL in a column that has none',
  '23505': 'a second row with the same key',
  '24000': 'the cursor is not in a state for this',
  '25001': 'not inside a transaction',
  '25006': 'a write in a transaction that reads',
  '25P01': 'no transaction is open',
  '25P02': 'the transaction has failed: only ROLLBACK',
  '26000': 'no such prepared statement',
  '28P01': 'the token is missing or not accepted',
  '2BP01': 'other objects depend on it',
  '34000': 'no such cursor',
  '3D000': 'no such database',
  '3F000': 'no such schema',
  '40001': 'a concurrent change: try again',
  '42501': 'not permitted',
  '42601': 'syntax error',
  '42602': 'bad name',
  '42701': 'a column is named twice',
  '42702': 'a name means more than one column',
  '42703': 'no such column',
  '42704': 'no such object or setting',
  '42710': 'there is such an object already',
  '42712': 'a table name is used twice in FROM',
  '42725': 'more than one function fits',
  '42803': 'an aggregate, or a column outside of GROUP BY, where it cannot be',
  '42804': 'types do not match',
  '42809': 'an object of another kind',
  '42830': 'the key is not one',
  '42846': 'no cast between these types',
  '42883': 'no such function or operator',
  '42P01': 'no such table, source or view',
  '42P02': 'no such parameter',
  '42P03': 'there is such a cursor already',
  '42P04': 'there is such a database already',
  '42P05': 'there is such a prepared statement already',
  '42P06': 'there is such a schema already',
  '42P07': 'there is such a table, source or view already',
  '42P08': 'a parameter is used with two types',
  '42P10': 'a column reference that has no meaning here',
  '42P16': 'a table cannot be defined like this',
  '42P18': 'the type of a parameter cannot be told',
  '42P20': 'a window function where none can be',
  '53200': 'out of memory: too many large messages at once, or a read that takes too much',
  '53300': 'too many connections, or too many reads that wait',
  '54000': 'larger than a limit',
  '54001': 'the statement is nested too deeply',
  '54011': 'too many columns',
  '55000': 'the object is not in a state for this',
  '55P03': 'could not get it now',
  '57014': 'canceled by the user, or by statement_timeout',
  '57P01': 'the server stops',
  '57P03': 'not ready yet: try again',
  '58000': 'the process that computed it has ended: try again',
  '58030': 'a file cannot be read or written',
  '58P01': 'no such file',
  XX000: 'a bug of ours',
} as const satisfies Record<string, string>;

export type SqlState = keyof typeof SQL_STATES;

/** A failed statement: SQLSTATE, and where in its batch it went wrong. */
export class SqlError extends TidelockError {
  readonly sqlState: SqlState;
  /** In UTF-16 units (as JavaScript counts) from the start of the batch; null when no place can be told. */
  readonly offset: number | null;

  constructor(sqlState: SqlState, message: string, place: ErrorPlace) {
    super({
      code: 'SQL_FAILED',
      message,
      hint: place.hint,
      details: { sqlState, ...(place.offset === undefined ? {} : { offset: place.offset }) },
      cause: place.cause,
    });
    this.name = 'SqlError';
    this.sqlState = sqlState;
    this.offset = place.offset ?? null;
  }
}

export type ErrorPlace = {
  readonly offset?: number | undefined;
  readonly hint?: string | undefined;
  readonly cause?: unknown;
};

/** To be thrown. */
export function sqlError(sqlState: SqlState, message: string, place: ErrorPlace = {}): SqlError {
  return new SqlError(sqlState, message, place);
}

/** SQL that PostgreSQL reads and we do not: `what` begins the sentence. */
export function notSupported(what: string, offset?: number): SqlError {
  return sqlError('0A000', `${what} is not supported`, { offset });
}

/** True for a code of the table above: codes travel as text between threads. */
export function isSqlState(code: string): code is SqlState {
  return Object.hasOwn(SQL_STATES, code);
}

/** What SQLite says when a statement is beyond its limits. */
const TOO_COMPLEX =
  /too many|too large|stack overflow|at most \d+ tables|Recursion limit|call stack size/;

/** Any failure as one of SQL. What is not ours is `XX000`, SQLite's own limits and overflows aside. */
export function toSqlError(error: unknown): SqlError {
  if (error instanceof SqlError) return error;
  const message = messageOf(error);
  if (/integer overflow/.test(message))
    return sqlError('22003', 'integer out of range', { cause: error });
  if (TOO_COMPLEX.test(message)) {
    return sqlError('54001', `the statement is too complex: ${message}`, { cause: error });
  }
  return sqlError('XX000', message, { cause: error });
}
