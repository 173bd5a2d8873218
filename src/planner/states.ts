/** What states mean, and the one table of changes between them (docs/planner.md). */
import type { StateStatus } from '../area/types.ts';
import { type ErrorCode, TidelockError } from '../core/errors.ts';
import type { State, StatePair, Status } from './rows.ts';

/** A process of it may be alive. */
const ACTIVE: ReadonlySet<State> = new Set<State>([
  ...(['LAUNCHED', 'REMOTEHOSTSTART', 'RUNNING', 'KILLREQ'] as const),
]);
/** It ran and is over. */
const ENDED: ReadonlySet<State> = new Set<State>([
  ...(['COMPLETED', 'INCOMPLETE', 'KILLED', 'STUCK', 'ARCHIVED'] as const),
]);
/** Statuses of NOT_STARTED with which it still may start. CHECK: a toplevel some of whose items wait. */
const WAITING: ReadonlySet<Status> = new Set(['n/a', 'KEEP_TRYING', 'CHECK']);
/** What satisfies a dependent. */
const GOOD: ReadonlySet<Status> = new Set(['PASS', 'WARN', 'CHECK', 'WAIVED', 'SKIP']);

/** Why something never starts. */
export const NEVER_STARTED = [
  ...(['PREQ_FAIL', 'PREQ_DISCARDED', 'ZERO_ITEMS', 'BLOCKED', 'TIMED_OUT'] as const),
  'TEN_STRIKES',
] as const;
export type NeverStarted = (typeof NEVER_STARTED)[number];

/** Verdicts with which an execution completes. */
const VERDICTS = [
  ...(['PASS', 'WARN', 'CHECK', 'WAIVED', 'SKIP', 'FAIL', 'ABORT'] as const),
] as const;
const VERDICT_SET: ReadonlySet<Status> = new Set(VERDICTS);

/** What a running execution may show so far; AUTO: its data decide at the end. */
const SO_FAR: ReadonlySet<Status> = new Set(['n/a', 'PASS', 'WARN', 'AUTO']);

export const FRESH: StatePair = { state: 'NOT_STARTED', status: 'n/a' };

export function isActive({ state }: StateStatus): boolean {
  return ACTIVE.has(state as State);
}

/** Not started yet, and nothing says that it never will. */
export function isWaiting({ state, status }: StateStatus): boolean {
  return state === 'NOT_STARTED' && WAITING.has(status);
}

/** Nothing more happens to it by itself. */
export function isTerminal(of: StateStatus): boolean {
  return !isActive(of) && !isWaiting(of);
}

/** It ran, to whatever end. */
export function hasEnded({ state }: StateStatus): boolean {
  return ENDED.has(state as State);
}

/** Completed with a status that satisfies its dependents. */
export function isGood({ state, status }: StateStatus): boolean {
  return (state === 'COMPLETED' || state === 'ARCHIVED') && GOOD.has(status);
}

export type TransitionEvent =
  | { readonly kind: 'launch' }
  /** The launched process has come up on its host. A runner that starts processes itself goes on to `run` at once. */
  | { readonly kind: 'hostStart' }
  | { readonly kind: 'run' }
  /** The status so far, by a step or by the test itself. */
  | { readonly kind: 'progress'; readonly status: Status }
  | { readonly kind: 'finish'; readonly status: Status }
  /** Its skip rule says so; it does not start. */
  | { readonly kind: 'skip' }
  /** It never starts. */
  | { readonly kind: 'settle'; readonly status: NeverStarted }
  /** Its launch was put off; the planner tries again. */
  | { readonly kind: 'putOff' }
  | { readonly kind: 'requestKill' }
  /** Its process tree is gone, after a request or at its time limit. */
  | { readonly kind: 'killed' }
  /** A kill was asked for, and no process is known. */
  | { readonly kind: 'killFailed' }
  /** Its manager was told to stop. */
  | { readonly kind: 'terminated' }
  /** Its lease ended and its process is gone. */
  | { readonly kind: 'dead' }
  | { readonly kind: 'waive' }
  /** It is to run again. */
  | { readonly kind: 'reset' }
  | { readonly kind: 'archive' }
  | { readonly kind: 'restore' }
  | { readonly kind: 'remove' }
  | { readonly kind: 'removed' }
  /** By a user: any pair of a known state and any text. */
  | { readonly kind: 'force'; readonly to: StatePair };

export type TransitionRules = {
  /** Nobody resets, forces, archives or removes results of a locked run; what runs goes on. */
  readonly isLocked: boolean;
  /** Imported areas: a status is any text. */
  readonly acceptsAnyStatus: boolean;
};

export const OPEN_RULES: TransitionRules = { isLocked: false, acceptsAnyStatus: false };

export type Transition =
  | {
      readonly kind: 'changed';
      readonly to: StatePair;
      readonly isForced: boolean;
    }
  | Refusal;

export type Refusal = {
  readonly kind: 'refused';
  readonly code: Extract<ErrorCode, 'BAD_TRANSITION' | 'RUN_LOCKED'>;
  readonly message: string;
  readonly hint: string;
};

