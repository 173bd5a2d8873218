/** What people may ask of a running engine: the dashboard's door. Every answer is bounded, in size and in cost. */
import type { CoordinatorPicture } from '../coordinator/picture.ts';
import type { Ts } from '../core/lsn.ts';

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

export type EnginePicture = CoordinatorPicture & {
  /** For how long something has been in the log that a reader at the position lacks; see `PositionTimes`. */
  readonly lagSOf: (position: Ts) => number;
};

export interface Inspection {
  pulse(): EnginePulse;
  /** Costs more with every reader and lease; lists have `rowsMax` entries at most. */
  picture(rowsMax: number): EnginePicture;
}
