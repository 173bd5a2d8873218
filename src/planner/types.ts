/** The planner's machine: `step(state, event) -> effects` over an item-level graph; time comes with events. */
import type { Area, Item, Origin, Target, TestDef } from '../area/types.ts';
import type { State, StatePair, Status } from './rows.ts';

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
  /** Nothing that has ended runs again: the run goes on where its runner stopped. */
  | { readonly kind: 'resume' }
  /** Results whose state or status is named. */
  | { readonly kind: 'matching'; readonly names: readonly string[] }
  | { readonly kind: 'failed'; readonly downstream: boolean }
  /** Those that match, whatever they came to, and with `downstream` all that waits for them. */
  | { readonly kind: 'chosen'; readonly pattern: string; readonly downstream: boolean }
  /** Of what the pattern names and has ended: this step, and unless `isOnly` those after it; the others stay. */
  | ({ readonly kind: 'steps' } & StepRange)
  | { readonly kind: 'clean' }
  | { readonly kind: 'all' };

export type StepRange = { readonly step: string; readonly isOnly: boolean };

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
  /** Seconds that executions took in earlier runs (median), for those that are not `existing`. */
  readonly expectedS?: ReadonlyMap<ExecId, number> | undefined;
};

/** Something that a user should know before the run; it does not stop the run. */
export type PlanFinding = { readonly message: string; readonly origin: Origin | null };

export type Registered = {
  readonly exec: ExecId;
  readonly test: string;
  readonly item: Item | null;
  readonly isToplevel: boolean;
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
  /**
   * An execution has reached a state; terminal ones free what it held. NOT_STARTED/KEEP_TRYING: its launch was
   * put off (something it needs is taken by another run), and is tried again.
   */
  | {
      readonly kind: 'entered';
      readonly exec: ExecId;
      readonly state: State;
      readonly status: Status;
      readonly at: number;
    }
  /**
   * The host: load per CPU, how many executions of this run it may have at once, and the executions (`ExecId`)
   * that are running in other runs of this area.
   */
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
      readonly to: StatePair;
      readonly at: number;
    };

export type PlannerEffect =
  /**
   * These are planned: their rows are made, where they are not there yet, before any other effect. Toplevels of
   * tests with items come first, with `item` null and `isToplevel`.
   */
  | { readonly kind: 'register'; readonly execs: readonly Registered[] }
  /**
   * An old result goes back to NOT_STARTED/n/a, its directory is emptied first with `cleans`. `isPart`: only the steps
   * that the request names go; work area and the results of the others stay.
   */
  | {
      readonly kind: 'reset';
      readonly exec: ExecId;
      readonly cleans: boolean;
      readonly isPart: boolean;
      readonly reason: string;
    }
  /** Read the test's items now; answered by `expanded`. Asked once per plan; the answer is kept with the run. */
  | { readonly kind: 'expand'; readonly test: string }
  /** Start it; answered by `entered` RUNNING and a terminal state. `after`: executions and whole tests that it waited for. */
  | {
      readonly kind: 'launch';
      readonly exec: ExecId;
      readonly test: string;
      readonly item: Item | null;
      readonly after: readonly ExecId[];
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
