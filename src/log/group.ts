/**
 * A group: one or more whole transactions, or one part of a transaction too large for one group, as one blob
 * of ready-to-send lines with the list of its selectors. The unit of append, of fsync and of serving.
 *
 * The body is cut into segments in stream order. A segment belongs to one selector, to everybody
 * (`SEGMENT_ALL`), or is the commit line that closes a transaction (`SEGMENT_COMMIT`): a reader gets a
 * transaction's commit line when it got any other segment of that transaction.
 */
import type { Ts } from '../core/lsn.ts';

/** Belongs to nobody: its subtransaction was rolled back. */
export const SEGMENT_NONE = 0xffff_fffd;
export const SEGMENT_ALL = 0xffff_fffe;
export const SEGMENT_COMMIT = 0xffff_ffff;

/** Where a group stands in a transaction larger than one group. `whole`: it holds only whole transactions. */
export type GroupPart = 'whole' | 'open' | 'last';

/** What is kept in memory of every group. */
export type GroupHead = {
  /** Log-wide, ascending with time. Assigned by the store; merged groups keep that of their last one. */
  readonly seq: number;
  /** Timestamp of the first and the last transaction inside. Equal for parts of a large transaction. */
  readonly firstTs: Ts;
  readonly lastTs: Ts;
  readonly part: GroupPart;
  readonly txCount: number;
  /** The highest and lowest transaction id inside, 64 bits with epoch: snapshots look for stragglers by it. */
  readonly maxTxid: number;
  readonly minTxid: number;
  /** Distinct selectors, in the order of their local ids. Without SEGMENT_ALL. */
  readonly selectors: readonly string[];
  /** True when some segment goes to everybody. */
  readonly hasAll: boolean;
  readonly sizeBytes: number;
};

/** The part that is read only when a group is served. */
export type GroupContent = {
  /** Pairs: local selector id (or SEGMENT_*), end offset in `body`. A segment starts where the previous ends. */
  readonly segments: Uint32Array;
  /** Triples per transaction: ts, txid, commit time in microseconds. In `open` parts the one they belong to. */
  readonly transactions: Float64Array;
  readonly body: Uint8Array;
};

export type StoredGroup = { readonly head: GroupHead; readonly content: GroupContent };

/** A group ready to be appended; `seq` comes from the store. */
export type NewGroup = { readonly head: Omit<GroupHead, 'seq'>; readonly content: GroupContent };
