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
import type { UploadValue } from '../core/upload.ts';
import type { DigestEntry } from '../protocol/feed.ts';
import type { RawLine } from '../protocol/lines.ts';

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
  /** Local writes, when the replica was opened for them; null otherwise. */
  readonly local: LocalWrites | null;
  close(): void;
}

/**
 * The local writes of a two-way replica, in the order in which they were made. Any program writes to the
 * file; what it wrote becomes numbered local transactions (`seal`), which are uploaded in order and settled by
 * the server's answers. A transaction goes as soon as the replica's position includes it, in the same commit.
 * Every method that changes something is one storage transaction, and throws `REPLICA_WRITE_FAILED`; none may
 * be called while a transaction of the store is open.
 */
export interface LocalWrites {
  /** The store has an open transaction (a large one is applied): nothing can be changed here until it ends. */
  readonly isBlocked: boolean;
  /** Names this file to the server's bookkeeping of uploads (a UUID). */
  readonly site: string;
  /** For whom the file was opened; null while that is not known. */
  readonly user: string | null;
  /** Number of the last sealed transaction; 0 before the first. */
  readonly last: number;
  /** The answers for all transactions up to this number are stored here. */
  readonly settled: number;
  /** All transactions up to this number are either in the base (`identity.position`) or rejected. */
  readonly included: number;
  readonly counts: LocalCounts;
  /**
   * The file is opened for this user. Another one than before takes it over, under a new site, when everything is
   * settled; until then the file stays the former one's.
   */
  claim(user: string): void;
  /** Makes transactions of what was written since the last time. True when there was something. */
  seal(): boolean;
  /** Sentences about what programs made of the file that loses writes; each once. */
  cautions(): readonly string[];
  /**
   * The next transactions to send, those above `after`: at least one, further ones while all lines stay below
   * `bytesMax`; a transaction that is larger comes alone. Null when there is none. Seals nothing.
   */
  nextUpload(after: number, bytesMax: number): LocalUpload | null;
  /**
   * Stores the server's answer: accepted transactions wait for the position, rejected ones are taken back
   * and kept for people to see. Idempotent. Returns what was newly rejected.
   */
  settle(answer: LocalAnswer): readonly LocalRejection[];
  /**
   * Rejects a transaction that cannot be sent (too large for the server). Its number is sent without content,
   * so that those after it can follow.
   */
  park(number: number, reason: { readonly code: string; readonly message: string }): void;
  /** Everything that was rejected and not forgotten, oldest first. */
  rejections(): readonly LocalRejection[];
  /** Forgets rejections up to a number. */
  forgetRejections(upTo: number): void;
  /**
   * After `SITE_CLONED` (the file was copied), or `UPLOAD_GAP` that a repetition from `settled` does not mend (the
   * server lost a part of its history): another site, and everything not accepted is numbered from 1.
   */
  renewSite(): void;
}

/** Numbers of transactions; `rejected` counts those that were not forgotten. */
export type LocalCounts = {
  /** Sealed and without an answer. */
  readonly pending: number;
  /** Accepted, and not yet in the base. */
  readonly uploaded: number;
  readonly rejected: number;
};

export type LocalUpload = {
  readonly first: number;
  readonly last: number;
  /** How many transactions. */
  readonly transactions: number;
  /** How many changes of rows. */
  readonly changes: number;
  /** The upload's lines after its first, without line ends: `["t",..]`, then the changes, and so on. */
  readonly lines: readonly string[];
  /**
   * The changes of one transaction alone that are more than `bytesMax`: read from the file while they are sent, some
   * thousand at a time. Throws when they have been taken back meanwhile.
   */
  readonly rest?: (() => Iterable<readonly string[]>) | undefined;
};

/** The server's answer to an upload: every transaction up to `accepted` has its outcome. */
export type LocalAnswer = {
  readonly accepted: number;
  readonly timeline: string;
  readonly position: Ts;
  readonly rejected: readonly {
    readonly number: number;
    readonly code: string;
    readonly message: string;
    readonly table?: string | undefined;
    readonly key?: readonly UploadValue[] | undefined;
  }[];
};

/** One change of a rejected transaction, as it was taken back. */
export type LocalRejection = {
  readonly number: number;
  /** `schema.table`. */
  readonly table: string;
  readonly key: readonly UploadValue[];
  readonly operation: 'insert' | 'update' | 'delete';
  /** The upload's line: what was to be written. */
  readonly line: string;
  readonly code: string;
  readonly message: string;
  /** UTC, ISO. */
  readonly rejectedAt: string;
};

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
  /** For what must be applied in one go because others write into the file; null when nobody else does. */
  spool(): Spool | null;
  /** Releases the lock. */
  close(): void;
}

/** Holds lines that are too many for memory. Throws `REPLICA_WRITE_FAILED`. */
export interface Spool {
  write(lines: readonly RawLine[]): void;
  /** Everything that was written, in order. */
  read(): Iterable<readonly RawLine[]>;
  /** Forgets everything; it can be used again. */
  clear(): void;
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
