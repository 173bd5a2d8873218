/**
 * What queued actions mean for one another, and who may take or end a task: the rules of docs/planner.md as
 * functions of rows. The store claims by the same rules in SQL.
 */
import type { Action, RunRow, TaskRow } from './rows.ts';

/** Actions that plan and launch. At most one of them at a time has a run. */
const STARTING: ReadonlySet<string> = new Set(['run', 'rerun', 'clean-rerun']);
/** They only ask or mark: they do not wait until the run is free. */
const AT_ONCE: ReadonlySet<string> = new Set([
  ...['kill', 'set-state', 'lock', 'unlock', 'export', 'update-meta'],
]);
/** They change or remove results: nobody does that in a locked run. */
const CHANGING: ReadonlySet<string> = new Set([
  ...['run', 'rerun', 'clean-rerun', 'remove-runs', 'set-state', 'archive', 'rollup'],
]);

/** What an action is about: runs are the same when target and name are. */
export type ActionScope = {
  readonly action: Action;
  readonly target: string;
  /** Name of the run. */
  readonly name: string;
  readonly pattern: string;
  /** Only results in some states: never all that the pattern has. */
  readonly isPart?: boolean;
};

export type OpenAction = ActionScope & Pick<TaskRow, 'id' | 'state'>;

export function isStarting(action: string): boolean {
  return STARTING.has(action);
}

/** What a task is about, by its arguments; null: it is no action, or its arguments are none. */
export function scopeOf({ action, args }: Pick<TaskRow, 'action' | 'args'>): ActionScope | null {
  if (action === 'exec' || typeof args !== 'object' || args === null) return null;
  const { target = '', name = '', pattern = '%', ...rest } = args as Record<string, unknown>;
  const isScope = [target, name, pattern].every((text) => typeof text === 'string');
  const isPart = [rest.states, rest.statuses].some(
    (list) => Array.isArray(list) && list[0] != null,
  );
  return isScope ? ({ action, target, name, pattern, isPart } as ActionScope) : null;
}

/** As `decide` sees a task. */
export function openAction(task: Pick<TaskRow, 'id' | 'state' | 'action' | 'args'>): OpenAction[] {
  const scope = scopeOf(task);
  return scope === null ? [] : [{ ...scope, id: task.id, state: task.state }];
}

/**
 * Two open tasks with the same key are one. All actions that run the same run have one key: the second of two requests
 * is answered with the first. Null: every request counts, or (`kill`) doing it twice harms nobody.
 */
export function dedupeKeyOf({ action, target, name }: ActionScope): string | null {
  return isStarting(action) ? `run:${target}\0${name}` : null;
}

export type Decision =
  /** The run is locked. */
  | { readonly kind: 'refuse' }
  /** Older actions on the same executions end first. */
  | { readonly kind: 'wait'; readonly for: readonly number[] }
  /**
   * `cancel`: queued actions that would undo it. `ends`: those under way that end first because what they run in its
   * scope is killed.
   */
  | { readonly kind: 'go'; readonly cancel: readonly number[]; readonly ends: readonly number[] };

/**
 * What is to be done with an action whose turn has come. `open`: the other open actions. An action waits only for
 * older ones, so no two wait for each other.
 */
export function decide(
  action: OpenAction,
  open: readonly OpenAction[],
  run: Pick<RunRow, 'isLocked'> | null,
): Decision {
  if (run?.isLocked === true && CHANGING.has(action.action)) return { kind: 'refuse' };
  const others = open.filter((other) => other.id !== action.id && overlap(action, other));
  const covered = action.action === 'remove-runs' ? others.filter(isUndone(action)) : [];
  const cancel = covered.filter(isQueued).map(({ id }) => id);
  const ends = covered.filter((other) => other.state === 'running').map(({ id }) => id);
  const before = others
    .filter(({ id }) => id < action.id && !cancel.includes(id))
    .filter((other) => waitsFor(action, other))
    .map(({ id }) => id);
  if (before.length > 0) return { kind: 'wait', for: before };
  return { kind: 'go', cancel, ends };
}

/** It waits for its turn, in the queue or with a runner. */
export function isQueued({ state }: Pick<TaskRow, 'state'>): boolean {
  return state === 'new' || state === 'claimed';
}

/** Older ones that a removal makes pointless: they would only run what is being removed. */
function isUndone(removal: OpenAction): (other: OpenAction) => boolean {
  return ({ id, action, pattern }) =>
    id < removal.id && isStarting(action) && covers(removal, pattern);
}

/** Whether the later of two overlapping actions lets the earlier one end first. */
function waitsFor(later: OpenAction, earlier: OpenAction): boolean {
  const isKill = earlier.action === 'kill';
  // A kill may have to take a run over to end it: nobody else does so meanwhile.
  if (isKill && (isStarting(later.action) || later.action === 'kill')) return true;
  if (AT_ONCE.has(later.action) || AT_ONCE.has(earlier.action)) return false;
  // What runs is killed by a removal, not awaited.
  const isKilled = later.action === 'remove-runs' && isStarting(earlier.action);
  return !isKilled || isQueued(earlier);
}

function overlap(a: ActionScope, b: ActionScope): boolean {
  return sameRun(a, b) && mayShare(a.pattern, b.pattern);
}

function sameRun(a: ActionScope, b: ActionScope): boolean {
  return a.target === b.target && a.name === b.name;
}

function covers({ pattern, isPart }: ActionScope, inner: string): boolean {
  return isPart !== true && (pattern === '%' || pattern === inner);
}

/** False only where both name tests plainly, and none in common. */
function mayShare(a: string, b: string): boolean {
  const [first, second] = [plainTests(a), plainTests(b)];
  return first === null || second === null || first.some((test) => second.includes(test));
}

/** Null: some pattern may match more than one test. */
function plainTests(pattern: string): readonly string[] | null {
  const tests = pattern.split(',').map((text) => text.trim().split('/', 1)[0] ?? '');
  return tests.every((test) => /^[\w-]+$/.test(test)) ? tests : null;
}

type Leased = Pick<
  TaskRow,
  | 'id'
  | 'state'
  | 'attempt'
  | 'attemptsMax'
  | 'notBefore'
  | 'leaseOwner'
  | 'leaseUntil'
  | 'priority'
>;

function isOpen({ state }: Pick<TaskRow, 'state'>): boolean {
  return state === 'new' || state === 'claimed' || state === 'running';
}

/** Nobody holds it: it is new, or its lease ran out. */
export function isClaimable(task: Leased, now: number): boolean {
  if (!isOpen(task) || task.notBefore > now || task.attempt >= task.attemptsMax) return false;
  return task.state === 'new' || isExpired(task, now);
}

function isExpired(task: Leased, now: number): boolean {
  return isOpen(task) && task.state !== 'new' && (task.leaseUntil ?? 0) <= now;
}

/** The one to claim: higher priority first, then the older. */
export function nextTask<T extends Leased>(tasks: readonly T[], now: number): T | null {
  const [first = null] = tasks
    .filter((task) => isClaimable(task, now))
    .sort((a, b) => b.priority - a.priority || a.id - b.id);
  return first;
}

/** What becomes of a task whose lease ran out; null: it did not. */
export function afterLease(task: Leased, now: number): 'new' | 'failed' | null {
  if (!isExpired(task, now)) return null;
  return task.attempt < task.attemptsMax ? 'new' : 'failed';
}

/** Only who holds the task may say how it ended: whoever lost the lease has lost the task. */
export function mayEnd(task: Leased, owner: string): boolean {
  return isOpen(task) && task.leaseOwner === owner;
}
