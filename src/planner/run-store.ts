/**
 * The port of a run database: writes as data, so that the same batch goes to the local file or through a server.
 *
 * One call of `write` is one transaction: rows, their events, roll-ups, counts of runs and `seq` become visible
 * together or not at all. The answers stand in the order of the writes.
 */
import type { CellPage, CellPlace } from './cells.ts';
import type { DataRow, EventRow, RunnerRow, RunRow, StepRow, TaskRow, TestRow } from './rows.ts';
import type { RemovedRow } from './run-tables.ts';
import type { TransitionEvent } from './states.ts';

/** What may be told of an execution beside its state; absent fields stay. */
export type TestFacts = Partial<
  Pick<
    TestRow,
    | ('comment' | 'attempt' | 'host' | 'runDir' | 'log' | 'startedAt' | 'endedAt' | 'cpuMs')
    | ('rssMaxBytes' | 'exitCode' | 'configHash' | 'isStale')
  >
>;

export type NewTest = Pick<TestRow, 'name' | 'itemPath' | 'isToplevel'>;

export type NewStep = Omit<StepRow, 'id' | 'testId' | 'area' | 'seq'>;

export type NewData = Omit<DataRow, 'id' | 'testId' | 'area' | 'seq'>;

export type NewTask = {
  readonly kind: TaskRow['kind'];
  readonly action: TaskRow['action'];
  readonly runId: number | null;
  readonly testId: number | null;
  readonly args: unknown;
  readonly priority: number;
  readonly attemptsMax: number;
  readonly notBefore: number;
  /** A second open task with the same key is not made: the answer names the first. */
  readonly dedupeKey: string | null;
  readonly parentId: number | null;
};

export type RunWrite =
  /** Continues the run with this target and name when there is one. Answer: `id`. */
  | { readonly kind: 'createRun'; readonly target: string; readonly name: string }
  | {
      readonly kind: 'setRun';
      readonly runId: number;
      readonly facts: Partial<Pick<RunRow, 'state' | 'isLocked' | 'endedAt'>>;
      readonly cause: string;
    }
  /** Rows that are there stay as they are. Answer: `ids` in the order of `tests`. */
  | { readonly kind: 'putTests'; readonly runId: number; readonly tests: readonly NewTest[] }
  /** Throws `BAD_TRANSITION` for a change that the table of states does not have, `RUN_LOCKED`. */
  | {
      readonly kind: 'transition';
      readonly testId: number;
      readonly event: TransitionEvent;
      readonly facts: TestFacts;
      readonly cause: string;
    }
  /** Measurements: no event, no roll-up. */
  | { readonly kind: 'setTest'; readonly testId: number; readonly facts: TestFacts }
  /** One row per test and step name. */
  | { readonly kind: 'putStep'; readonly testId: number; readonly step: NewStep }
  /** One row per test, category and variable. */
  | { readonly kind: 'putData'; readonly testId: number; readonly rows: readonly NewData[] }
  /** Steps and data of an earlier attempt go; or of its steps these, and no data. */
  | {
      readonly kind: 'clearTest';
      readonly testId: number;
      readonly steps?: readonly string[] | null | undefined;
    }
  /** The rows of tests go, with steps and data; `testIds` null: all, and the run itself becomes `removed`. */
  | {
      readonly kind: 'removeTests';
      readonly runId: number;
      readonly testIds: readonly number[] | null;
      readonly cause: string;
    }
  /** Answer: `id`, and `isNew` false when an open one has the key. */
  | { readonly kind: 'putTask'; readonly task: NewTask }
  /** The first one that is due, by priority, then age; expired leases count as free. Answer: `task` or null. */
  | {
      readonly kind: 'claimTask';
      readonly owner: string;
      readonly kinds: readonly TaskRow['kind'][];
      readonly leaseMs: number;
    }
  /** All leases of an owner. Answer: `ids` of those that it still holds. */
  | { readonly kind: 'renewTasks'; readonly owner: string; readonly leaseMs: number }
  /** Only the holder of the lease may. Answer: `isDone` false for anybody else. */
  | {
      readonly kind: 'endTask';
      readonly taskId: number;
      readonly owner: string;
      readonly state: 'running' | 'done' | 'failed' | 'cancelled';
      readonly result: unknown;
    }
  /** Those that have not begun, whoever has claimed them: he is told when they are to begin. Answer: their `ids`. */
  | { readonly kind: 'cancelTasks'; readonly ids: readonly number[]; readonly cause: string }
  /** Leases that ran out: back to `new`, or `failed` after the last attempt. Answer: `ids`. */
  | { readonly kind: 'reclaimTasks' }
  /** Registers or renews. */
  | {
      readonly kind: 'putRunner';
      readonly runner: Omit<RunnerRow, 'area' | 'seq' | 'leaseUntil'>;
      readonly leaseMs: number;
    }
  /** It is gone: its leases end now. */
  | { readonly kind: 'removeRunner'; readonly id: string }
  /** An event of its own: a wait, a fault, a trigger that fired, a note. */
  | {
      readonly kind: 'note';
      readonly event: Pick<EventRow, 'kind' | 'runId' | 'testId' | 'old' | 'new' | 'cause'> & {
        /** When it was, if not now. */
        readonly at?: number | undefined;
      };
    };

