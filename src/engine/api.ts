/** What the HTTP server may ask of the engine. The only door between the two folders. */
import type { Lsn, Ts } from '../core/lsn.ts';
import type { TableDef } from '../core/table.ts';
import type { TxidSnapshot } from '../core/txid-snapshot.ts';
import type { Cell } from '../core/value.ts';
import type { DigestEntry } from '../protocol/feed.ts';
import type { Change } from '../protocol/transicator/change.ts';
import type { TableNaming } from '../protocol/transicator/names.ts';
import type { Sequence } from '../protocol/transicator/sequence.ts';
import type { Inspection } from './inspection-api.ts';
import type { UploadDoor } from './uploads.ts';

export type FeedRequest = {
  readonly selectors: readonly string[];
  /** Deliver what committed after this. */
  readonly since: Ts;
  /** The timeline that `since` belongs to; undefined = the caller takes the present one. */
  readonly timeline: string | undefined;
  /** The replica that reads; its lease moves to `since`. */
  readonly replica: string | undefined;
  /** Ask for digests in `progress` lines: after catching up, then every so often when something changed. */
  readonly wantsDigests: boolean;
};

/**
 * One subscriber. The server pulls when its socket has room; frames are shared between subscribers and
 * must not be changed.
 */
export interface Feed {
  /** The `hello` and `table` lines. */
  readonly head: Uint8Array;
  /**
   * The next complete frame of lines (ends at a line's end, not always at a transaction's end), or null
   * when there is nothing now. Throws `TOO_OLD` when the log was cut under a reader that was too slow, `TIMELINE_CHANGED`
   * after a slot was lost.
   */
  read(): Uint8Array | null;
  /** Everything up to here has been handed out by `read` (whole transactions). */
  readonly position: Ts;
  /** Called once after `read` has returned null and there is something again. Never called synchronously from `read`. */
  onReady: (() => void) | null;
  /** A `progress` or `heartbeat` line for the present position. */
  progressLine(kind: 'progress' | 'heartbeat'): Uint8Array;
  close(): void;
}

export type SnapshotRequest = {
  readonly selectors: readonly string[];
  /** Holds the log at the snapshot's position until the replica's feed starts. */
  readonly replica: string | undefined;
  readonly signal: AbortSignal;
};

/** A complete SQLite file, equal to Postgres at `ts`. */
export type SnapshotFile = {
  readonly path: string;
  readonly sizeBytes: number;
  readonly ts: Ts;
  readonly timeline: string;
  /** Deletes the file. Call when it has been sent, or the client is gone. */
  release(): Promise<void>;
};

/** Digests of what a replica holds, by table and bucket: the request of a difference snapshot. */
export type HeldDigests = {
  readonly bucketCount: number;
  /** Per table name: `bucketCount` entries of 32 hex digits and a row count. */
  readonly tables: Readonly<
    Record<string, readonly { readonly digest: string; readonly rows: number }[]>
  >;
};

export type DigestAnswer = {
  readonly timeline: string;
  readonly ts: Ts;
  readonly digests: readonly DigestEntry[];
  /** With `bucketCount` in the request: per table, one digest per bucket over all requested selectors. */
  readonly buckets?: Readonly<
    Record<string, readonly { readonly digest: string; readonly rows: number }[]>
  >;
};

export type SourceState = 'starting' | 'streaming' | 'down' | 'slot_busy' | 'unfit' | 'resyncing';
export type TableState = {
  readonly name: string;
  /**
   * `unreadable`: it is followed, but cannot be copied or checked. `held`: two-way, and its rule cannot be told; nobody
   * reads it, and writes of replicas wait.
   */
  readonly state: 'live' | 'held' | 'unfit' | 'unreadable';
  readonly reason?: string;
  readonly selector?: string;
};

export type EngineStatus = {
  readonly timeline: string | null;
  readonly source: {
    readonly state: SourceState;
    readonly since: string;
    readonly reason?: string;
    readonly attempts: number;
    readonly retainedWalBytes: number | null;
    readonly slot: string;
    readonly lagBytes: number | null;
  };
  readonly log: {
    readonly upper: Lsn;
    readonly since: Lsn;
    readonly sizeBytes: number;
    readonly groups: number;
    readonly state: 'ok' | 'failed';
    readonly reason?: string;
    readonly confirmed: Lsn;
  };
  readonly tables: readonly TableState[];
  readonly leases: readonly {
    readonly replica: string;
    readonly ts: Lsn;
    readonly expiresInS: number;
  }[];
  readonly subscribers: number;
  readonly counters: {
    readonly transactions: number;
    readonly changes: number;
    readonly redelivered: number;
    readonly snapshots: number;
    /** Tombstones of two-way tables that were collected. */
    readonly tombstones: number;
  };
  /** Seconds between the last transaction's commit time and its append; null before the first. */
  readonly lastCommitLagS: number | null;
};

