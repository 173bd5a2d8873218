/**
 * The statements and tables of one collection.
 *
 *   live_N     (slot, from, n, c0, c1, ...)   what is in the collection now: n times, since `from`
 *   past_N     (until, slot, from, n, c0...)  what was in it from `from` to before `until`
 *   delta_N    (slot, n, c0, ...)             in memory: the changes that are being applied
 *
 * The past is clustered by `until`: it is appended to, read from a time on, and forgotten up to a time.
 */

import { columnAffinity } from '../../sql/storage.ts';
import type { Column } from '../../sql/types.ts';
import { prepareArrays, type Sql, type SqlStatement } from '../sql.ts';

/** Rows of one statement, largest first. Two: a row that is changed goes and comes. */
const BATCH_SIZES = [20, 4, 2, 1] as const;
/** SQLite's own limit of parameters of one statement. */
const PARAMETERS_MAX = 32_766;

export type Layout = {
  /** Distinguishes the tables of this collection. */
  readonly number: number;
  readonly columns: readonly Column[];
};

export const liveTable = (number: number): string => `live_${number}`;
export const pastTable = (number: number): string => `past_${number}`;
export const deltaTable = (number: number): string => `temp.delta_${number}`;

/** `c0, c1, ...`, each with a prefix like `l.`. */
export function columnList(count: number, prefix = ''): string {
  return Array.from({ length: count }, (_, index) => `${prefix}c${index}`).join(', ');
}

/** `, c0, c1`: nothing for no columns. */
function also(count: number, prefix = ''): string {
  return count === 0 ? '' : `, ${columnList(count, prefix)}`;
}

export function createTables(sql: Sql, { number, columns }: Layout): void {
  const declared = columns.map(({ type }, index) => `, c${index} ${columnAffinity(type)}`).join('');
  sql.exec(
    `CREATE TABLE ${liveTable(number)} (slot INTEGER PRIMARY KEY, "from" INTEGER, n INTEGER${declared});
     CREATE INDEX live_${number}_odd ON ${liveTable(number)} (n) WHERE n <> 1;
     CREATE TABLE ${pastTable(number)} (until INTEGER, slot INTEGER, "from" INTEGER, n INTEGER${declared},
       PRIMARY KEY (until, slot)) WITHOUT ROWID`,
  );
}

export function createDeltaTable(sql: Sql, { number, columns }: Layout): void {
  const declared = columns.map(({ type }, index) => `, c${index} ${columnAffinity(type)}`).join('');
  sql.exec(
    `CREATE TABLE IF NOT EXISTS ${deltaTable(number)} (slot INTEGER PRIMARY KEY, n INTEGER${declared})`,
  );
}

export function dropTables(sql: Sql, number: number): void {
  sql.exec(
    `DROP TABLE IF EXISTS ${liveTable(number)}; DROP TABLE IF EXISTS ${pastTable(number)};
     DROP TABLE IF EXISTS ${deltaTable(number)}`,
  );
}

export type InsertBatch = { readonly size: number; statement: SqlStatement | null };

/** The statements of one collection, prepared once. */
export class CollectionStatements {
  readonly clear: SqlStatement;
  /** Deltas whose slot holds another row. */
  readonly strangers: SqlStatement;
  /** Rows of the places of a slot. */
  readonly places: SqlStatement;
  readonly archive: SqlStatement;
  readonly merge: SqlStatement;
  readonly sweep: SqlStatement;
  readonly odd: SqlStatement;
  readonly inserts: readonly InsertBatch[];
  readonly #sql: Sql;
  readonly #layout: Layout;

  constructor(sql: Sql, layout: Layout) {
    this.#sql = sql;
    this.#layout = layout;
    const { number } = layout;
    const count = layout.columns.length;
    const [live, past, delta] = [liveTable(number), pastTable(number), deltaTable(number)];
    const differs = layout.columns.map((_, index) => `l.c${index} IS NOT d.c${index}`).join(' OR ');
    this.clear = sql.prepare(`DELETE FROM ${delta}`);
    this.strangers = prepareArrays(
      sql,
      `SELECT d.slot FROM ${delta} d CROSS JOIN ${live} l ON l.slot = d.slot WHERE ${differs || '0'}`,
    );
    this.places = prepareArrays(
      sql,
      `SELECT slot${also(count)} FROM ${live} WHERE slot BETWEEN ? AND ?`,
    );
    this.places.setReadBigInts(true);
    this.archive = sql.prepare(
      `INSERT INTO ${past} (until, slot, "from", n${also(count)}) SELECT ?, l.slot, l."from", l.n${also(count, 'l.')}
       FROM ${delta} d CROSS JOIN ${live} l ON l.slot = d.slot WHERE l."from" < ?`,
    );
    this.merge = sql.prepare(
      `INSERT INTO ${live} (slot, "from", n${also(count)}) SELECT slot, ?, n${also(count)} FROM ${delta} WHERE true
       ON CONFLICT (slot) DO UPDATE SET n = n + excluded.n, "from" = excluded."from"`,
    );
    this.sweep = sql.prepare(
      `DELETE FROM ${live} WHERE n = 0 AND slot IN (SELECT slot FROM ${delta})`,
    );
    this.odd = prepareArrays(sql, `SELECT min(n) FROM ${live} WHERE n <> 1`);
    const sizeMax = Math.floor(PARAMETERS_MAX / (count + 2));
    this.inserts = BATCH_SIZES.filter((size) => size <= sizeMax).map((size) => ({
      size,
      statement: null,
    }));
  }

  /** Inserts `size` deltas; parameters: slot, n and the cells of each. */
  insert(batch: InsertBatch): SqlStatement {
    const { number, columns } = this.#layout;
    const row = `(?, ?${', ?'.repeat(columns.length)})`;
    batch.statement ??= this.#sql.prepare(
      `INSERT INTO ${deltaTable(number)} (slot, n${also(columns.length)}) VALUES ${Array(batch.size).fill(row).join()}`,
    );
    return batch.statement;
  }
}