const BY_USERS: ReadonlySet<TransitionEvent['kind']> = new Set([
  ...(['reset', 'force', 'archive', 'restore', 'remove', 'removed', 'waive'] as const),
]);

/**
 * The change that `event` makes to an execution that is at `old`. The one table: whoever writes a state asks it,
 * in the transaction that writes.
 */
export function transition(
  old: StatePair,
  event: TransitionEvent,
  rules: TransitionRules = OPEN_RULES,
): Transition {
  if (rules.isLocked && BY_USERS.has(event.kind)) return lockedRefusal(event);
  const to = event.kind === 'force' ? event.to : targetOf(old, event, rules);
  if (to === null) return refusal(old, event);
  return { kind: 'changed', to, isForced: event.kind === 'force' };
}

/** As an error, for those who answer requests. */
export function refusalError({ code, message, hint }: Refusal): TidelockError {
  return new TidelockError({ code, message, hint });
}

/** Null: the table has no such change. */
function targetOf(
  old: StatePair,
  event: TransitionEvent,
  rules: TransitionRules,
): StatePair | null {
  switch (event.kind) {
    case 'launch':
      return isWaiting(old) ? pair('LAUNCHED', 'n/a') : null;
    case 'hostStart':
      return old.state === 'LAUNCHED' ? pair('REMOTEHOSTSTART', 'n/a') : null;
    case 'run':
      return isStarting(old) ? pair('RUNNING', 'n/a') : null;
    case 'progress':
      return old.state === 'RUNNING' && (SO_FAR.has(event.status) || rules.acceptsAnyStatus)
        ? pair('RUNNING', event.status)
        : null;
    case 'finish':
      return finished(old, event.status, rules);
    case 'skip':
      return isWaiting(old) ? pair('COMPLETED', 'SKIP') : null;
    case 'settle':
      return isWaiting(old) ? pair('NOT_STARTED', event.status) : null;
    case 'putOff':
      return isWaiting(old) || isStarting(old) ? pair('NOT_STARTED', 'KEEP_TRYING') : null;
    default:
      return isActive(old) ? ending(old, event) : afterwards(old, event);
  }
}

/** Ends of what is launched or runs, other than its own. */
function ending(old: StatePair, { kind }: TransitionEvent): StatePair | null {
  switch (kind) {
    case 'requestKill':
      return old.state === 'KILLREQ' ? null : pair('KILLREQ', old.status);
    case 'killed':
      return pair('KILLED', 'KILLED');
    case 'killFailed':
      return pair('KILLED', 'FAILED TO KILL');
    case 'terminated':
      return pair('INCOMPLETE', 'KILLED');
    case 'dead':
      return pair('INCOMPLETE', 'DEAD');
    default:
      return null;
  }
}

/** What users do with what does not run. */
function afterwards(old: StatePair, { kind }: TransitionEvent): StatePair | null {
  const is = (state: State): boolean => old.state === state;
  switch (kind) {
    case 'waive':
      return is('COMPLETED') && old.status === 'FAIL' ? pair('COMPLETED', 'WAIVED') : null;
    case 'reset':
      return is('REMOVING') ? null : FRESH;
    case 'archive':
      return is('COMPLETED') ? pair('ARCHIVED', old.status) : null;
    case 'restore':
      return is('ARCHIVED') ? pair('COMPLETED', old.status) : null;
    case 'remove':
      return is('REMOVING') || is('DELETED') ? null : pair('REMOVING', old.status);
    case 'removed':
      return is('REMOVING') ? pair('DELETED', old.status) : null;
    default:
      return null;
  }
}

/** Before it runs, it can only have failed to come up. */
function finished(old: StatePair, status: Status, rules: TransitionRules): StatePair | null {
  if (old.state === 'RUNNING' && (VERDICT_SET.has(status) || rules.acceptsAnyStatus)) {
    return pair('COMPLETED', status);
  }
  const isFailure = status === 'FAIL' || status === 'ABORT';
  return isStarting(old) && isFailure ? pair('COMPLETED', status) : null;
}

function isStarting({ state }: StatePair): boolean {
  return state === 'LAUNCHED' || state === 'REMOTEHOSTSTART';
}

function pair(state: State, status: Status): StatePair {
  return { state, status };
}

function refusal(old: StatePair, event: TransitionEvent): Refusal {
  const status = 'status' in event ? ` ${event.status}` : '';
  const message = `${old.state}/${old.status} has no change by ${event.kind}${status}`;
  return { kind: 'refused', code: 'BAD_TRANSITION', message, hint: hintFor(old, event) };
}

function hintFor(old: StatePair, event: TransitionEvent): string {
  if (old.state === 'KILLREQ') return 'a kill was asked for: it ends KILLED';
  if (isActive(old)) return 'it runs: kill it first, or wait until it has ended';
  if (event.kind === 'progress' || event.kind === 'finish') {
    return 'it does not run: its result was written already, or it was set by force';
  }
  return 'look at its state again; set-state changes any state, and is recorded as forced';
}

function lockedRefusal({ kind }: TransitionEvent): Refusal {
  const message = `the run is locked: no ${kind}`;
  return { kind: 'refused', code: 'RUN_LOCKED', message, hint: 'unlock the run first' };
}
