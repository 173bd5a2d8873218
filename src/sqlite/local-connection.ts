/**
 * A connection to a two-way replica for a program's own writes: each transaction of it is one local
 * transaction, which Postgres takes or refuses as a whole.
 *
 * `synchronous = FULL`: until it is sent, a local write is nowhere else, so its commit is synced.
 */
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { TidelockError } from '../core/errors.ts';
import { BOUNDARY_SQL } from './local-schema.ts';
import { inTransaction } from './sql.ts';
import { addUuidFunction } from './uuid.ts';

/** What a program writes through: a connection of node:sqlite. */
export type LocalDatabase = DatabaseSync;

/** How long a statement waits for another program's transaction. */
const BUSY_WAIT_MS = 5000;

/** Statements that write no rows, or must not stand in a transaction. */
const NO_WRITE =
  /^(?:select|values|explain|pragma|savepoint|release|rollback|attach|detach|vacuum|analyze|reindex)\b/i;
const BEGIN = /^begin\b/i;
const END = /^(?:commit|end)\b/i;

export type StatementResult = {
  /** Empty for a statement that has no rows. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SQLOutputValue[])[];
  /** Rows that a statement without result wrote; null for one with a result. */
  readonly changes: number | null;
};

export class LocalConnection {
  readonly database: LocalDatabase;

  /** Throws what SQLite throws. */
  constructor(file: string) {
    this.database = new DatabaseSync(file, { timeout: BUSY_WAIT_MS });
    this.database.exec('PRAGMA synchronous = FULL');
    addUuidFunction(this.database);
  }

  /**
   * Runs `work` in one local transaction: all of it or, when it throws, nothing. `work` must be synchronous, and
   * must not begin or end a transaction itself.
   */
  transaction<T>(work: (db: LocalDatabase) => T): T {
    return inTransaction(this.database, () => {
      this.database.exec(BOUNDARY_SQL);
      const result = work(this.database);
      if (result instanceof Promise) throw waits(result);
      this.database.exec(BOUNDARY_SQL);
      return result;
    });
  }

  /**
   * Runs one statement as typed. A local transaction is the statement alone, or what stands between BEGIN and
   * COMMIT.
   */
  run(sql: string): StatementResult {
    const { database } = this;
    const text = withoutComments(sql);
    if (BEGIN.test(text)) {
      const result = this.#run(sql);
      database.exec(BOUNDARY_SQL);
      return result;
    }
    if (END.test(text) && database.isTransaction) database.exec(BOUNDARY_SQL);
    const isAlone = database.isTransaction || END.test(text) || NO_WRITE.test(text);
    return isAlone ? this.#run(sql) : this.transaction(() => this.#run(sql));
  }

  close(): void {
    if (this.database.isOpen) this.database.close();
  }

  #run(sql: string): StatementResult {
    const statement = this.database.prepare(sql);
    statement.setReadBigInts(true);
    const columns = statement.columns().map(({ name }) => name);
    if (columns.length === 0) {
      return { columns, rows: [], changes: Number(statement.run().changes) };
    }
    statement.setReturnArrays(true);
    const rows = statement.all() as unknown as SQLOutputValue[][];
    return { columns, rows, changes: null };
  }
}

/** The statement from its first word on. */
function withoutComments(sql: string): string {
  return sql.replace(/^(?:\s+|--[^\n]*\n|\/\*[\s\S]*?\*\/)+/, '');
}

function waits(result: Promise<unknown>): TidelockError {
  result.catch(() => {}); // what it does comes too late
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: 'a local transaction cannot wait: its function returned a promise',
    hint: 'fetch first what you need, then write it in a function without await',
  });
}
