/** The planner's machine: `step(state, event) -> effects` over an item-level graph; time comes with events. */
import type { Area, Item, StateStatus, Target, TestDef } from '../area/types.ts';
import type { State, Status } from './rows.ts';

/** Name of one execution within a run: the test, or `test/item path`. */
export type ExecId = string;

/** What a run is asked to do. */
export type PlanRequest = {
  readonly target: Target;
  readonly run: string;
  /** Selection in the pattern language; prerequisites are pulled in. */
  readonly pattern: string;
  readonly tags: string | null;
  /** What existing results run again. */
  readonly rerun: RerunRule;
};

export type RerunRule =
  | { readonly kind: 'none' }
  /** Results whose state or status is named. */
  | { readonly kind: 'matching'; readonly names: readonly string[] }
  | { readonly kind: 'failed'; readonly downstream: boolean }
  | { readonly kind: 'clean' }
  | { readonly kind: 'all' };

/** What the database knows of an execution before the plan. */
export type Existing = {
  readonly id: ExecId;
  readonly state: State;
  readonly status: Status;
  /** Seconds it took in earlier runs (median), or null: orders the ready queue. */
  readonly expectedS: number | null;
};

export type PlanInput = {
  readonly area: Area;
  readonly tests: ReadonlyMap<string, TestDef>;
  readonly request: PlanRequest;
  readonly existing: readonly Existing[];
};

export type PlannerEvent =
  | { readonly kind: 'start'; readonly input: PlanInput; readonly at: number }
  /** Late items of a test, or the reason why there are none. */
  | {
      readonly kind: 'expanded';
      readonly test: string;
      readonly items: readonly Item[] | null;
      readonly reason: string;
      readonly at: number;
    }
  /** An execution has reached a state; terminal ones free what it held. */
  | {
      readonly kind: 'entered';
      readonly exec: ExecId;
      readonly state: State;
      readonly status: Status;
      readonly at: number;
    }
  /** Who else runs in this area, and how loaded the host is. */
  | {
      readonly kind: 'host';
      readonly load: number;
      readonly slots: number;
      readonly exclusive: readonly string[];
      readonly at: number;
    }
  | { readonly kind: 'clock'; readonly at: number }
  | { readonly kind: 'kill'; readonly pattern: string; readonly at: number }
  | {
      readonly kind: 'force';
      readonly exec: ExecId;
      readonly to: StateStatus;
      readonly at: number;
    };

export type PlannerEffect =
  /** Read the test's items now; answered by `expanded`. */
  | { readonly kind: 'expand'; readonly test: string }
  /** Start it; answered by `entered` RUNNING and a terminal state. */
  | {
      readonly kind: 'launch';
      readonly exec: ExecId;
      readonly test: string;
      readonly item: Item | null;
    }
  /** It never starts, and why; written to the database by the one who performs the effect. */
  | {
      readonly kind: 'settle';
      readonly exec: ExecId;
      readonly state: State;
      readonly status: Status;
      readonly reason: string;
    }
  | { readonly kind: 'kill'; readonly exec: ExecId }
  /** Wake me with `clock` at this time, at the latest. */
  | { readonly kind: 'wake'; readonly at: number }
  /** Everything selected is terminal. */
  | { readonly kind: 'done' };
