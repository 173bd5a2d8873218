/**
 * The port of the durable change log. sqlite/log-store.ts implements it; every implementation passes
 * the same conformance suite.
 */
import type { Lsn, Ts } from '../core/lsn.ts';
import type { TableDef } from '../core/table.ts';
import type { GroupHead, NewGroup, StoredGroup } from './group.ts';

/** What the log knows about its source. Survives restarts. */
export type LogIdentity = {
  /** Postgres' system identifier. */
  readonly systemId: string;
  /** Postgres' WAL timeline when last connected; a promotion raises it. */
  readonly walTimeline: number;
  /** Raised whenever the slot was created anew: positions of older generations are void. */
  readonly generation: number;
  /** Position at which the slot of this generation began. */
  readonly startTs: Ts;
  /**
   * The highest transaction id that had ended then or soon after: a snapshot that does not show it may lack
   * transactions of before the slot. Missing in logs of earlier versions.
   */
  readonly startTxid?: number | undefined;
};

/** A piece of a transaction that is still arriving. Not visible to readers until sealed. */
export type StagedPart = {
  readonly body: Uint8Array;
  /** As in `GroupContent`. */
  readonly segments: Uint32Array;
  /** The subtransaction of each segment: what a later rollback of that subtransaction removes. */
  readonly subxids: Uint32Array;
  readonly selectors: readonly string[];
};

export type StagedRef = { readonly id: number; readonly sizeBytes: number };

export type StagedIndex = Omit<StagedPart, 'body'>;

/** A staged piece as it becomes a group: its body stays where it is, its index is replaced. */
export type SealedPart = {
  readonly ref: StagedRef;
  readonly head: Omit<GroupHead, 'seq'>;
  readonly segments: Uint32Array;
  readonly transactions: Float64Array;
};

/** For how far back the log is kept for a replica. */
export type StoredLease = {
  readonly replica: string;
  /** It has everything up to here. */
  readonly ts: Ts;
  /** When it was last heard of: wall clock, whole milliseconds since 1970. */
  readonly heardAtMs: number;
};

/** What tells one transaction from another one at the same position. */
export type TransactionMark = { readonly ts: Ts; readonly timeMicros: number };

export interface LogStore {
  /** Null before the first `reset`. */
  readonly identity: LogIdentity | null;
  /** Heads of all groups in `seq` order, as found at open and kept up to date. */
  readonly heads: readonly GroupHead[];
  /** Everything at or before this is in the log or concerns nobody; persisted with appends and `noteUpper`. */
  readonly upper: Ts;
  /** Everything after this can be served. */
  readonly since: Ts;
  /**
   * The highest transaction id, 64 bits with epoch, of what was purged from this history; 0 when nothing was.
   * As durable as the purges themselves. A snapshot that sees every transaction up to it lacks nothing here.
   */
  readonly purgedTxid: number;
  /** Lines, without its commit line, of the last purged transaction: the one at `since`. Undefined = not known. */
  readonly purgedLines: number | undefined;
  /**
   * The last transaction of this history while all groups are purged: what Postgres must still have when it has not gone
   * back. Undefined = not known, or there was none. Where groups are left, their last one tells.
   */
  readonly purgedEnd: TransactionMark | undefined;
  readonly sizeBytes: number;
  /** The last known definitions of the replicated tables, as of `upper`. */
  readonly tables: readonly TableDef[];

  /** Starts a new, empty history, without leases. Atomic. */
  reset(identity: LogIdentity, tables: readonly TableDef[]): void;
  /** Changes `walTimeline` only (a promotion without loss). */
  noteIdentity(identity: LogIdentity): void;
  /**
   * Appends groups in one transaction; durable (fsynced) when it returns. With `tables`, the definitions
   * change in the same transaction. Throws `LOG_WRITE_FAILED` (nothing is stored then).
   */
  append(groups: readonly NewGroup[], tables?: readonly TableDef[]): readonly GroupHead[];
  /** Stores a piece of an open transaction. Need not be durable: the slot redelivers. `LOG_WRITE_FAILED`. */
  stage(xid: number, part: StagedPart): StagedRef;
  /** The index of a staged piece, without its body. */
  stagedIndex(ref: StagedRef): StagedIndex;
  /**
   * Turns staged pieces into groups, in the given order, then appends `last` (when not null), all in one
   * durable transaction. `parts` is pulled piece by piece, so memory stays bounded. `LOG_WRITE_FAILED`.
   */
  seal(
    xid: number,
    parts: Iterable<SealedPart>,
    last: NewGroup | null,
    tables?: readonly TableDef[],
  ): readonly GroupHead[];
  /** Forgets the pieces of a transaction that was rolled back or whose connection was lost. */
  discard(xid: number): void;
  /** Records that nothing up to `upper` concerns anybody (keepalives); durable when it returns. `LOG_WRITE_FAILED`. */
  noteUpper(upper: Lsn): void;
  /**
   * Reads the group with this number, or the one that it was merged into, checking its checksum. Throws
   * `LOG_CORRUPT` or, when purged, `TOO_OLD`.
   */
  read(seq: number): StoredGroup;
  /**
   * Makes one group of the whole, neighbouring groups `firstSeq` to `lastSeq`, which has the number of the
   * last one. Atomic, and harmless when a crash undoes it. Throws `LOG_WRITE_FAILED`, `LOG_CORRUPT`; nothing
   * has changed then.
   */
  merge(firstSeq: number, lastSeq: number): GroupHead;
  /**
   * Removes all groups up to and including `seq`; `since`, `purgedTxid` and `purgedLines` (given by the caller,
   * who has read the group) follow, atomically.
   */
  purge(seq: number, lines?: number): void;
  /** The leases of the present history. Throws `LOG_CORRUPT`. */
  readLeases(): readonly StoredLease[];
  /**
   * Sets leases (`kept`) and forgets others (`ended`), in one transaction. A crash of the process keeps it, one
   * of the machine may undo it until the next append. Throws `LOG_WRITE_FAILED` (nothing is stored then).
   */
  storeLeases(kept: Iterable<StoredLease>, ended: Iterable<string>): void;
  close(): void;
}
