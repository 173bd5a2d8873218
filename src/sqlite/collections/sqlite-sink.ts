/**
 * A SQLite file that follows a relation: its rows in the table `data`, and in `tidelock_sink` how far it is, changed in one
 * transaction.
 */

import { quoteName } from '../../core/table.ts';
import type { Stored } from '../../sql/storage.ts';
import { columnAffinity } from '../../sql/storage.ts';
import type { Column } from '../../sql/types.ts';
import { inTransaction, openSql, prepareArrays, type Sql, type SqlStatement } from '../sql.ts';
import type { CellDelta } from './collection.ts';
import type { Upper } from './versioned.ts';

/** How long it waits for a reader of the file. */
const BUSY_MS = 5000;
/** Columns by which rows are found. */
const INDEXED_COLUMNS_MAX = 8;

export class SqliteSink {
  readonly #sql: Sql;
  readonly #insert: SqlStatement;
  readonly #delete: SqlStatement;

  /** Creates the file, or goes on with it. Throws what SQLite throws. */
  constructor(file: string, columns: readonly Column[]) {
    this.#sql = openSql(file, { timeoutMs: BUSY_MS });
    const names = columns.map(({ name }) => quoteName(name));
    const declared = columns.map(({ type }, index) => `${names[index]} ${columnAffinity(type)}`);
    this.#sql.exec(`PRAGMA journal_mode = WAL;
      CREATE TABLE IF NOT EXISTS tidelock_sink (upper INTEGER);
      CREATE TABLE IF NOT EXISTS data (${declared.join(', ') || 'nothing'});
      CREATE INDEX IF NOT EXISTS tidelock_rows ON data (${names.slice(0, INDEXED_COLUMNS_MAX).join(', ') || 'nothing'})`);
    const values = names.map(() => '?').join(', ') || 'NULL';
    this.#insert = this.#sql.prepare(`INSERT INTO data VALUES (${values})`);
    const same = names.map((name) => `${name} IS ?`).join(' AND ') || '1';
    this.#delete = this.#sql.prepare(
      `DELETE FROM data WHERE rowid = (SELECT rowid FROM data WHERE ${same} LIMIT 1)`,
    );
  }

  /** Everything before it is in the file; undefined for a new one, null when nothing more comes. */
  get upper(): Upper | undefined {
    const row = prepareArrays(this.#sql, 'SELECT upper FROM tidelock_sink').get();
    return row === undefined ? undefined : ((row as unknown as readonly Upper[])[0] ?? null);
  }

  apply(deltas: Iterable<CellDelta>, upper: Upper): void {
    inTransaction(this.#sql, () => {
      for (const { row, n } of deltas) this.#change(row, n);
      this.#sql.exec('DELETE FROM tidelock_sink');
      this.#sql.prepare('INSERT INTO tidelock_sink VALUES (?)').run(upper);
    });
  }

  close(): void {
    this.#sql.close();
  }

  #change(row: readonly Stored[], n: number): void {
    const statement = n > 0 ? this.#insert : this.#delete;
    for (let done = 0; done < Math.abs(n); done += 1) statement.run(...row);
  }
}