export type RunAnswer = {
  readonly id?: number;
  readonly ids?: readonly number[];
  readonly isNew?: boolean;
  readonly isDone?: boolean;
  readonly task?: TaskRow | null;
};

export type WriteBatch = {
  /** Who: a user, a runner's id. */
  readonly actor: string;
  readonly writes: readonly RunWrite[];
  /** A batch with a key is done once; again gives the first answer. */
  readonly key?: string | undefined;
};

export type WriteResult = {
  readonly answers: readonly RunAnswer[];
  /** The last change of the batch. */
  readonly seq: number;
};

export type RunRows = {
  readonly runs: readonly RunRow[];
  readonly tests: readonly TestRow[];
  readonly steps: readonly StepRow[];
  readonly data: readonly DataRow[];
  readonly tasks: readonly TaskRow[];
  readonly runners: readonly RunnerRow[];
  readonly events: readonly EventRow[];
};

/** Rows as they are now whose last change is after `since`; whole transactions when `isMore` is false. */
export type RunChanges = {
  /** Sequences of different histories do not compare: read everything again. */
  readonly history: string;
  readonly rows: RunRows;
  readonly removed: readonly RemovedRow[];
  /** Ask on from here. */
  readonly seq: number;
  readonly isMore: boolean;
};

export type RunQuery =
  /** At most `limit` rows, in order of `seq`. */
  | {
      readonly kind: 'changes';
      readonly since: number;
      readonly limit: number;
      /** Without steps, data and events: what pages show of all runs. */
      readonly isBrief?: boolean | undefined;
    }
  /** The newest first. */
  | {
      readonly kind: 'runs';
      readonly ids?: readonly number[] | undefined;
      /** Only those with a smaller id. */
      readonly before?: number | undefined;
      readonly limit?: number | undefined;
    }
  | { readonly kind: 'tests'; readonly runId: number }
  /** Tests as cells of a matrix: a page of each run, in the order of names and items. */
  | {
      readonly kind: 'cells';
      readonly runIds: readonly number[];
      /** `tests`: without items. */
      readonly part: 'tests' | 'all';
      /** Behind this place; null: from the first one on. */
      readonly after: CellPlace | null;
      /** Of each run. */
      readonly limit: number;
    }
  | { readonly kind: 'test'; readonly testId: number }
  /** Results of the same test and item in all runs, the newest first. */
  | {
      readonly kind: 'history';
      readonly name: string;
      readonly itemPath: string;
      /** Only of its runs. */
      readonly target?: string | undefined;
      readonly limit: number;
    }
  | { readonly kind: 'steps'; readonly testId: number }
  | { readonly kind: 'data'; readonly testId: number }
  | {
      readonly kind: 'tasks';
      /** Null: all. */
      readonly states: readonly TaskRow['state'][] | null;
      /** Only these. */
      readonly ids?: readonly number[] | undefined;
      readonly limit: number;
    }
  /** Open actions on one run, the oldest first, without a limit: what stands in the way of one must not be missed. */
  | { readonly kind: 'openActions'; readonly target: string; readonly name: string }
  | { readonly kind: 'runners' }
  /** What was said of a run as a whole: comments and statuses, the oldest first. */
  | { readonly kind: 'notes'; readonly runId: number }
  | {
      readonly kind: 'events';
      readonly runId: number | null;
      readonly testId: number | null;
      readonly since: number;
      readonly limit: number;
    }
  /** What a time line needs beside the tests: waits of the run; faults, excesses and samples of the lag from then on. */
  | {
      readonly kind: 'line';
      readonly runId: number;
      /** Waits after this `seq`. */
      readonly since: number;
      /** Milliseconds since 1970, both included. */
      readonly from: number;
      readonly to: number;
    };

/** How old the oldest commit was that the durable database did not have, since the sample before. */
export type LagSample = { readonly at: number; readonly ageMs: number };

export type RunQueryResult = Partial<RunRows> & {
  readonly changes?: RunChanges;
  readonly cells?: readonly CellPage[];
  readonly lag?: readonly LagSample[];
};

/** The database itself, in a process of its host. */
export interface RunStore {
  readonly area: string;
  /** Which life of the database this is: a rebuilt one has another. */
  readonly history: string;
  readonly seq: number;
  /** Throws `BAD_TRANSITION`, `RUN_LOCKED`, `RUN_NOT_FOUND`, `BUSY`, `RUNS_UNUSABLE`. */
  write(batch: WriteBatch): WriteResult;
  read(query: RunQuery): RunQueryResult;
  /** Called soon after any process of this host has changed something. Gives the one who ends it. */
  onChange(listener: () => void): () => void;
  close(): void;
}

/** The same from anywhere: the database itself, or its server by RPC. */
export interface RunAccess {
  write(batch: WriteBatch): Promise<WriteResult>;
  read(query: RunQuery): Promise<RunQueryResult>;
}
