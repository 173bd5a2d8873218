/**
 * A Lockstep stream as a SQLite table: the last version of each row by key, and the position in the same
 * transaction. Repeated rows change nothing.
 */
import { TidelockError } from '../core/errors.ts';
import { quoteName } from '../core/table.ts';
import { inTransaction, openSql, type Sql } from './sql.ts';

export type StoredRow = {
  readonly deleted: boolean;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
};

const BUSY_WAIT_MS = 5000;

export class LockstepStore {
  readonly #sql: Sql;
  readonly #table: string;
  readonly #key: readonly string[];
  #columns: readonly string[];

  /** Opens or creates the file. Throws `REPLICA_UNFIT` when the table there has another key. */
  constructor(options: {
    readonly file: string;
    readonly table: string;
    readonly key: readonly string[];
  }) {
    this.#sql = openSql(options.file, { timeoutMs: BUSY_WAIT_MS });
    this.#table = options.table;
    this.#key = options.key;
    this.#sql.exec(`PRAGMA journal_mode = WAL;
      CREATE TABLE IF NOT EXISTS tidelock_lockstep (table_name TEXT PRIMARY KEY, since ANY NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS ${quoteName(this.#table)} (${this.#key.map((name) => `${quoteName(name)} NOT NULL`).join(', ')},
        PRIMARY KEY (${this.#key.map(quoteName).join(', ')}))`);
    this.#columns = this.#readColumns();
  }

  /** Where to resume; 0 for a new file. */
  get since(): number | string {
    const row = this.#sql
      .prepare('SELECT since FROM tidelock_lockstep WHERE table_name = ?')
      .get(this.#table);
    return typeof row?.since === 'string' ? row.since : Number(row?.since ?? 0);
  }

  /** Rows in their order and the position behind them, all or nothing. Throws `REPLICA_UNFIT` for a row without the key. */
  apply(rows: readonly StoredRow[], since: number | string): void {
    inTransaction(this.#sql, () => {
      for (const row of rows) this.#applyRow(row);
      this.#sql
        .prepare(`INSERT INTO tidelock_lockstep VALUES (?, ?)
          ON CONFLICT DO UPDATE SET since = excluded.since`)
        .run(this.#table, since);
    });
  }

  close(): void {
    this.#sql.close();
  }

  #applyRow({ deleted, data }: StoredRow): void {
    const missing = this.#key.find((name) => data[name] === undefined || data[name] === null);
    if (missing !== undefined) throw this.#withoutKey(missing, data);
    const where = this.#key.map((name) => `${quoteName(name)} = ?`).join(' AND ');
    if (deleted) {
      this.#sql
        .prepare(`DELETE FROM ${quoteName(this.#table)} WHERE ${where}`)
        .run(...this.#key.map((name) => cellOf(data[name])));
      return;
    }
    const names = Object.keys(data);
    this.#addColumns(names);
    this.#sql
      .prepare(`INSERT OR REPLACE INTO ${quoteName(this.#table)} (${names.map(quoteName).join(', ')})
        VALUES (${names.map(() => '?').join(', ')})`)
      .run(...names.map((name) => cellOf(data[name])));
  }

  /** Columns come as the source gets them; those that it drops stay, empty in new rows. */
  #addColumns(names: readonly string[]): void {
    const added = names.filter((name) => !this.#columns.includes(name));
    if (added.length === 0) return;
    for (const name of added) {
      this.#sql.exec(`ALTER TABLE ${quoteName(this.#table)} ADD COLUMN ${quoteName(name)}`);
    }
    this.#columns = this.#readColumns();
  }

  #readColumns(): readonly string[] {
    const rows = this.#sql.prepare('SELECT name FROM pragma_table_info(?)').all(this.#table);
    return rows.map(({ name }) => String(name));
  }

  #withoutKey(name: string, data: StoredRow['data']): TidelockError {
    return new TidelockError({
      code: 'REPLICA_UNFIT',
      message: `a row has no ${name}, which is to be its key: ${Object.keys(data).join(', ')}`,
      hint: 'name the columns that identify a row: --key <column>',
    });
  }
}

function cellOf(value: string | number | boolean | null | undefined): string | number | null {
  if (value === undefined) return null;
  return typeof value === 'boolean' ? Number(value) : value;
}
