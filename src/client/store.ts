/**
 * What the replica client needs of its storage. sqlite/ fits these ports (src/index.ts joins the two);
 * tests use an in-memory store. All methods are synchronous unless they return a promise.
 *
 * The one promise everything rests on: rows, position and digests change in ONE storage transaction, so
 * whatever a crash leaves behind is a state that Postgres had at the stored position.
 */
import type { Ts } from '../core/lsn.ts';
import type { RowChange } from '../core/row-change.ts';
import type { TableDef } from '../core/table.ts';
import type { DigestEntry } from '../protocol/feed.ts';

export type ReplicaState = 'copying' | 'live' | 'resyncing';

/** What the file says about itself. */
export type ReplicaIdentity = {
  /** Names this replica to the server (leases); made once, at the first copy. */
  readonly replica: string;
  /** Address of the server it was copied from. */
  readonly server: string;
  readonly timeline: string;
  readonly position: Ts;
  readonly selectors: readonly string[];
  /** Number of table-definition changes so far. */
  readonly schemaVersion: number;
};

/** Digests of what is held, by table and bucket (core `bucketOf` over the key): `bucketCount` entries each. */
export type BucketDigests = {
  readonly bucketCount: number;
  readonly tables: Readonly<
    Record<string, readonly { readonly digest: string; readonly rows: number }[]>
  >;
};

export interface ReplicaStore {
  /** As stored: changes with `commit` only. */
  readonly identity: ReplicaIdentity;
  /** Definitions as of `identity.position`. */
  readonly tables: readonly TableDef[];
  /** `resyncing`: the table could not follow a new definition and stands still until a difference snapshot. */
  readonly storedTables: readonly {
    readonly table: { readonly name: string };
    readonly state: 'live' | 'resyncing';
  }[];
  /** The stored, incremental digests. */
  digests(): readonly DigestEntry[];
  /** The same by full scan; gives the event loop a turn between slices. */
  scanDigests(): Promise<readonly DigestEntry[]>;
  /** By full scan; gives the event loop a turn between slices. Nobody writes meanwhile. */
  scanBuckets(bucketCount: number): Promise<BucketDigests>;
  /** Opens a write transaction. Only one at a time. Throws `REPLICA_WRITE_FAILED` (also later). */
  begin(): ReplicaTransaction;
  /** Opens the write transaction of a difference snapshot; readers go on seeing the old state. */
  beginResync(bucketCount: number): ResyncTransaction;
  /** Writes `tidelock_replica.state`. */
  setState(state: ReplicaState): void;
  close(): void;
}

/** After a throw from any method the caller calls `rollback` and nothing else. */
export interface ReplicaTransaction {
  /** May buffer; everything is applied in the given order by the time `commit` returns. */
  apply(changes: readonly RowChange[]): void;
  /** Stores the position (never below the stored one) and returns the digests that changed. */
  commit(position: Ts): readonly DigestEntry[];
  rollback(): void;
}

export type ResyncTarget = {
  readonly server: string;
  readonly timeline: string;
  readonly position: Ts;
  readonly selectors: readonly string[];
};

export type ResyncCounts = {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
};

export interface ResyncTransaction {
  /** All tables of the new state: creates, alters (or rebuilds) and drops. Called once, first. */
  define(tables: readonly TableDef[]): void;
  /** Every row of these buckets goes, unless `insert` brings it (back). Called at most once per table. */
  replace(table: string, buckets: readonly number[]): void;
  /** Rows of the buckets named before. */
  insert(changes: readonly RowChange[]): void;
  /** Late changes, after all rows. */
  apply(changes: readonly RowChange[]): void;
  /** The digests that the transaction would commit, to be compared before `commit`. */
  digests(): readonly DigestEntry[];
  /** Makes the digests anew by full scan: the stored ones may have been wrong before. */
  recount(): void;
  /** Stores the new identity; the position may be of another timeline. */
  commit(target: ResyncTarget): ResyncCounts;
  rollback(): void;
}

/** The place of one replica: `<file>`, its lock and its downloads. */
export interface ReplicaFiles {
  /** Takes the right to write; held until `close`. Throws `REPLICA_IN_USE`. Removes downloads of dead processes. */
  lock(): void;
  /** Null when there is no file. Throws `REPLICA_UNFIT` for a file that is no replica or of a newer format. */
  open(): ReplicaStore | null;
  /** Starts `<file>.download-<pid>`, replacing one of this process. */
  download(): ReplicaDownload;
  /** Releases the lock. */
  close(): void;
}

export type AdoptInfo = { readonly replica: string; readonly server: string };

export interface ReplicaDownload {
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Checks that the download is a complete replica file, writes `info` into it, flushes it and renames it
   * to `<file>`. Throws `PROTOCOL` when it is not one.
   */
  adopt(info: AdoptInfo): Promise<ReplicaStore>;
  /** Removes the partial file; harmless after `adopt`. */
  discard(): void;
}
