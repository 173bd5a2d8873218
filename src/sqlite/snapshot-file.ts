/**
 * Builds a new replica file from the rows of all tables.
 *
 * The file is nobody's until it is finished, so it is loaded without journal and without syncs, rows in the
 * order of their keys go past SQLite (table-loader.ts), indexes come after the rows, and digests are summed on the
 * way (bench/perf/snapshot-file.ts has the rate). Then it is switched to WAL mode, late transactions are applied by the same code that a following replica uses, and
 * the finished file stands alone: no write-ahead log beside it.
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import { assert } from '../core/assert.ts';
import type { Ts } from '../core/lsn.ts';
import type { RowChange } from '../core/row-change.ts';
import type { TableDef } from '../core/table.ts';
import type { Cell } from '../core/value.ts';
import { ChangeApplier } from './change-applier.ts';
import { DigestBook, type ReplicaDigest } from './digest-book.ts';
import { ReplicaCatalog } from './replica-catalog.ts';
import { replicaFileFailure, replicaWriteFailure } from './replica-errors.ts';
import { createReplicaSchema, writeMeta } from './replica-schema.ts';
import { openSql, rollBack, type Sql } from './sql.ts';
import { TableLoader } from './table-loader.ts';

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
  readonly #loaded = new Set<string>();
  #loader: TableLoader | null = null;
  #late: ChangeApplier | null = null;
  #isClosed = false;

  constructor(sql: Sql, options: SnapshotFileOptions) {
    this.#sql = sql;
    this.#file = options.file;
    this.#now = options.now ?? Date.now;
    sql.exec('PRAGMA journal_mode = OFF');
    sql.exec('PRAGMA synchronous = OFF');
    sql.exec('PRAGMA cache_size = -65536');
    sql.exec('BEGIN');
    createReplicaSchema(sql);
    this.#catalog = new ReplicaCatalog(sql);
    this.#book = new DigestBook(sql);
    for (const definition of options.tables) this.#catalog.create(definition, 'withoutIndexes');
    sql.exec('COMMIT');
  }

  /** One row, its cells in column order. The array is kept for a while: do not change it. */
  row(table: string, selector: string, row: readonly Cell[]): void {
    this.#guard(() => this.#loaderOf(table).add(selector, row));
  }

  /** Rows of one table and one selector. All rows of a table come in one go. */
  rows(table: string, selector: string, rows: readonly (readonly Cell[])[]): void {
    this.#guard(() => {
      const loader = this.#loaderOf(table);
      for (const row of rows) loader.add(selector, row);
    });
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
      this.#loader?.close();
      if (!this.#isClosed) rollBack(this.#sql);
      this.#close();
    } finally {
      removeFile(this.#file);
    }
  }

  #loaderOf(name: string): TableLoader {
    if (this.#loader?.table.name === name) return this.#loader;
    this.#endOfTable();
    const table = this.#catalog.get(name)?.table;
    assert(table !== undefined && this.#late === null, `rows of ${name} are expected`);
    assert(!this.#loaded.has(name), `rows of ${name} come in one go`);
    this.#loaded.add(name);
    this.#loader = new TableLoader({
      sql: this.#sql,
      file: this.#file,
      table,
      digests: this.#book.table(name),
    });
    return this.#loader;
  }

  #endOfTable(): void {
    this.#loader?.finish();
    this.#loader = null;
  }

  #close(): void {
    if (!this.#isClosed) this.#sql.close();
    this.#isClosed = true;
  }

  /** The first late change needs a file that can take statements back: WAL mode, still without syncs. */
  #endOfRows(): ChangeApplier {
    if (this.#late !== null) return this.#late;
    this.#endOfTable();
    this.#sql.exec('BEGIN');
    for (const { table } of this.#catalog.all()) this.#catalog.createIndexes(table);
    this.#sql.exec('COMMIT');
    this.#sql.exec('PRAGMA journal_mode = WAL');
    this.#sql.exec('BEGIN');
    this.#late = new ChangeApplier(this.#sql, this.#catalog, {
      book: this.#book,
      local: null,
    });
    return this.#late;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw replicaFileFailure(replicaWriteFailure(error, this.#file), this.#file);
    }
  }
}

function removeFile(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
}
