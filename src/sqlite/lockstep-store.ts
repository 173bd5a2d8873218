/**
 * A Lockstep stream as a SQLite table: the last version of each row by key, and the position in the same
 * transaction. Repeated rows change nothing.
 */
import { messageOf, TidelockError } from '../core/errors.ts';
import { quoteName } from '../core/table.ts';
import { inTransaction, openSql, type Sql, type SqlStatement, sqlFailureOf } from './sql.ts';

export type StoredRow = {
  readonly deleted: boolean;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
};

export type LockstepStoreOptions = {
  readonly file: string;
  readonly table: string;
  readonly key: readonly string[];
};

const BUSY_WAIT_MS = 5000;
/** Holds the positions. */
const OWN_TABLE = 'tidelock_lockstep';

/** How rows with the same columns are written. */
type Shape = { readonly names: readonly string[]; readonly upsert: SqlStatement };

export class LockstepStore {
  readonly #sql: Sql;
  readonly #file: string;
  readonly #table: string;
  readonly #key: readonly string[];
  readonly #remove: SqlStatement;
  readonly #keep: SqlStatement;
  #columns: readonly string[];
  #shape: Shape | null = null;

  private constructor(sql: Sql, { file, table, key }: LockstepStoreOptions) {
    this.#sql = sql;
    this.#file = file;
    this.#table = table;
    this.#key = key;
    const columns = key.map((name) => `${quoteName(name)} NOT NULL`).join(', ');
    sql.exec(`PRAGMA journal_mode = WAL;
      CREATE TABLE IF NOT EXISTS ${OWN_TABLE} (table_name TEXT PRIMARY KEY, since ANY NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS ${quoteName(table)} (${columns}, PRIMARY KEY (${key.map(quoteName).join(', ')}))`);
    this.#columns = this.#readColumns();
    this.#requireKey();
    const where = key.map((name) => `${quoteName(name)} = ?`).join(' AND ');
    this.#remove = sql.prepare(`DELETE FROM ${quoteName(table)} WHERE ${where}`);
    this.#keep = sql.prepare(`INSERT INTO ${OWN_TABLE} VALUES (?, ?)
      ON CONFLICT DO UPDATE SET since = excluded.since`);
  }

  /**
   * Opens or creates the file. Throws `REPLICA_UNFIT` when it is no SQLite file, or the table there has another key,
   * `REPLICA_WRITE_FAILED` when it cannot be written.
   */
  static open(options: LockstepStoreOptions): LockstepStore {
    const { file, table } = options;
    if (table === OWN_TABLE || /^sqlite_/i.test(table)) throw reservedName(table);
    let sql: Sql | null = null;
    try {
      sql = openSql(file, { timeoutMs: BUSY_WAIT_MS });
      return new LockstepStore(sql, options);
    } catch (error) {
      sql?.close();
      throw storeError(error, file);
    }
  }

  /** Where to resume; 0 for a new file. */
  get since(): number | string {
    const row = this.#sql
      .prepare(`SELECT since FROM ${OWN_TABLE} WHERE table_name = ?`)
      .get(this.#table);
    return typeof row?.since === 'string' ? row.since : Number(row?.since ?? 0);
  }

  /**
   * Rows in their order and the position behind them, all or nothing. Throws `REPLICA_UNFIT` for a row without the
   * key, `REPLICA_WRITE_FAILED` when the file cannot be written.
   */
  apply(rows: readonly StoredRow[], since: number | string): void {
    try {
      inTransaction(this.#sql, () => {
        for (const row of rows) this.#applyRow(row);
        this.#keep.run(this.#table, since);
      });
    } catch (error) {
      throw storeError(error, this.#file);
    }
  }

  close(): void {
    this.#sql.close();
  }

  #applyRow({ deleted, data }: StoredRow): void {
    for (const name of this.#key) {
      if (data[name] === undefined || data[name] === null) throw withoutKey(name, data);
    }
    if (deleted) {
      this.#remove.run(...this.#key.map((name) => cellOf(data[name])));
      return;
    }
    const names = Object.keys(data);
    const { upsert } = this.#shapeFor(names);
    upsert.run(...names.map((name) => cellOf(data[name])));
  }

  #shapeFor(names: readonly string[]): Shape {
    const last = this.#shape;
    if (last !== null && isSame(last.names, names)) return last;
    this.#addColumns(names);
    const others = names.filter((name) => !this.#key.includes(name));
    const sets = others.map((name) => `${quoteName(name)} = excluded.${quoteName(name)}`);
    // A column that a row lacks keeps its value: the log leaves out large ones that did not change.
    const upsert = this.#sql.prepare(`
      INSERT INTO ${quoteName(this.#table)} (${names.map(quoteName).join(', ')})
      VALUES (${names.map(() => '?').join(', ')})
      ON CONFLICT (${this.#key.map(quoteName).join(', ')})
      DO ${sets.length === 0 ? 'NOTHING' : `UPDATE SET ${sets.join(', ')}`}`);
    this.#shape = { names, upsert };
    return this.#shape;
  }

  /** Columns come as the source gets them; those that it drops stay as they were. */
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

  #requireKey(): void {
    const rows = this.#sql
      .prepare('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk')
      .all(this.#table);
    const present = rows.map(({ name }) => String(name));
    if (isSame([...present].sort(), [...this.#key].sort())) return;
    const is = present.length === 0 ? 'no key' : `the key ${present.join(', ')}`;
    throw new TidelockError({
      code: 'REPLICA_UNFIT',
      message: `table ${this.#table} of ${this.#file} has ${is}, not ${this.#key.join(', ')}`,
      hint: 'name its key (--key <column>), or another table (--table <name>) or file',
    });
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, at) => name === b[at]);
}

function cellOf(value: string | number | boolean | null | undefined): string | number | null {
  if (value === undefined) return null;
  return typeof value === 'boolean' ? Number(value) : value;
}

function withoutKey(name: string, data: StoredRow['data']): TidelockError {
  return new TidelockError({
    code: 'REPLICA_UNFIT',
    message: `a row has no ${name}, which is to be its key: ${Object.keys(data).join(', ')}`,
    hint: 'name the columns that identify a row: --key <column>',
  });
}

function reservedName(table: string): TidelockError {
  return new TidelockError({
    code: 'REPLICA_UNFIT',
    message: `a table in SQLite cannot be named ${table}`,
    hint: 'give it another name: --table <name>',
  });
}

function storeError(error: unknown, file: string): unknown {
  const failure = sqlFailureOf(error);
  if (failure === undefined) return error;
  const isForeign = failure === 'foreign' || failure === 'corrupt' || failure === 'other';
  return new TidelockError({
    code: isForeign ? 'REPLICA_UNFIT' : 'REPLICA_WRITE_FAILED',
    message: `${file}: ${messageOf(error)}`,
    hint: isForeign
      ? 'name a new file, or one that this command has made'
      : 'see to the disk, the folder and its rights; it resumes where it was',
    cause: error,
  });
}
