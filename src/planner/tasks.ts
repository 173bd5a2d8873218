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

/** What an action is about. */
export type ActionScope = {
  readonly action: Action;
  readonly target: string;
  /** Name of the run. */
  readonly name: string;
  readonly pattern: string;
};

export type OpenAction = ActionScope & Pick<TaskRow, 'id' | 'state'>;

export function isStarting(action: string): boolean {
  return STARTING.has(action);
}

/**
 * Two open tasks with the same key are one. All actions that run the same run have one key: the second of two requests
 * is answered with the first. Null: every request counts, or (`kill`) doing it twice harms nobody.
 */
export function dedupeKeyOf({ action, target, name, pattern }: ActionScope): string | null {
  if (isStarting(action)) return `run:${target}\0${name}`;
  if (action === 'remove-runs') return `remove:${target}\0${name}\0${pattern}`;
  return null;
}

export type Decision =
  /** The run is locked. */
  | { readonly kind: 'refuse' }
  /** Older actions on the same executions end first. */
  | { readonly kind: 'wait'; readonly for: readonly number[] }
  /** `cancel`: queued actions that would undo it. `killsFirst`: what runs in its scope is killed, and awaited. */
  | { readonly kind: 'go'; readonly cancel: readonly number[]; readonly killsFirst: boolean };

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
  const cancel = action.action === 'remove-runs' ? cancelledBy(action, others) : [];
  const before = others
    .filter(({ id }) => id < action.id && !cancel.includes(id))
    .filter((other) => waitsFor(action, other))
    .map(({ id }) => id);
  if (before.length > 0) return { kind: 'wait', for: before };
  return { kind: 'go', cancel, killsFirst: action.action === 'remove-runs' };
}

/** Queued actions that a removal makes pointless: they would only start what is being removed. */
export function cancelledBy(removal: ActionScope, open: readonly OpenAction[]): readonly number[] {
  return open
    .filter(({ action, state }) => isStarting(action) && state === 'new')
    .filter((other) => sameRun(removal, other) && covers(removal.pattern, other.pattern))
    .map(({ id }) => id);
}

/** Whether the later of two overlapping actions lets the earlier one end first. */
function waitsFor(later: OpenAction, earlier: OpenAction): boolean {
  if (AT_ONCE.has(later.action) || AT_ONCE.has(earlier.action)) return false;
  // What runs is killed by a removal, not awaited.
  const isKilled = later.action === 'remove-runs' && isStarting(earlier.action);
  return !isKilled || earlier.state === 'new';
}

function overlap(a: ActionScope, b: ActionScope): boolean {
  return sameRun(a, b) && mayShare(a.pattern, b.pattern);
}

function sameRun(a: ActionScope, b: ActionScope): boolean {
  return a.target === b.target && a.name === b.name;
}

function covers(outer: string, inner: string): boolean {
  return outer === '%' || outer === inner;
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

export function isOpen({ state }: Pick<TaskRow, 'state'>): boolean {
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
