/**
 * A replica: a plain SQLite file in WAL mode that one process follows into and anybody reads.
 *
 * Rows, position and digests change in ONE SQLite transaction. `synchronous = NORMAL`: a commit is not
 * synced, so a crash of the machine may undo the last commits, all of each: the position goes back with the
 * rows and the feed sends them again. A harmless rewind, for some ten times the commit rate.
 */
import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { assert } from '../core/assert.ts';
import { formatLsn, type Ts } from '../core/lsn.ts';
import type { RowChange } from '../core/row-change.ts';
import type { TableDef } from '../core/table.ts';
import { ChangeApplier } from './change-applier.ts';
import { DigestBook, type ReplicaDigest, readDigests } from './digest-book.ts';
import { isCapturing } from './local-schema.ts';
import { enableLocalWrites, type LocalStore } from './local-store.ts';
import { LocalWrites } from './local-writes.ts';
import { ReplicaCatalog } from './replica-catalog.ts';
import { replicaOpenFailure, replicaWriteFailure } from './replica-errors.ts';
import { ReplicaResync } from './replica-resync.ts';
import { type RowHash, rowsOfBuckets, scanBuckets, scanDigests } from './replica-scan.ts';
import {
  checkReplicaFormat,
  type ReplicaMeta,
  type ReplicaState,
  readMeta,
  type StoredTable,
  writeMeta,
} from './replica-schema.ts';
import { upgradeReplica } from './replica-upgrade.ts';
import {
  inTransaction,
  openSql,
  rollBack,
  type Sql,
  type SqlStatement,
  sqlFailureOf,
} from './sql.ts';

/** How long a commit waits for a lock that another program holds on the file. */
const BUSY_WAIT_MS = 500;

export type ReplicaStoreOptions = {
  readonly file: string;
  /** Opens for reading and verifying only. */
  readonly isReadOnly?: boolean;
  /** Without digests nothing can be verified: only measurements leave them out. */
  readonly isDigestKept?: boolean;
  /** Milliseconds since 1970, for `applied_at`. */
  readonly now?: () => number;
  /** Programs may write to the file's two-way tables. A file that was opened so once stays so. */
  readonly isWritten?: boolean;
  /** A fresh UUID, for names of sites and transactions. */
  readonly newId?: () => string;
  /** So many written rows are sealed by statements: for tests. */
  readonly bulkEntriesMin?: number | undefined;
};

/** Digests of what is held, by table and bucket: `bucketCount` entries each. */
export type BucketDigests = {
  readonly bucketCount: number;
  readonly tables: Readonly<
    Record<string, readonly { readonly digest: string; readonly rows: number }[]>
  >;
};

/**
 * Changes on their way into the file. Applying is idempotent: an insert of a present key replaces the row, an
 * update of an absent row inserts it (with `cols`: throws `PROTOCOL`), a delete of an absent row does nothing.
 * After a throw of any method call `rollback`, and nothing else.
 */
export type ReplicaTransaction = {
  /** May buffer; everything is applied in the given order by the time `commit` returns. */
  apply(changes: readonly RowChange[]): void;
  /** Stores the position and returns the digests that changed. */
  commit(position: Ts): readonly ReplicaDigest[];
  rollback(): void;
};

/** Opens a replica file. Throws `REPLICA_UNFIT`; `REPLICA_WRITE_FAILED` when it cannot be opened at all. */
export function openReplicaStore(options: ReplicaStoreOptions): ReplicaStore {
  let sql: Sql | undefined;
  try {
    sql = openSql(options.file, {
      timeoutMs: BUSY_WAIT_MS,
      isReadOnly: options.isReadOnly ?? false,
    });
    return openReplicaStoreOn(sql, options);
  } catch (error) {
    sql?.close();
    throw replicaOpenFailure(error, options.file);
  }
}

/** Opens a replica on a given connection. */
export function openReplicaStoreOn(sql: Sql, options: ReplicaStoreOptions): ReplicaStore {
  if (options.isReadOnly !== true) upgradeReplica(sql);
  checkReplicaFormat(sql, options.file);
  if (options.isReadOnly !== true) {
    sql.exec('PRAGMA journal_mode = WAL');
    sql.exec('PRAGMA synchronous = NORMAL');
    sql.exec('PRAGMA cache_size = -16384');
    sql.exec('PRAGMA journal_size_limit = 67108864');
  }
  return new ReplicaStore(sql, options);
}

