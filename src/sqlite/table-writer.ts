/**
 * hot path: brings the changes of one table into SQLite in large statements.
 *
 * Inside one SQLite transaction nobody sees anything between the changes, so only the last state of each key
 * matters. While nothing but inserts arrive, rows are collected and inserted as they are; SQLite's own
 * uniqueness check proves that their keys are new, so that no old row has to be read for the digest. Any other
 * change, or a key that was not new after all, switches to a map of last states by key, which is written
 * after the rows it replaces have been read and taken out of the digest.
 */

import { TidelockError } from '../core/errors.ts';
import { RowHasher } from '../core/row-hasher.ts';
import { type Cell, sameCell } from '../core/value.ts';
import type { SelectedRows, TableDigests } from './digest-book.ts';
import type { ReplicaTable, RowKey } from './replica-table.ts';
import { RowStatements } from './row-statements.ts';
import type { Sql } from './sql.ts';

/** Keys whose last state is collected before it is written. */
const PENDING_KEYS_MAX = 1000;
/** Bytes of text and blobs among them; rows in memory stay bounded however wide they are. */
const PENDING_BYTES_MAX = 4 * 1024 * 1024;

type Row = readonly Cell[];
/** The last state of a key; without a row it is deleted. */
type Pending = { readonly key: Row; readonly row: Row | null; readonly selector: string };

export type RowCounts = { inserted: number; updated: number; deleted: number };

/** Asks a writer to leave rows alone that are as they were, and to say what it did. */
export type RowComparison = {
  readonly counts: RowCounts;
  readonly seen: (keys: readonly Row[]) => void;
};

/** What has to happen before rows are touched: local writes of the same keys step aside (local-table.ts). */
export type WriteGuard = {
  /** False while no local write is there: then no key needs to be named. */
  readonly isDirty: boolean;
  lift(keys: readonly Row[]): void;
  liftAll(): void;
};

export class TableWriter {
  readonly table: ReplicaTable;
  readonly #digests: TableDigests | null;
  readonly #hasher: RowHasher;
  readonly #statements: RowStatements;
  readonly #new: SelectedRows = { rows: [], selectors: [] };
  readonly #pending = new Map<RowKey, Pending>();
  readonly #batchSize: number;
  readonly #guard: WriteGuard | null;
  #pendingBytes = 0;
  #comparison: RowComparison | null = null;

  /** Without `digests` none are kept, and replaced rows are not read. */
  constructor(
    sql: Sql,
    table: ReplicaTable,
    options: { readonly digests: TableDigests | null; readonly guard: WriteGuard | null },
  ) {
    this.table = table;
    this.#digests = options.digests;
    this.#guard = options.guard;
    this.#hasher = new RowHasher(table.definition);
    this.#statements = new RowStatements(sql, table);
    this.#batchSize = this.#statements.batchSize;
  }

