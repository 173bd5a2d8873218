/** Waits for the log to pass a position. Each ends exactly once: reached, timed out, ended, refused, or given up. */
import { insertSorted, removeSorted, type SortedEntry, takeUpTo } from './sorted.ts';
import { type CoordinatorState, WAITS_MAX } from './state.ts';
import type { CoordinatorEffect, CoordinatorEvent, WaitId } from './types.ts';

type Outcome = (CoordinatorEffect & { kind: 'finishWait' })['outcome'];

/** Registers a wait, or ends it at once. */
export function startWait(
  state: CoordinatorState,
  event: CoordinatorEvent & { kind: 'wait' },
  out: CoordinatorEffect[],
): void {
  const { id, ts, deadline } = event;
  const outcome = immediateOutcome(state, event);
  if (outcome !== undefined) {
    out.push({ kind: 'finishWait', id, outcome });
    return;
  }
  state.waits.set(id, { ts, deadline });
  insertSorted(state.waitsByTs, { key: ts, id });
  insertSorted(state.waitsByDeadline, { key: deadline, id });
}

/** Forgets a wait that its caller gave up. */
export function endWait(state: CoordinatorState, id: WaitId): void {
  const wait = state.waits.get(id);
  if (wait === undefined) return;
  state.waits.delete(id);
  removeSorted(state.waitsByTs, { key: wait.ts, id });
  removeSorted(state.waitsByDeadline, { key: wait.deadline, id });
}

/** Ends the waits that the upper has reached. */
export function finishReached(state: CoordinatorState, out: CoordinatorEffect[]): void {
  finish(state, { entries: takeUpTo(state.waitsByTs, state.log.upper), outcome: 'reached' }, out);
}

/** Ends the waits whose time is over. */
export function finishLate(state: CoordinatorState, out: CoordinatorEffect[]): void {
  finish(state, { entries: takeUpTo(state.waitsByDeadline, state.now), outcome: 'timeout' }, out);
}

/** Ends all waits: the history that their positions belong to is over. */
export function finishAll(state: CoordinatorState, out: CoordinatorEffect[]): void {
  const entries = takeUpTo(state.waitsByTs, Number.POSITIVE_INFINITY);
  finish(state, { entries, outcome: 'ended' }, out);
}

function immediateOutcome(
  state: CoordinatorState,
  wait: { readonly ts: number; readonly deadline: number },
): Outcome | undefined {
  if (state.history.timeline !== null && wait.ts <= state.log.upper) return 'reached';
  if (wait.deadline <= state.now) return 'timeout';
  return state.waits.size >= WAITS_MAX ? 'busy' : undefined;
}

function finish(
  state: CoordinatorState,
  ended: { readonly entries: readonly SortedEntry[]; readonly outcome: Outcome },
  out: CoordinatorEffect[],
): void {
  for (const { id } of ended.entries) {
    endWait(state, id);
    out.push({ kind: 'finishWait', id, outcome: ended.outcome });
  }
}
