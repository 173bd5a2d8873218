/**
 * What the slot reader tells the engine, and what the engine may ask of it.
 *
 * hot path: one call per row, no intermediate objects. A `RawTuple` and the buffer behind it are only
 * valid during the call; whoever needs a value later copies it.
 */
import type { Lsn, Ts } from './lsn.ts';

/** Column states inside a tuple. */
export const TUPLE_NULL = 0;
export const TUPLE_TEXT = 1;
/** An out-of-line value that the update did not touch and that Postgres therefore did not log. */
export const TUPLE_UNCHANGED = 2;

/** One row version as it stands in the socket's buffer: text values by offset. Reused between calls. */
export type RawTuple = {
  buffer: Uint8Array;
  count: number;
  readonly state: Uint8Array;
  readonly start: Int32Array;
  readonly end: Int32Array;
};

export type RelationColumn = {
  readonly name: string;
  /** Part of the replica identity (with FULL, every column is). */
  readonly isIdentity: boolean;
  readonly typeOid: number;
  readonly typeModifier: number;
};

/** A table's layout as the stream announces it, before its first row and after every change of schema. */
export type Relation = {
  readonly oid: number;
  /** `schema.table`, unquoted. */
  readonly name: string;
  /** d = primary key, n = nothing, f = full, i = index. */
  readonly identity: 'd' | 'n' | 'f' | 'i';
  readonly columns: readonly RelationColumn[];
};

export type CommitInfo = {
  readonly xid: number;
  /** Start of the commit record. */
  readonly commitLsn: Lsn;
  /** End of the commit record: the transaction's timestamp. */
  readonly ts: Ts;
  /** Postgres' own commit time, microseconds since 1970. */
  readonly timeMicros: number;
};

/**
 * Called synchronously by the reader, in stream order. `xid` is the top-level transaction a change belongs
 * to, `subxid` the (sub)transaction that made it (equal outside subtransactions; only streamed, still open
 * transactions can lose a subxid to `abort`).
 */
export interface SourceHandler {
  /** A transaction that is already committed starts; its changes follow until `commit`. */
  begin(xid: number): void;
  /**
   * A relation is announced. A returned promise stops the stream until it settles (the catalog is being
   * asked); most announcements change nothing and return undefined.
   */
  relation(relation: Relation, xid: number): Promise<void> | undefined;
  insert(relation: Relation, row: RawTuple, change: ChangeInfo): void;
  /** `old` is the old key, the old row, or null when the key did not change and the identity is not FULL. */
  update(relation: Relation, old: OldTuple | null, row: RawTuple, change: ChangeInfo): void;
  delete(relation: Relation, old: OldTuple, change: ChangeInfo): void;
  truncate(relations: readonly Relation[], change: ChangeInfo): void;
  /** A logical message (`pg_logical_emit_message`). A returned promise stops the stream until it settles. */
  message(message: LogicalMessage): Promise<void> | undefined;
  /** The transaction is committed, streamed or not. */
  commit(commit: CommitInfo): void;
  /** A piece of a transaction that is still open starts; its changes follow until `streamStop`. */
  streamStart(xid: number, isFirst: boolean): void;
  streamStop(): void;
  /** An open transaction (`subxid === xid`) or one of its subtransactions was rolled back. */
  streamAbort(xid: number, subxid: number): void;
  /** Everything that committed before `walEnd` has been delivered. */
  keepalive(walEnd: Lsn): void;
  /** All messages of one socket read have been handled: the moment to append and fsync what is complete. */
  endOfRead(): void;
}

export type ChangeInfo = { xid: number; subxid: number };

/** The old side of an update or delete: the whole row (identity FULL) or only its identity columns. */
export type OldTuple = { readonly isWholeRow: boolean; readonly tuple: RawTuple };

export type LogicalMessage = {
  readonly prefix: string;
  readonly content: Uint8Array;
  /** 0 when the message is not transactional. */
  readonly xid: number;
  readonly subxid: number;
  readonly isTransactional: boolean;
  readonly lsn: Lsn;
};