/** Waits for a place and returns the way to give it back. */
export type Enter = (signal: AbortSignal) => Promise<() => void>;

export interface Engine {
  readonly tables: readonly TableDef[];
  /** The log's upper, at no cost: asked ten times a second and at every opening of a feed. */
  readonly upper: Ts;
  /** True while the log takes in more at once than small transactions: a backlog, or large ones. At no cost. */
  readonly isFlooded: boolean;
  /** Everything at a glance. Costs more with every subscriber: for people and scrapes, not for loops. */
  status(): EngineStatus;
  /** Throws `TOO_OLD`, `TIMELINE_CHANGED`, `NOT_READY`. */
  openFeed(request: FeedRequest): Feed;
  /** Throws `SOURCE_DOWN`, `BUSY`, `NOT_READY`. */
  snapshotFile(request: SnapshotRequest): Promise<SnapshotFile>;
  /** NDJSON chunks. With `held`, a difference snapshot: only buckets that differ. */
  snapshotLines(request: SnapshotRequest, held?: HeldDigests): AsyncIterable<Uint8Array>;
  /** By full scan of Postgres at one position. */
  digest(request: {
    readonly selectors: readonly string[];
    readonly bucketCount?: number;
    readonly signal: AbortSignal;
  }): Promise<DigestAnswer>;
  /** Scans that nobody asked for by a request of its own (digests in `progress` lines) wait in this line too. */
  limitChecks(enter: Enter): void;
  /** Extends a replica's lease and tells how far it is. */
  lease(replica: string, ts: Ts): void;
  endLease(replica: string): void;
  /** Resolves with the log's upper once it is past `ts`. Nudges an idle source. Throws `TIMEOUT`, `SOURCE_DOWN`. */
  waitFor(ts: Ts, timeoutMs: number, signal: AbortSignal): Promise<Ts>;
  /** Writes of replicas. */
  readonly uploads: Pick<UploadDoor, 'apply'>;
  /** For clients of Transicator; absent where nobody serves them. */
  readonly transicator?: TransicatorSource | undefined;
  /** For people; absent where nobody looks. */
  readonly inspection?: Inspection | undefined;
}

export type ChangesRequest = {
  readonly selectors: readonly string[];
  /** Deliver what comes after this; null = from the log's beginning. */
  readonly since: Sequence | null;
  /** Leave out transactions that this snapshot shows. */
  readonly snapshot: TxidSnapshot | null;
  /** The answer ends with the transaction that reaches it, or before one that would pass it; 0 or less = nothing. */
  readonly changesMax: number;
};

/** One reading of the log as it was when it was opened. */
export interface ChangeReading {
  /** Lowest sequence of the whole log. */
  readonly first: Sequence;
  /** Where the next reading goes on; known when `read` has returned null. */
  readonly last: Sequence;
  /** Everything at or before this was looked at, unless the answer was cut. */
  readonly upTo: Ts;
  /** The next changes, in order and never a part of a transaction only; null at the end. Throws `TOO_OLD`. */
  read(): readonly Change[] | null;
}

/** Rows of one REPEATABLE READ transaction, to be closed. */
export interface RowSnapshot {
  /** `xmin:xmax:xip,xip`, as Postgres prints it. */
  readonly snapshot: string;
  /** When it was taken, by Postgres' clock; RFC 3339. */
  readonly timestamp: string;
  readonly tables: readonly TableDef[];
  /** The rows of one table in chunks, each row once. One table at a time. */
  rows(table: TableDef): AsyncIterable<readonly (readonly Cell[])[]>;
  close(): Promise<void>;
}

export type RowsRequest = {
  readonly selectors: readonly string[];
  readonly signal: AbortSignal;
};

/** A complete SQLite file in Transicator's layout. */
export type TransicatorFile = {
  readonly path: string;
  readonly sizeBytes: number;
  readonly snapshot: string;
  release(): Promise<void>;
};

/** The same log and the same snapshots, for clients that know rows, sequences and transaction ids. */
export interface TransicatorSource {
  /** Throws `TOO_OLD` (take a new snapshot), `NOT_READY`, `SOURCE_DOWN` (only Postgres could tell). */
  changes(request: ChangesRequest, signal: AbortSignal): Promise<ChangeReading>;
  /**
   * Resolves when there may be something for these selectors after `after`, or the signal aborts, with a position up to
   * which there is nothing for them: a reading that goes on there needs nothing that was purged meanwhile. Throws `BUSY`.
   */
  untilChange(selectors: readonly string[], after: Ts, signal: AbortSignal): Promise<Ts>;
  /** Throws `SOURCE_DOWN`, `TIMEOUT`, `BUSY`, `NOT_READY`. */
  openRows(request: RowsRequest): Promise<RowSnapshot>;
  /** Throws the same. */
  file(request: RowsRequest & { readonly naming: TableNaming }): Promise<TransicatorFile>;
}
