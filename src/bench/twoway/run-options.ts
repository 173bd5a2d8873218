/** What a two-way run is asked to do. */
import type { Launch } from '../stress/launched.ts';
import type { TwowayBugName } from './bugs/catalog.ts';
import type { FaultLevel, ScaleName, Size, Workload } from './options.ts';

export type TwowayOptions = Size & {
  /** The folder of the run, made here. */
  readonly dir: string;
  readonly id: string;
  readonly seed: number;
  readonly scale: ScaleName | 'custom';
  readonly workload: Workload;
  readonly isRls: boolean;
  /** The statement that makes the table. */
  readonly schema: string;
  readonly faults: FaultLevel;
  readonly timeoutMs: number;
  /** Somebody else's stack; null: one of our own. `adminToken` may issue tokens; null when the server wants none. */
  readonly stack: {
    readonly postgres: string;
    readonly server: string;
    readonly adminToken: string | null;
  } | null;
  /** Remove the databases afterwards; the evidence stays. */
  readonly isCleanedUp: boolean;
  readonly launch: Launch;
  /** Planted on purpose, to see it found; null in every honest run. */
  readonly bug: TwowayBugName | null;
  readonly versions: Readonly<Record<string, string>>;
};
