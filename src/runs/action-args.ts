/** What actions of the queue are about, as they stand in the column `args`. */
import type { Environment } from '../area/types.ts';
import { TidelockError } from '../core/errors.ts';
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
  /** A second open one with the same key is the first; what runs a run has a key without saying so. */
  readonly dedupeKey: string | null;
};

/** Of wrong arguments, in a message. */
const TOLD_CHARS = 200;

const PLAIN: ActionArgs = {
  ...{ target: '', name: '', pattern: '%', tags: null, rerun: { kind: 'none' }, setVars: {} },
  ...{ states: [], statuses: [], to: null, comment: '', more: {} },
};

/**
 * Fills in what is left out; whoever queued the task may be of another version. Throws `BAD_REQUEST` when a field is
 * of another kind: the queue takes any JSON.
 */
export function argsOf({ args }: Pick<TaskRow, 'args'>): ActionArgs {
  const filled = filledIn(args);
  if (filled !== null) return filled;
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: `arguments that no action has: ${JSON.stringify(args).slice(0, TOLD_CHARS)}`,
    hint: 'target, name, pattern, tags and comment are texts; states and statuses are lists of texts',
  });
}

/** Null: they are none. */
export function filledIn(args: unknown): ActionArgs | null {
  const given = typeof args === 'object' && args !== null ? args : {};
  const filled = { ...PLAIN, ...given };
  const { target, name, pattern, tags, comment, states, statuses, rerun, setVars, to, more } =
    filled;
  const texts: readonly unknown[] = [target, name, pattern, tags ?? '', comment];
  const lists: readonly unknown[] = [states, statuses];
  const objects: readonly unknown[] = [rerun, setVars, more, to ?? {}];
  const isRight =
    [...texts, ...valuesOf(setVars), ...valuesOf(to)].every(isText) &&
    lists.every((list) => Array.isArray(list) && list.every(isText)) &&
    objects.every((one) => typeof one === 'object' && one !== null && !Array.isArray(one));
  return isRight ? filled : null;
}

const isText = (value: unknown): boolean => typeof value === 'string';

const valuesOf = (value: object | null): readonly unknown[] => Object.values(value ?? {});

export function actionArgs(some: Partial<ActionArgs>): ActionArgs {
  return { ...PLAIN, ...some };
}