export class ReplicaStore {
  readonly file: string;
  readonly #sql: Sql;
  readonly #isReadOnly: boolean;
  readonly #now: () => number;
  readonly #catalog: ReplicaCatalog;
  readonly #book: DigestBook | null;
  readonly #applier: ChangeApplier;
  readonly #updatePosition: SqlStatement;
  readonly #localStore: LocalStore | null;
  /** Local writes, where programs may write to the file; null otherwise. */
  readonly local: LocalWrites | null;
  #meta: ReplicaMeta;
  #tables: readonly StoredTable[];

  constructor(sql: Sql, options: ReplicaStoreOptions) {
    this.file = options.file;
    this.#sql = sql;
    this.#isReadOnly = options.isReadOnly ?? false;
    this.#now = options.now ?? Date.now;
    this.#meta = readMeta(sql, this.file);
    this.#catalog = new ReplicaCatalog(sql);
    this.#tables = this.#catalog.all();
    this.#book = options.isDigestKept === false ? null : new DigestBook(sql);
    this.#localStore = this.#openLocal(options);
    this.local = this.#localStore === null ? null : this.#localWrites(this.#localStore);
    this.#applier = new ChangeApplier(sql, this.#catalog, {
      book: this.#book,
      local: this.#localStore,
    });
    this.#updatePosition = sql.prepare(
      'UPDATE tidelock_replica SET position = ?, schema_version = ?, applied_at = ?',
    );
  }

  /** As stored: changes with `commit` only. */
  get identity(): ReplicaMeta {
    return this.#meta;
  }

  /** Definitions as of the stored position. */
  get tables(): readonly TableDef[] {
    return this.#tables.map(({ table }) => table.definition);
  }

  /** The tables with their names in the file and their states. */
  get storedTables(): readonly StoredTable[] {
    return this.#tables;
  }

  /**
   * Size of the write-ahead log beside the file. It grows while a reader keeps a transaction open, because
   * SQLite may not overwrite what the reader still sees.
   */
  get walBytes(): number {
    return statSync(`${this.file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** The stored digests. */
  digests(): readonly ReplicaDigest[] {
    return this.#book === null ? readDigests(this.#sql) : this.#book.all();
  }

  /** The same by full scan of one state; gives the event loop a turn between slices. */
  scanDigests(): Promise<readonly ReplicaDigest[]> {
    return this.#scan((sql, tables) => scanDigests(sql, tables));
  }

  /** Digests by bucket, by full scan of one state; gives the event loop a turn between slices. */
  scanBuckets(bucketCount: number): Promise<BucketDigests> {
    return this.#scan(async (sql, tables) => {
      const result: Record<string, readonly { digest: string; rows: number }[]> = {};
      for (const table of tables) result[table.name] = await scanBuckets(sql, table, bucketCount);
      return { bucketCount, tables: result };
    });
  }

  /** Keys and hashes of the rows in some buckets of a table. */
  rowsOfBuckets(
    table: string,
    wanted: { readonly buckets: ReadonlySet<number>; readonly bucketCount: number },
  ): readonly RowHash[] {
    const stored = this.#catalog.get(table);
    return stored === undefined ? [] : rowsOfBuckets(this.#sql, stored.table, wanted);
  }

  /** Opens a write transaction. Only one at a time. Throws `REPLICA_WRITE_FAILED`. */
  begin(): ReplicaTransaction {
    this.#begin();
    return {
      apply: (changes) => this.#guard(() => this.#applier.apply(changes)),
      commit: (position) => this.#guard(() => this.#commit(position)),
      rollback: () => this.#rollback(),
    };
  }

  /** Opens the write transaction of a difference snapshot; readers go on seeing the old state. */
  beginResync(bucketCount: number): ReplicaResync {
    this.#begin(() => this.#localStore?.liftAll());
    return new ReplicaResync({
      sql: this.#sql,
      catalog: this.#catalog,
      applier: this.#applier,
      book: this.#book,
      bucketCount,
      guard: (work) => this.#guard(work),
      commit: (changes) => this.#commitMeta({ ...this.#meta, ...changes }),
      rollback: () => this.#rollback(),
    });
  }

  /** Writes `tidelock_replica.state`. */
  setState(state: ReplicaState): void {
    this.#change(() => {
      this.#sql.prepare('UPDATE tidelock_replica SET state = ?').run(state);
    });
    this.#meta = { ...this.#meta, state };
  }

  /** Says whose replica this is: the last step of adopting a snapshot file. */
  setOwner(owner: { readonly replica: string; readonly server: string }): void {
    this.#change(() => {
      this.#sql
        .prepare('UPDATE tidelock_replica SET replica = ?, server = ?')
        .run(owner.replica, owner.server);
    });
    this.#meta = { ...this.#meta, ...owner };
  }

  /**
   * Folds the write-ahead log into the file, as far as readers and the disk permit, and closes. What could
   * not be folded stays beside the file and is part of it.
   */
  close(): void {
    try {
      if (!this.#isReadOnly) this.#sql.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (error) {
      if (sqlFailureOf(error) === undefined) throw error;
    } finally {
      this.#sql.close();
    }
  }

  /** `first`: what belongs to every such transaction. */
  #begin(first: () => void = () => {}): void {
    assert(!this.#sql.isTransaction, 'a replica has one write transaction at a time');
    this.#guard(() => this.#sql.exec('BEGIN IMMEDIATE'));
    try {
      this.#guard(() => {
        this.#localStore?.begin();
        first();
      });
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  /** One transaction that leaves rows and position of the base as they are. */
  #change<T>(work: () => T): T {
    this.#begin();
    try {
      return this.#guard(() => {
        const result = work();
        this.#localStore?.finish(this.#meta);
        this.#sql.exec('COMMIT');
        this.#localStore?.committed();
        return result;
      });
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  #openLocal(options: ReplicaStoreOptions): LocalStore | null {
    const isWanted = (options.isWritten ?? false) || isCapturing(this.#sql);
    if (this.#isReadOnly || !isWanted) return null;
    return inTransaction(this.#sql, () => {
      return enableLocalWrites(this.#sql, this.#catalog, {
        newId: options.newId ?? randomUUID,
        now: this.#now,
        bulkEntriesMin: options.bulkEntriesMin,
        place: this.#meta,
      });
    });
  }

  #localWrites(local: LocalStore): LocalWrites {
    return new LocalWrites({
      local,
      change: (work) => this.#change(work),
      guard: (work) => this.#guard(work),
      isBlocked: () => this.#sql.isTransaction,
    });
  }

  #commit(position: Ts): readonly ReplicaDigest[] {
    assert(position >= this.#meta.position, `the position ${position} does not go back`);
    this.#applier.flush();
    const changed = this.#book?.save() ?? [];
    const meta = this.#nextMeta({ ...this.#meta, position });
    this.#updatePosition.run(formatLsn(position), meta.schemaVersion, meta.appliedAt);
    this.#localStore?.finish(meta);
    this.#sql.exec('COMMIT');
    this.#settle(meta);
    return changed;
  }

  #commitMeta(next: ReplicaMeta): void {
    this.#applier.flush();
    this.#book?.save();
    const meta = this.#nextMeta(next);
    writeMeta(this.#sql, meta);
    this.#localStore?.finish(meta);
    this.#sql.exec('COMMIT');
    this.#settle(meta);
  }

  #nextMeta(meta: ReplicaMeta): ReplicaMeta {
    return {
      ...meta,
      schemaVersion: meta.schemaVersion + this.#applier.definitionChanges,
      appliedAt: new Date(this.#now()).toISOString(),
    };
  }

  #settle(meta: ReplicaMeta): void {
    this.#meta = meta;
    this.#applier.settle();
    this.#localStore?.committed();
    this.#tables = this.#catalog.all();
  }

  #rollback(): void {
    rollBack(this.#sql);
    this.#applier.revert();
    this.#localStore?.reverted();
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw replicaWriteFailure(error, this.file);
    }
  }

  /** Reads one state on a connection of its own, so that following may go on meanwhile. */
  async #scan<T>(
    work: (sql: Sql, tables: readonly StoredTable['table'][]) => Promise<T>,
  ): Promise<T> {
    const sql = openSql(this.file, { timeoutMs: BUSY_WAIT_MS, isReadOnly: true });
    try {
      sql.exec('BEGIN');
      const tables = new ReplicaCatalog(sql).all().map(({ table }) => table);
      const result = await work(sql, tables);
      sql.exec('COMMIT');
      return result;
    } finally {
      sql.close();
    }
  }
}
