/**
 * A connection to a two-way replica for the program's own writes: each transaction of it is one local
 * transaction, which Postgres takes or refuses as a whole.
 *
 * `synchronous = FULL`: until it is sent, a local write is nowhere else, so its commit is synced.
 */
import { DatabaseSync } from 'node:sqlite';
import { TidelockError } from '../core/errors.ts';
import { inTransaction } from './sql.ts';

/** What a program writes through: a connection of node:sqlite. */
export type LocalDatabase = DatabaseSync;

/** How long a statement waits for another program's transaction. */
const BUSY_WAIT_MS = 5000;

/** Marks the end of a local transaction, and so the beginning of the next. */
const BOUNDARY_SQL = 'INSERT INTO tidelock_boundary VALUES (1)';

export class LocalConnection {
  readonly database: LocalDatabase;

  /** Throws what SQLite throws. */
  constructor(file: string) {
    this.database = new DatabaseSync(file, { timeout: BUSY_WAIT_MS });
    this.database.exec('PRAGMA synchronous = FULL');
  }

  /**
   * Runs `work` in one local transaction: all of it or, when it throws, nothing. `work` must be synchronous, and
   * must not begin or end a transaction itself.
   */
  transaction<T>(work: (db: LocalDatabase) => T): T {
    return inTransaction(this.database, () => {
      this.database.exec(BOUNDARY_SQL);
      const result = work(this.database);
      if (result instanceof Promise) {
        result.catch(() => {}); // what it does comes too late, and is refused by SQLite or stands alone
        throw new TidelockError({
          code: 'BAD_REQUEST',
          message: 'a local transaction cannot wait: its function returned a promise',
          hint: 'fetch first what you need, then write it in a function without await',
        });
      }
      return result;
    });
  }

  close(): void {
    if (this.database.isOpen) this.database.close();
  }
}
