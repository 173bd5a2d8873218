/**
 * hot path: builds a new replica file from the rows of all tables, as fast as SQLite can.
 *
 * The file is nobody's until it is finished, so it is loaded without journal and without syncs, indexes come
 * after the rows, and digests are summed on the way (bench/perf/snapshot-file.ts has the rate). Then it is
 * switched to WAL mode, late transactions are applied by the same code that a following replica uses, and
 * the finished file stands alone: no write-ahead log beside it.
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import { assert } from '../core/assert.ts';
import type { Ts } from '../core/lsn.ts';
import type { RowChange } from '../core/row-change.ts';
import { RowHasher } from '../core/row-hasher.ts';
import type { TableDef } from '../core/table.ts';
import type { Cell } from '../core/value.ts';
import { ChangeApplier } from './change-applier.ts';
import {
  DigestBook,
  type ReplicaDigest,
  type SelectedRows,
  type TableDigests,
} from './digest-book.ts';
import { ReplicaCatalog } from './replica-catalog.ts';
import { replicaWriteFailure } from './replica-errors.ts';
import { createReplicaSchema, writeMeta } from './replica-schema.ts';
import type { ReplicaTable } from './replica-table.ts';
import { RowStatements } from './row-statements.ts';
import { openSql, rollBack, type Sql } from './sql.ts';

export type SnapshotFileOptions = {
  /** Must not exist. */
  readonly file: string;
  readonly tables: readonly TableDef[];
  /** Milliseconds since 1970, for `applied_at`. */
  readonly now?: () => number;
};

export type SnapshotTarget = {
  readonly timeline: string;
  readonly position: Ts;
  readonly selectors: readonly string[];
};

/** Starts a snapshot file. Throws `REPLICA_WRITE_FAILED`, as all its methods do; call `abort` then. */
export function createSnapshotFile(options: SnapshotFileOptions): SnapshotFile {
  const { file } = options;
  assert(!existsSync(file), `the snapshot file ${file} is new`);
  try {
    return createSnapshotFileOn(openSql(file, { timeoutMs: 0, isUnsafe: true }), options);
  } catch (error) {
    throw replicaWriteFailure(error, file);
  }
}

/** Starts a snapshot file on a given connection, which it closes. */
export function createSnapshotFileOn(sql: Sql, options: SnapshotFileOptions): SnapshotFile {
  try {
    return new SnapshotFile(sql, options);
  } catch (error) {
    sql.close();
    removeFile(options.file);
    throw replicaWriteFailure(error, options.file);
  }
}

/** Phases: rows of all tables, then (after `applyLate`) late changes, then `finish`. */
export class SnapshotFile {
  readonly #sql: Sql;
  readonly #file: string;
  readonly #now: () => number;
  readonly #catalog: ReplicaCatalog;
  readonly #book: DigestBook;
  readonly #loaders = new Map<string, TableLoader>();
  #late: ChangeApplier | null = null;
  #last: TableLoader | null = null;
  #isClosed = false;

  constructor(sql: Sql, options: SnapshotFileOptions) {
    this.#sql = sql;
    this.#file = options.file;
    this.#now = options.now ?? Date.now;
    sql.exec('PRAGMA journal_mode = OFF');
    sql.exec('PRAGMA synchronous = OFF');
    sql.exec('PRAGMA locking_mode = EXCLUSIVE');
    sql.exec('PRAGMA cache_size = -65536');
    sql.exec('BEGIN');
    createReplicaSchema(sql);
    this.#catalog = new ReplicaCatalog(sql);
    this.#book = new DigestBook(sql);
    for (const definition of options.tables) {
      const table = this.#catalog.create(definition, 'withoutIndexes');
      this.#loaders.set(table.name, new TableLoader(sql, table, this.#book.table(table.name)));
    }
  }

  /** One row, its cells in column order. The array is kept for a while: do not change it. */
  row(table: string, selector: string, row: readonly Cell[]): void {
    if (this.#last?.table.name !== table) {
      const loader = this.#loaders.get(table);
      assert(loader !== undefined, `rows of ${table} are being loaded`);
      this.#last = loader;
    }
    try {
      this.#last.add(selector, row);
    } catch (error) {
      throw replicaWriteFailure(error, this.#file);
    }
  }

  /** Rows of one table and one selector. */
  rows(table: string, selector: string, rows: readonly (readonly Cell[])[]): void {
    for (const row of rows) this.row(table, selector, row);
  }

  /** Changes of transactions that the rows do not have yet, in commit order. No rows may follow. */
  applyLate(changes: readonly RowChange[]): void {
    this.#guard(() => this.#endOfRows().apply(changes));
  }

  /** Completes and closes the file; it is a replica equal to Postgres at `target.position`. */
  finish(target: SnapshotTarget): {
    readonly sizeBytes: number;
    readonly digests: readonly ReplicaDigest[];
  } {
    return this.#guard(() => {
      const late = this.#endOfRows();
      late.flush();
      this.#book.save();
      writeMeta(this.#sql, {
        ...target,
        replica: '',
        server: '',
        schemaVersion: 0,
        appliedAt: new Date(this.#now()).toISOString(),
        state: 'copying',
      });
      this.#sql.exec('COMMIT');
      late.settle();
      this.#close();
      return { sizeBytes: statSync(this.#file).size, digests: this.#book.all() };
    });
  }

  /** Closes and removes the file, whatever state it is in. */
  abort(): void {
    try {
      if (!this.#isClosed) rollBack(this.#sql);
      this.#close();
    } finally {
      removeFile(this.#file);
    }
  }

  #close(): void {
    if (!this.#isClosed) this.#sql.close();
    this.#isClosed = true;
  }

  /** The first late change needs a file that can take statements back: WAL mode, still without syncs. */
  #endOfRows(): ChangeApplier {
    if (this.#late !== null) return this.#late;
    for (const loader of this.#loaders.values()) loader.flush();
    for (const { table } of this.#catalog.all()) this.#catalog.createIndexes(table);
    this.#sql.exec('COMMIT');
    this.#loaders.clear();
    this.#last = null;
    this.#sql.exec('PRAGMA journal_mode = WAL');
    this.#sql.exec('BEGIN');
    this.#late = new ChangeApplier(this.#sql, this.#catalog, this.#book);
    return this.#late;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw replicaWriteFailure(error, this.#file);
    }
  }
}

function removeFile(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
}

/** Collects rows of one table into full statements. */
class TableLoader {
  readonly table: ReplicaTable;
  readonly #digests: TableDigests;
  readonly #hasher: RowHasher;
  readonly #statements: RowStatements;
  readonly #batchSize: number;
  readonly #rows: SelectedRows = { rows: [], selectors: [] };

  constructor(sql: Sql, table: ReplicaTable, digests: TableDigests) {
    this.table = table;
    this.#digests = digests;
    this.#hasher = new RowHasher(table.definition);
    this.#statements = new RowStatements(sql, table);
    this.#batchSize = this.#statements.batchSize;
  }

  add(selector: string, row: readonly Cell[]): void {
    const { rows, selectors } = this.#rows;
    rows.push(row);
    selectors.push(selector);
    if (rows.length >= this.#batchSize) this.flush();
  }

  flush(): void {
    const { rows, selectors } = this.#rows;
    const count = this.#statements.insert(rows);
    assert(count === rows.length, `rows of ${this.table.name} have distinct keys`);
    this.#digests.add(this.#hasher, this.#rows, count);
    rows.length = 0;
    selectors.length = 0;
  }
}
