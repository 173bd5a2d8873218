/** What people may ask of a running engine: the dashboard's door. Every answer is bounded, in size and in cost. */
import type { CoordinatorPicture } from '../coordinator/picture.ts';
import type { Ts } from '../core/lsn.ts';
import type {
  Explanation,
  LogChanges,
  LogPage,
  RejectedWrites,
  SchemaEvents,
  SelectorSizes,
} from '../protocol/dashboard.ts';
import type { PageRequest } from './log-look.ts';
import type { RowRequest } from './row-look.ts';

/** Numbers that cost nothing to read: taken every second. */
export type EnginePulse = {
  readonly upper: Ts;
  /** Since the start. */
  readonly transactions: number;
  readonly changes: number;
  readonly subscribers: number;
  readonly logBytes: number;
  readonly retainedWalBytes: number | null;
  readonly lagBytes: number | null;
  readonly lastCommitLagS: number | null;
};

export type ChangesOf = { readonly ts: Ts; readonly from: number; readonly limit: number };

export type EnginePicture = CoordinatorPicture & {
  /** For how long something has been in the log that a reader at the position lacks; see `PositionTimes`. */
  readonly lagSOf: (position: Ts) => number;
};

export interface Inspection {
  pulse(): EnginePulse;
  /** Costs more with every reader and lease; lists have `rowsMax` entries at most. */
  picture(rowsMax: number): EnginePicture;
  /** Transactions of the log around a position. Reads 8 MiB of the log at most. */
  transactions(request: PageRequest, signal: AbortSignal): Promise<LogPage>;
  /** Changes of one transaction, from a place in it on. Throws `NOT_FOUND`. */
  changes(request: ChangesOf, signal: AbortSignal): Promise<LogChanges>;
  /** What fills the newest 32 MiB of the log. */
  selectors(signal: AbortSignal): Promise<SelectorSizes>;
  /** Changes of tables, in the newest 32 MiB of what concerns everybody. */
  schema(signal: AbortSignal): Promise<SchemaEvents>;
  /** Where a row is, and why. Asks Postgres once, and looks through 128 MiB of the log. Throws `BAD_REQUEST`. */
  explain(request: RowRequest, signal: AbortSignal): Promise<Explanation>;
  /** Writes of replicas that were refused since the start. */
  rejected(): RejectedWrites;
}
