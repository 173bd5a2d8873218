/**
 * The rows of a run database. They are ordinary tables: the engine replicates them, the selector is `area`.
 *
 * Times are milliseconds since 1970. Every row carries `seq`, the number of the write that changed it last:
 * one counter per database, so "what changed since" is a range and never a clock.
 */

export const STATES = [
  'NOT_STARTED',
  'LAUNCHED',
  'REMOTEHOSTSTART',
  'RUNNING',
  'KILLREQ',
  'COMPLETED',
  'INCOMPLETE',
  'KILLED',
  'STUCK',
  'ARCHIVED',
  'REMOVING',
  'DELETED',
] as const;
export type State = (typeof STATES)[number];

/** Users of imported areas may set any text. */
export type Status = string;

export type StatePair = { readonly state: State; readonly status: Status };

export type RunRow = {
  readonly id: number;
  readonly area: string;
  readonly target: string;
  readonly name: string;
  readonly state: 'new' | 'running' | 'done' | 'removed';
  readonly isLocked: boolean;
  readonly owner: string;
  readonly createdAt: number;
  readonly endedAt: number | null;
  /** Counts of leaf executions by `STATE/STATUS`, kept with every transition. */
  readonly counts: Readonly<Record<string, number>>;
  readonly seq: number;
};

/** A test, an item, or (items: `isToplevel`) the roll-up of a test's items. */
export type TestRow = {
  readonly id: number;
  readonly runId: number;
  readonly area: string;
  readonly name: string;
  /** '' of a test without items and of a toplevel. */
  readonly itemPath: string;
  readonly isToplevel: boolean;
  readonly state: State;
  readonly status: Status;
  readonly comment: string;
  readonly attempt: number;
  readonly host: string | null;
  readonly runDir: string | null;
  /** The log shown first, relative to `runDir`. */
  readonly log: string | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly cpuMs: number | null;
  readonly rssMaxBytes: number | null;
  readonly exitCode: number | null;
  /** Hash of the configuration that the result belongs to. */
  readonly configHash: string | null;
  readonly isStale: boolean;
  readonly seq: number;
};

export type StepRow = {
  readonly id: number;
  readonly testId: number;
  readonly area: string;
  readonly name: string;
  readonly state: 'start' | 'end';
  readonly status: Status;
  readonly exitCode: number | null;
  /** Rules gave another verdict than the exit code: `exit 126 masked by rules`. */
  readonly isMasked: boolean;
  readonly log: string | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly comment: string;
  readonly seq: number;
};

export type DataRow = {
  readonly id: number;
  readonly testId: number;
  readonly area: string;
  readonly category: string;
  readonly variable: string;
  readonly value: string;
  readonly expected: string;
  readonly tolerance: string;
  readonly units: string;
  readonly comment: string;
  readonly status: Status;
  readonly type: string;
  readonly seq: number;
};

export const ACTIONS = [
  'run',
  'rerun',
  'clean-rerun',
  'remove-runs',
  'kill',
  'set-state',
  'lock',
  'unlock',
  'rollup',
  'archive',
  'update-meta',
  'prune',
  'export',
] as const;
export type Action = (typeof ACTIONS)[number];

export type TaskRow = {
  readonly id: number;
  readonly area: string;
  readonly kind: 'action' | 'exec';
  /** Of an `exec`: 'exec'. */
  readonly action: Action | 'exec';
  readonly runId: number | null;
  readonly testId: number | null;
  readonly args: unknown;
  readonly priority: number;
  readonly state: 'new' | 'claimed' | 'running' | 'done' | 'failed' | 'cancelled';
  readonly attempt: number;
  readonly attemptsMax: number;
  readonly notBefore: number;
  readonly leaseOwner: string | null;
  readonly leaseUntil: number | null;
  /** Unique among the open ones: the second of two equal requests is the first. */
  readonly dedupeKey: string | null;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly result: unknown;
  readonly parentId: number | null;
  readonly seq: number;
};

/** A process that runs tests. A pid alone is never trusted: boot id and start time go with it. */
export type RunnerRow = {
  readonly id: string;
  readonly area: string;
  readonly host: string;
  readonly pid: number;
  readonly pidStart: string;
  readonly bootId: string;
  readonly leaseUntil: number;
  readonly slots: number;
  readonly running: number;
  readonly load: number;
  readonly seq: number;
};

/**
 * - `wait`: an execution is launched; `new` has the ids of the tests that it waited for
 * - `fault`: a test disturbs something on purpose. It begins: `new` names it; something was seen of it: `old` and `new`
 *   name it; it is over: `old` names it
 * - `lag`: the durable database has fallen behind, or has caught up
 */
export const EVENT_KINDS = [
  ...(['transition', 'step', 'task', 'runner', 'fault', 'lag', 'trigger', 'note'] as const),
  'wait',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** What happened, append-only. `seq` is its identity. */
export type EventRow = {
  readonly seq: number;
  readonly area: string;
  readonly at: number;
  readonly kind: EventKind;
  readonly runId: number | null;
  readonly testId: number | null;
  readonly old: string | null;
  readonly new: string | null;
  readonly actor: string;
  readonly cause: string;
  readonly isForced: boolean;
};
