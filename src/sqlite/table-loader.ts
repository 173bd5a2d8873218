/**
 * Loads one table of a new file. Rows that come in the order of their keys are written as finished pages; the few
 * that do not are inserted by SQLite afterwards. When there are many of those, SQLite inserts all that follow.
 */
import { assert } from '../core/assert.ts';
import { RowHasher } from '../core/row-hasher.ts';
import { quoteText } from '../core/table.ts';
import type { Cell } from '../core/value.ts';
import type { SelectedRows, TableDigests } from './digest-book.ts';
import { PageFile } from './page-file.ts';
import type { ReplicaTable } from './replica-table.ts';
import { RowStatements } from './row-statements.ts';
import { asNumber, type Sql } from './sql.ts';
import { TablePages } from './table-pages.ts';
import { sizeOf } from './table-writer.ts';

/** Rows that wait until the pages are complete, and bytes of their texts and blobs. */
const LATE_ROWS_MAX = 1000;
const LATE_BYTES_MAX = 4 * 1024 * 1024;
/**
 * Rows whose key gets its index in one go, which nothing interrupts: some 100 ms. Those that follow are inserted,
 * and SQLite keeps the index up to date.
 */
const INDEXED_ROWS_MAX = 100_000;

export type TableLoad = {
  /** Has no transaction open before and after the load. */
  readonly sql: Sql;
  readonly file: string;
  /** Empty so far, and without indexes. */
  readonly table: ReplicaTable;
  readonly digests: TableDigests;
};

export class TableLoader {
  readonly table: ReplicaTable;
  readonly #load: TableLoad;
  readonly #hasher: RowHasher;
  readonly #statements: RowStatements;
  readonly #rows: SelectedRows = { rows: [], selectors: [] };
  readonly #batchSize: number;
  /** The key is not the row id, so it has an index of its own. */
  readonly #hasIndex: boolean;
  #file: PageFile | null;
  readonly #pages: TablePages;
  /** Rows for SQLite. */
  #late: (readonly Cell[])[] = [];
  #lateBytes = 0;
  #rowCount = 0;

  constructor(load: TableLoad) {
    const { sql, table } = load;
    this.table = table;
    this.#load = load;
    this.#hasher = new RowHasher(table.definition);
    this.#statements = new RowStatements(sql, table);
    this.#batchSize = this.#statements.batchSize;
    this.#hasIndex = table.rowIdPosition === null;
    const root = rootOf(sql, table);
    this.#file = PageFile.open(load.file);
    this.#pages = new TablePages(this.#file, table, root);
  }

  add(selector: string, row: readonly Cell[]): void {
    const { rows, selectors } = this.#rows;
    rows.push(row);
    selectors.push(selector);
    if (rows.length >= this.#batchSize) this.#flush();
  }

  /** Everything is in the file, and SQLite sees it. */
  finish(): void {
    this.#flush();
    this.#endPages();
    this.#insertLate();
    const { sql } = this.#load;
    if (sql.isTransaction) sql.exec('COMMIT');
  }

  /** Gives up. */
  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  #flush(): void {
    const { rows, selectors } = this.#rows;
    this.#load.digests.add(this.#hasher, this.#rows, rows.length);
    for (const row of rows) {
      if (this.#file !== null && this.#pages.add(row)) continue;
      this.#late.push(row);
      this.#lateBytes += sizeOf(row);
    }
    this.#rowCount += rows.length;
    rows.length = 0;
    selectors.length = 0;
    const isFull = this.#late.length >= LATE_ROWS_MAX || this.#lateBytes >= LATE_BYTES_MAX;
    const hasEnough = this.#hasIndex && this.#rowCount >= INDEXED_ROWS_MAX;
    if (isFull || hasEnough) this.#endPages();
    if (this.#file === null) this.#insertLate();
  }

  #endPages(): void {
    if (this.#file === null) return;
    this.#pages.finish();
    this.#file.flush();
    this.close();
    if (this.#hasIndex) this.#load.sql.exec(`REINDEX main.${this.table.quoted}`);
  }

  #insertLate(): void {
    if (this.#late.length === 0) return;
    const { sql } = this.#load;
    if (!sql.isTransaction) sql.exec('BEGIN');
    const count = this.#statements.insert(this.#late);
    assert(count === this.#late.length, `rows of ${this.table.name} have distinct keys`);
    this.#late = [];
    this.#lateBytes = 0;
  }
}

function rootOf(sql: Sql, table: ReplicaTable): number {
  const row = sql
    .prepare(
      `SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ${quoteText(table.localName)}`,
    )
    .get();
  return asNumber(row?.rootpage);
}
