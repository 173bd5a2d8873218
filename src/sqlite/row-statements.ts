/**
 * hot path: the statements that touch rows of one table, several rows at a time.
 *
 * SQLite needs some 1 microsecond per row, a call from JavaScript as much again: 20 rows a statement take most
 * of the difference away (bench/perf/apply.ts). Each statement exists in a few sizes, made when first needed.
 */
import type { Cell } from '../core/value.ts';
import type { ReplicaTable } from './replica-table.ts';
import { prepareArrays, type Sql, type SqlStatement, sqlFailureOf } from './sql.ts';

/** Rows of one statement, largest first. The last is 1, so that any number of rows can be made up. */
const BATCH_SIZES = [20, 4, 1] as const;
/** SQLite's own limit of parameters of one statement. */
const PARAMETERS_MAX = 32_766;

type Batches = readonly { readonly size: number; statement: SqlStatement | null }[];

export class RowStatements {
  readonly #sql: Sql;
  readonly #table: ReplicaTable;
  readonly #inserts: Batches;
  readonly #upserts: Batches;
  readonly #deletes: Batches;
  readonly #reads: Batches;
  readonly #parameters: Cell[] = [];

  constructor(sql: Sql, table: ReplicaTable) {
    this.#sql = sql;
    this.#table = table;
    this.#inserts = batches(table.columns.length);
    this.#upserts = batches(table.columns.length);
    this.#deletes = batches(table.keyColumns.length);
    this.#reads = batches(table.keyColumns.length);
  }

  /** How many rows one call of `insert` takes at most to be a single statement. */
  get batchSize(): number {
    return this.#inserts[0]?.size ?? 1;
  }

  /**
   * Inserts rows whose keys are new. Returns how many were inserted before the first statement that SQLite
   * refused because a key was not new: of that statement's rows, none is.
   */
  insert(rows: readonly (readonly Cell[])[]): number {
    let start = 0;
    for (const batch of this.#inserts) {
      for (; start + batch.size <= rows.length; start += batch.size) {
        this.#bind(rows, start, batch.size);
        batch.statement ??= this.#sql.prepare(this.#insertSql(batch.size));
        try {
          batch.statement.run(...this.#parameters);
        } catch (error) {
          if (sqlFailureOf(error) === 'constraint') return start;
          throw error;
        }
      }
    }
    return start;
  }

  /** Inserts rows or replaces those of the same key. */
  upsert(rows: readonly (readonly Cell[])[]): void {
    this.#each(this.#upserts, rows, (size) => `${this.#insertSql(size)} ${this.#conflictSql()}`);
  }

  /** Deletes rows by key. Keys without a row do no harm. */
  delete(keys: readonly (readonly Cell[])[]): void {
    this.#each(this.#deletes, keys, (size) => {
      return `DELETE FROM ${this.#table.quoted} WHERE ${this.#keyIn(size)}`;
    });
  }

  /** Calls `use` with each row that has one of these keys. The row is fresh. */
  read(keys: readonly (readonly Cell[])[], use: (row: readonly Cell[]) => void): void {
    let start = 0;
    for (const batch of this.#reads) {
      for (; start + batch.size <= keys.length; start += batch.size) {
        this.#bind(keys, start, batch.size);
        batch.statement ??= prepareArrays(this.#sql, this.#readSql(batch.size));
        for (const row of batch.statement.all(...this.#parameters)) use(this.#table.restore(row));
      }
    }
  }

  #each(all: Batches, rows: readonly (readonly Cell[])[], text: (size: number) => string): void {
    let start = 0;
    for (const batch of all) {
      for (; start + batch.size <= rows.length; start += batch.size) {
        this.#bind(rows, start, batch.size);
        batch.statement ??= this.#sql.prepare(text(batch.size));
        batch.statement.run(...this.#parameters);
      }
    }
  }

  #bind(rows: readonly (readonly Cell[])[], start: number, size: number): void {
    const parameters = this.#parameters;
    let count = 0;
    for (let index = start; index < start + size; index += 1) {
      for (const cell of rows[index] ?? []) parameters[count++] = cell;
    }
    parameters.length = count;
  }

  #insertSql(size: number): string {
    const row = `(${this.#table.columns.map(() => '?').join()})`;
    const names = this.#table.columns.join();
    return `INSERT INTO ${this.#table.quoted} (${names}) VALUES ${Array(size).fill(row).join()}`;
  }

  /** Key columns are set too where equal keys may differ in bytes: 0 and -0. */
  #conflictSql(): string {
    const { columns, definition, keyColumns, keyPositions } = this.#table;
    const names = columns.filter((_, position) => {
      return !keyPositions.includes(position) || definition.columns[position]?.kind === 'float';
    });
    const sets = names.map((name) => `${name} = excluded.${name}`);
    const action = sets.length === 0 ? 'NOTHING' : `UPDATE SET ${sets.join()}`;
    return `ON CONFLICT (${keyColumns.join()}) DO ${action}`;
  }

  /** A join reads some 20 % faster than `IN` (bench/perf/apply.ts, `update in order`). */
  #readSql(size: number): string {
    const { cellsSql, keyColumns, quoted } = this.#table;
    const names = keyColumns.map((_, index) => `tidelock_key_${index}`);
    const row = `(${keyColumns.map(() => '?').join()})`;
    const on = keyColumns.map((column, index) => `${quoted}.${column} = ${names[index]}`);
    return `WITH tidelock_keys (${names.join()}) AS (VALUES ${Array(size).fill(row).join()})
      SELECT ${cellsSql} FROM tidelock_keys CROSS JOIN ${quoted} ON ${on.join(' AND ')}`;
  }

  #keyIn(size: number): string {
    const { keyColumns } = this.#table;
    if (keyColumns.length === 1) return `${keyColumns[0]} IN (${Array(size).fill('?').join()})`;
    const row = `(${keyColumns.map(() => '?').join()})`;
    return `(${keyColumns.join()}) IN (VALUES ${Array(size).fill(row).join()})`;
  }
}

function batches(columns: number): Batches {
  const most = Math.max(1, Math.floor(PARAMETERS_MAX / columns));
  return BATCH_SIZES.filter((size) => size <= most).map((size) => ({ size, statement: null }));
}
