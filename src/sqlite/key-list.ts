/** A set of keys of one table that may be larger than memory: a temporary table. */
import { quoteName } from '../core/table.ts';
import { type Cell, sqliteTypeOf } from '../core/value.ts';
import { ReplicaTable } from './replica-table.ts';
import { RowStatements } from './row-statements.ts';
import { prepareArrays, type Sql, type SqlStatement } from './sql.ts';

/** Keys that are collected before they are written. */
const BUFFERED_KEYS_MAX = 1000;

export class KeyList {
  readonly #sql: Sql;
  readonly #quoted: string;
  readonly #statements: RowStatements;
  readonly #layout: ReplicaTable;
  readonly #first: SqlStatement;
  #buffer: (readonly Cell[])[] = [];

  /** `number` tells lists of one connection apart. */
  constructor(sql: Sql, table: ReplicaTable, number: number) {
    this.#sql = sql;
    const name = `tidelock_keys_${number}`;
    this.#quoted = quoteName(name);
    const columns = table.keyPositions.flatMap((position) => {
      return table.definition.columns[position] ?? [];
    });
    this.#layout = new ReplicaTable({ ...table.definition, columns, indexes: [] }, name);
    const types = columns.map(
      (column, index) => `${this.#layout.columns[index]} ${sqliteTypeOf(column.kind)}`,
    );
    sql.exec(
      `CREATE TEMP TABLE ${this.#quoted} (${types.join()}, PRIMARY KEY (${this.#layout.keyColumns.join()})) WITHOUT ROWID`,
    );
    this.#statements = new RowStatements(sql, this.#layout);
    this.#first = prepareArrays(sql, `${this.#layout.selectSql} LIMIT ?`);
  }

  add(key: readonly Cell[]): void {
    this.#buffer.push(key);
    if (this.#buffer.length >= BUFFERED_KEYS_MAX) this.flush();
  }

  flush(): void {
    this.#statements.insert(this.#buffer);
    this.#buffer = [];
  }

  delete(keys: readonly (readonly Cell[])[]): void {
    this.#statements.delete(keys);
  }

  /** Some of the keys, at most `count`; the caller deletes them. */
  take(count: number): readonly (readonly Cell[])[] {
    return this.#first.all(count).map((row) => this.#layout.restore(row));
  }

  drop(): void {
    this.#sql.exec(`DROP TABLE temp.${this.#quoted}`);
  }
}
