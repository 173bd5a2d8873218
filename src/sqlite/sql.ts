/** The small part of SQLite that this folder needs: connections, transactions, and what an error means. */
import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** A connection. Narrow on purpose: tests put a failing one in its place. */
export type Sql = Pick<DatabaseSync, 'exec' | 'prepare' | 'close' | 'isTransaction'>;

export type FunctionSql = Sql & Pick<DatabaseSync, 'function' | 'aggregate'>;

export type SqlStatement = StatementSync;

/** What a failed SQLite call means to us. */
export type SqlFailure =
  | 'full'
  | 'io'
  | 'busy'
  | 'corrupt'
  | 'foreign'
  | 'readOnly'
  | 'constraint'
  | 'other';

const FAILURE_BY_CODE: ReadonlyMap<number, SqlFailure> = new Map([
  [5, 'busy'],
  [6, 'busy'],
  [8, 'readOnly'],
  [10, 'io'],
  [11, 'corrupt'],
  [13, 'full'],
  [14, 'io'],
  [19, 'constraint'],
  [26, 'foreign'],
]);

/** Tells failures of SQLite apart; undefined for anything that SQLite did not throw. */
export function sqlFailureOf(error: unknown): SqlFailure | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  const { errcode } = error;
  // The extended code keeps the primary code in its lowest byte.
  return typeof errcode === 'number' ? (FAILURE_BY_CODE.get(errcode & 0xff) ?? 'other') : undefined;
}

/** One sentence for people: cause and remedy of a failed write. */
export function writeFailureText(failure: SqlFailure | undefined): { cause: string; hint: string } {
  switch (failure) {
    case 'full':
      return {
        cause: 'the disk is full',
        hint: 'free space on its disk; the write is tried again',
      };
    case 'io':
      return {
        cause: 'input/output error (failing disk, quota or file size limit)',
        hint: 'check the disk, its quota and `ulimit -f`; the write is tried again',
      };
    case 'readOnly':
      return { cause: 'the file is read-only', hint: 'make the file and its folder writable' };
    case 'busy':
      return {
        cause: 'another process holds a write lock on it',
        hint: 'end the other writer; the write is tried again',
      };
    default:
      return { cause: 'SQLite refused the write', hint: 'see the cause in the error' };
  }
}

export type OpenOptions = {
  /** How long a statement waits for another process' lock. */
  readonly timeoutMs: number;
  readonly isReadOnly?: boolean;
  /** Permits to do without a journal: for files that are thrown away when anything fails. */
  readonly isUnsafe?: boolean;
};

/** A connection that functions of ours can be added to. */
export function openFunctionSql(file: string, options: OpenOptions): FunctionSql {
  return connect(file, options);
}

export function openSql(file: string, options: OpenOptions): Sql {
  return connect(file, options);
}

function connect(file: string, options: OpenOptions): DatabaseSync {
  const sql = new DatabaseSync(file, {
    readOnly: options.isReadOnly ?? false,
    defensive: !(options.isUnsafe ?? false),
  });
  sql.exec(`PRAGMA busy_timeout = ${options.timeoutMs}`);
  return sql;
}

/** A statement whose rows are arrays. */
export function prepareArrays(sql: Sql, text: string): StatementSync {
  const statement = sql.prepare(text);
  statement.setReturnArrays(true);
  return statement;
}

/** Runs `work` in one write transaction: all of it or nothing. */
export function inTransaction<T>(sql: Sql, work: () => T): T {
  sql.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    sql.exec('COMMIT');
    return result;
  } catch (error) {
    rollBack(sql);
    throw error;
  }
}

/** Ends an open transaction without effect. SQLite has done so itself after some errors. */
export function rollBack(sql: Sql): void {
  if (sql.isTransaction) sql.exec('ROLLBACK');
}

/** Reads a column that we wrote as a number. */
export function asNumber(value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`a number was expected, not ${typeof value}`);
  return value;
}

/** Reads a column that we wrote as text. */
export function asText(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`a text was expected, not ${typeof value}`);
  return value;
}

/** Reads a column that we wrote as a blob. */
export function asBytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) {
    throw new TypeError(`a blob was expected, not ${typeof value}`);
  }
  return value;
}
