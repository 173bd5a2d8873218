/**
 * The port of the durable run database: a copy that only its syncer writes, in the order of `seq`.
 *
 * The copy stores the last `seq` that it has in the same transaction as the rows, so a batch that is sent again after
 * a crash changes nothing, and what is there is always a state that the home database had.
 */
import type { RemovedRow, RunTableName } from './run-tables.ts';

/** Which life of the home database the copy follows, and how far. */
export type CopyMark = { readonly history: string; readonly seq: number };

export type CopyRow = Readonly<Record<string, unknown>>;

/** Rows of one batch: what went away comes first. */
export type CopyPage = {
  readonly removed: readonly RemovedRow[];
  readonly rows: readonly { readonly table: RunTableName; readonly rows: readonly CopyRow[] }[];
};

export type CopyBatch = {
  readonly owner: string;
  /** Where the copy must stand: another syncer has moved it otherwise. Null: it is empty. */
  readonly from: CopyMark | null;
  readonly to: CopyMark;
  readonly pages: Iterable<CopyPage>;
};

export type LeaseRequest = {
  readonly owner: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly ms: number;
  /** An owner that the caller knows to be dead: its lease counts as over. */
  readonly gone?: string | undefined;
};

export type SyncLease =
  | { readonly isOurs: true }
  | { readonly isOurs: false; readonly owner: string; readonly until: number };

/** Every method throws `DURABLE_DOWN` when the copy cannot be reached. */
export interface DurableStore {
  /** For people; never has a password. */
  readonly where: string;
  /** Takes or renews the one lease of the syncer. */
  lease(request: LeaseRequest): Promise<SyncLease>;
  release(owner: string): Promise<void>;
  /** Null: nothing was ever synced. */
  mark(): Promise<CopyMark | null>;
  /** All of it or nothing. Throws `SYNC_TAKEN` when the lease is another's or the copy stands elsewhere. */
  apply(batch: CopyBatch): Promise<void>;
  /** All rows, table by table, in bounded pages. */
  pages(): AsyncIterable<{ readonly table: RunTableName; readonly rows: readonly CopyRow[] }>;
  close(): Promise<void>;
}
