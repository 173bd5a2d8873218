/**
 * A folder belongs to one process: a transaction of an empty SQLite file beside the data is held open for as long as the
 * process has it. The system lets go of it when the process ends, in whatever way.
 */
import { openSql, type Sql } from './sql.ts';

/** How long taking it waits for a predecessor that is just ending. */
const WAIT_MS = 500;

export class FolderLock {
  readonly #sql: Sql;

  private constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Throws what SQLite throws; `busy` when another process (or another part of this one) has it. */
  static take(file: string): FolderLock {
    const sql = openSql(file, { timeoutMs: WAIT_MS });
    try {
      sql.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    } catch (error) {
      sql.close();
      throw error;
    }
    return new FolderLock(sql);
  }

  release(): void {
    this.#sql.close();
  }
}