  insert(selector: string, row: Row): void {
    if (this.#pending.size > 0) {
      this.#put(this.table.keyOfRow(row), this.table.keyCells(row), row, selector);
      return;
    }
    this.#new.rows.push(row);
    this.#new.selectors.push(selector);
    if (this.#new.rows.length >= this.#batchSize) this.#flushNew();
  }

  /** The row's state, whether its key is new or not. */
  upsert(selector: string, row: Row): void {
    this.#spillNew();
    this.#put(this.table.keyOfRow(row), this.table.keyCells(row), row, selector);
  }

  /** From now on, until the writer is given up. */
  compareInto(comparison: RowComparison): void {
    this.#comparison = comparison;
  }

  /** `oldKey`: the key changed. `columns`: positions of the cells in `row`; the others stay. */
  update(change: {
    readonly selector: string;
    readonly row: Row;
    readonly key?: Row | undefined;
    readonly cols?: readonly number[] | undefined;
  }): void {
    this.#spillNew();
    const { selector, key: oldKey } = change;
    const row =
      change.cols === undefined ? change.row : this.#merge(change.row, change.cols, oldKey);
    if (oldKey !== undefined) this.#put(this.table.keyOf(oldKey), oldKey, null, selector);
    this.#put(this.table.keyOfRow(row), this.table.keyCells(row), row, selector);
  }

  delete(selector: string, key: Row): void {
    this.#spillNew();
    this.#put(this.table.keyOf(key), key, null, selector);
  }

  truncate(sql: Sql): void {
    this.forget();
    this.#guard?.liftAll();
    sql.exec(`DELETE FROM ${this.table.quoted}`);
    this.#digests?.clear();
  }

  /** Writes everything that was collected. */
  flush(): void {
    if (this.#new.rows.length > 0) this.#flushNew();
    if (this.#pending.size > 0) this.#flushPending();
  }

  /** Drops what was collected: the transaction is rolled back. */
  forget(): void {
    this.#new.rows.length = 0;
    this.#new.selectors.length = 0;
    this.#pending.clear();
    this.#pendingBytes = 0;
  }

  #put(lookup: RowKey, key: Row, row: Row | null, selector: string): void {
    this.#pending.set(lookup, { key, row, selector });
    if (row !== null) this.#pendingBytes += sizeOf(row);
    const isFull =
      this.#pending.size >= PENDING_KEYS_MAX || this.#pendingBytes >= PENDING_BYTES_MAX;
    if (isFull) this.#flushPending();
  }

  /** Rows that were new until now are overtaken by the first change of another kind. */
  #spillNew(): void {
    if (this.#new.rows.length === 0) return;
    const rows = this.#new.rows.splice(0);
    const selectors = this.#new.selectors.splice(0);
    for (let index = 0; index < rows.length; index += 1) {
      const row = rows[index] ?? [];
      this.#put(this.table.keyOfRow(row), this.table.keyCells(row), row, selectors[index] ?? '');
    }
  }

  #flushNew(): void {
    const { rows, selectors } = this.#new;
    this.#lift(rows, (row) => this.table.keyCells(row));
    const count = this.#statements.insert(rows);
    this.#digests?.add(this.#hasher, this.#new, count);
    rows.splice(0, count);
    selectors.splice(0, count);
    if (rows.length === 0) return;
    this.#spillNew();
    this.#flushPending();
  }

  #flushPending(): void {
    this.#lift(this.#pending.values(), ({ key }) => key);
    if (this.#comparison !== null) this.#compare(this.#comparison);
    const keys: Row[] = [];
    const rows: Row[] = [];
    const deleted: Row[] = [];
    for (const { key, row } of this.#pending.values()) {
      keys.push(key);
      if (row === null) deleted.push(key);
      else rows.push(row);
    }
    if (this.#digests !== null) this.#updateDigests(this.#digests, keys);
    this.#statements.delete(deleted);
    this.#statements.upsert(rows);
    this.#pending.clear();
    this.#pendingBytes = 0;
  }

  #lift<T>(changes: Iterable<T>, keyOf: (change: T) => Row): void {
    if (this.#guard?.isDirty) this.#guard.lift(Array.from(changes, keyOf));
  }

  #updateDigests(digests: TableDigests, keys: readonly Row[]): void {
    const before: SelectedRows = { rows: [], selectors: [] };
    this.#statements.read(keys, (old) => {
      before.rows.push(old);
      before.selectors.push(this.table.selectorOf(old) ?? '');
    });
    digests.remove(this.#hasher, before);
    const after: SelectedRows = { rows: [], selectors: [] };
    for (const { row, selector } of this.#pending.values()) {
      if (row === null) continue;
      after.rows.push(row);
      after.selectors.push(selector);
    }
    digests.add(this.#hasher, after, after.rows.length);
  }

  /** Counts what will happen and takes out what would change nothing. */
  #compare(comparison: RowComparison): void {
    const { counts } = comparison;
    const keys = Array.from(this.#pending.values(), ({ key }) => key);
    comparison.seen(keys);
    const isSame: RowKey[] = [];
    let oldRows = 0;
    let lostRows = 0;
    this.#statements.read(keys, (old) => {
      const lookup = this.table.keyOfRow(old);
      const row = this.#pending.get(lookup)?.row ?? null;
      oldRows += 1;
      if (row === null) lostRows += 1;
      else if (row.every((cell, index) => sameCell(cell, old[index] ?? null))) isSame.push(lookup);
    });
    let newRows = 0;
    for (const { row } of this.#pending.values()) if (row !== null) newRows += 1;
    counts.deleted += lostRows;
    counts.updated += oldRows - lostRows - isSame.length;
    counts.inserted += newRows - (oldRows - lostRows);
    for (const lookup of isSame) this.#pending.delete(lookup);
  }

  /** The whole new row of an update that left out unchanged columns. */
  #merge(cells: Row, columns: readonly number[], oldKey: Row | undefined): Row {
    const changes = new Map(columns.map((position, index) => [position, cells[index] ?? null]));
    const key = oldKey ?? this.table.keyPositions.map((position) => changes.get(position) ?? null);
    const old = this.#current(key);
    return old.map((cell, position) =>
      changes.has(position) ? (changes.get(position) ?? null) : cell,
    );
  }

  #current(key: Row): Row {
    const pending = this.#pending.get(this.table.keyOf(key));
    let row: Row | null = pending?.row ?? null;
    if (pending === undefined) {
      this.#lift([key], (each) => each);
      this.#statements.read([key], (stored) => {
        row = stored;
      });
    }
    if (row !== null) return row;
    throw new TidelockError({
      code: 'PROTOCOL',
      message: `an update of ${this.table.name} left out columns of a row that the replica does not have`,
      hint: 'copy the table again',
    });
  }
}

/** Bytes, roughly: what makes rows large are texts and blobs. */
export function sizeOf(row: Row): number {
  let size = 0;
  for (const cell of row) {
    if (typeof cell === 'string' || cell instanceof Uint8Array) size += cell.length;
  }
  return size;
}
