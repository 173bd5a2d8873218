/**
 * The native feed: NDJSON, one message a line. docs/protocol.md has the rules; this file has the shapes.
 *
 * A feed starts with `hello` and one `table` per replicated table. Then change lines follow in commit order,
 * each transaction closed by its `commit`; every line since the previous `commit` belongs to it. `progress`
 * promises that nothing at or before its `ts` is missing and that `since=<ts>` resumes there.
 */
import type { TableDef } from '../core/table.ts';
import type { JsonCell } from '../core/value.ts';

export const PROTOCOL_VERSION = 2;

export type HelloLine = {
  readonly type: 'hello';
  readonly protocol: number;
  /** Which history of which database positions refer to. Positions of different timelines never compare. */
  readonly timeline: string;
  readonly selectors: readonly string[];
  /** The position after which the feed starts. */
  readonly since: string;
  /**
   * How many `table` lines follow as the head: the definitions as of now, which may be ahead of `since`.
   * Later `table` lines belong to the transaction that they stand in.
   */
  readonly tables: number;
};

/** A table's definition: at the start of a feed, and inside a transaction that changed the schema. */
export type TableLine = { readonly type: 'table'; readonly table: TableDef };

export type InsertLine = {
  readonly type: 'insert';
  readonly table: string;
  readonly selector: string;
  /** Canonical values in the order of the table's columns. */
  readonly row: readonly JsonCell[];
};

export type UpdateLine = {
  readonly type: 'update';
  readonly table: string;
  readonly selector: string;
  /** The old key, only when the key changed. */
  readonly key?: readonly JsonCell[];
  /** Positions of the columns that `row` has, only when an unchanged out-of-line value was left out. */
  readonly cols?: readonly number[];
  /** The whole old row, when the server keeps old rows and Postgres sent it. Replicas need it for nothing. */
  readonly old?: readonly JsonCell[];
  readonly row: readonly JsonCell[];
};

export type DeleteLine = {
  readonly type: 'delete';
  readonly table: string;
  readonly selector: string;
  readonly key: readonly JsonCell[];
  /** As in `UpdateLine`. */
  readonly old?: readonly JsonCell[];
};

export type TruncateLine = { readonly type: 'truncate'; readonly table: string };

/** The table's rows can no longer be followed change by change: copy the table again. */
export type ResyncLine = {
  readonly type: 'resync';
  readonly table: string;
  readonly reason: string;
};

/** The table is no longer replicated (it was dropped): the replica drops it too. */
export type DropLine = { readonly type: 'drop'; readonly table: string };

export type CommitLine = {
  readonly type: 'commit';
  readonly ts: string;
  readonly txid: string;
  /** Postgres' commit time, microseconds since 1970. */
  readonly micros: number;
};

export type DigestEntry = {
  readonly table: string;
  readonly selector: string;
  readonly digest: string;
  readonly rows: number;
};

export type ProgressLine = {
  readonly type: 'progress';
  readonly ts: string;
  /** State of Postgres at `ts`, by full scan; a replica compares its own. */
  readonly digests?: readonly DigestEntry[];
};

/** Nothing happened for a while; the promise of `progress` holds for `ts` too. `micros` is the server's clock. */
export type HeartbeatLine = {
  readonly type: 'heartbeat';
  readonly ts: string;
  readonly micros: number;
};

/** The stream ends here, for this reason. */
export type ErrorLine = {
  readonly type: 'error';
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string };
};

/** One row of an NDJSON snapshot. */
export type RowLine = {
  readonly type: 'row';
  readonly table: string;
  readonly selector: string;
  readonly row: readonly JsonCell[];
};

/** Rows of these buckets (see `bucketOf`) of the table follow and replace what the replica has there. */
export type ReplaceLine = {
  readonly type: 'replace';
  readonly table: string;
  readonly buckets: readonly number[];
};

/** The snapshot is complete and equals Postgres at `ts`. */
export type SnapshotCompletedLine = {
  readonly type: 'snapshot_completed';
  readonly ts: string;
  readonly timeline: string;
  readonly digests: readonly DigestEntry[];
};

export type ChangeLine =
  | InsertLine
  | UpdateLine
  | DeleteLine
  | TruncateLine
  | ResyncLine
  | TableLine
  | DropLine;

export type FeedLine =
  | HelloLine
  | ChangeLine
  | CommitLine
  | ProgressLine
  | HeartbeatLine
  | ErrorLine;

export type SnapshotLine =
  | HelloLine
  | TableLine
  | RowLine
  | ReplaceLine
  | SnapshotCompletedLine
  | ErrorLine;
