/** What actions of the queue are about, as they stand in the column `args`. */
import type { Environment } from '../area/types.ts';
import type { Action, StatePair, TaskRow } from '../planner/rows.ts';
import type { RerunRule } from '../planner/types.ts';

export type ActionArgs = {
  readonly target: string;
  /** Of the run. */
  readonly name: string;
  readonly pattern: string;
  readonly tags: string | null;
  readonly rerun: RerunRule;
  readonly setVars: Environment;
  /** Only executions in these; empty: any. */
  readonly states: readonly string[];
  readonly statuses: readonly string[];
  /** Of `set-state`. */
  readonly to: StatePair | null;
  readonly comment: string;
  /** What other actions need beside. */
  readonly more: Readonly<Record<string, unknown>>;
};

export type NewAction = {
  readonly action: Action;
  readonly args: ActionArgs;
  readonly priority: number;
  readonly dedupeKey: string | null;
};

const PLAIN: ActionArgs = {
  ...{ target: '', name: '', pattern: '%', tags: null, rerun: { kind: 'none' }, setVars: {} },
  ...{ states: [], statuses: [], to: null, comment: '', more: {} },
};

/** Fills in what is left out; whoever queued the task may be of another version. */
export function argsOf({ args }: Pick<TaskRow, 'args'>): ActionArgs {
  return { ...PLAIN, ...(typeof args === 'object' && args !== null ? args : {}) };
}

export function actionArgs(some: Partial<ActionArgs>): ActionArgs {
  return { ...PLAIN, ...some };
}

/** Two requests to run the same run are one. */
export function runKey(target: string, name: string): string {
  return `run:${target}\0${name}`;
}
