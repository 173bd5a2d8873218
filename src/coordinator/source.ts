/** The life of the source's connection, and of the histories that come over it. */
import type { Ts } from '../core/lsn.ts';
import { confirm, forgetUnwritten, logWorks } from './frontier.ts';
import { decideHistory, type HistoryDecision } from './history.ts';
import { forgetLeases } from './lease-store.ts';
import { cutToBytes } from './retention.ts';
import {
  type CoordinatorState,
  NEVER,
  RESTART_HOLD_MS_MAX,
  RESTART_HOLD_SHARE,
  type SourceTrouble,
} from './state.ts';
import { endSubscribers } from './subscribers.ts';
import type { CoordinatorEffect, SourceFacts, SourcePhase } from './types.ts';
import { finishAll, finishReached } from './waits.ts';

/** Begins. Leases were loaded; those that a crash of the machine undid have a while to come back. */
export function start(state: CoordinatorState, out: CoordinatorEffect[]): void {
  if (state.source.phase !== 'idle') return;
  for (const group of state.log.groups) group.at = state.now;
  if (state.history.timeline !== null) {
    const holdMs = state.policy.leaseS * 1000 * RESTART_HOLD_SHARE;
    const expiresAt = state.now + Math.min(holdMs, RESTART_HOLD_MS_MAX);
    state.restartHold = { ts: state.log.since, expiresAt };
  }
  // The limit may be lower than before, or the last append was never looked at.
  const purgedSeq = cutToBytes(state, out);
  if (purgedSeq !== undefined) out.push({ kind: 'purge', seq: purgedSeq });
  connect(state, out);
}

/** Connects again when its time has come. */
export function reconnectWhenDue(state: CoordinatorState, out: CoordinatorEffect[]): void {
  if (reconnectDueAt(state) <= state.now) connect(state, out);
}

/** When to connect again. */
export function reconnectDueAt(state: CoordinatorState): number {
  return state.source.phase === 'waiting' ? state.source.retryAt : NEVER;
}

/** Goes on, starts a new history, or comes back later. */
export function sourceConnected(
  state: CoordinatorState,
  facts: SourceFacts,
  out: CoordinatorEffect[],
): void {
  if (state.source.phase !== 'connecting' || state.history.next !== null) return;
  state.source.trouble = undefined;
  const decision = decide(state, facts);
  switch (decision.kind) {
    case 'busy':
      waitForSource(state, { reason: decision.reason, trouble: 'slotBusy' });
      return;
    case 'restart':
      startHistory(state, { facts, reason: decision.reason }, out);
      return;
    case 'resume':
      state.history.next = facts;
      state.source.confirmed = facts.slot?.confirmed ?? state.source.confirmed;
      if (decision.isPromoted)
        out.push({ kind: 'noteWalTimeline', walTimeline: facts.walTimeline });
      out.push({ kind: 'startStream', after: state.log.upper });
  }
}

/** The new history stands: connect to it. One that follows another without success waits first. */
export function historyStarted(
  state: CoordinatorState,
  started: { readonly timeline: string; readonly startTs: Ts },
  out: CoordinatorEffect[],
): void {
  const { source, history } = state;
  if (source.phase !== 'resetting') return;
  history.timeline = started.timeline;
  history.generation += 1;
  adoptNext(state);
  emptyLog(state, started.startTs);
  source.confirmed = started.startTs;
  finishReached(state, out);
  if (source.histories === 1) {
    connect(state, out);
    return;
  }
  source.attempts += 1;
  waitUntilRetry(state);
}

/** The stream runs; what was not confirmed over a lost connection is confirmed now. */
export function streamStarted(state: CoordinatorState, out: CoordinatorEffect[]): void {
  if (state.source.phase !== 'connecting' || state.history.next === null) return;
  adoptNext(state);
  enter(state, 'streaming');
  logWorks(state, out);
  confirm(state, out);
}

/** The stream delivers: the next loss starts again with the shortest delay. */
export function streamWorks(state: CoordinatorState): void {
  const { source } = state;
  if (source.phase !== 'streaming') return;
  source.attempts = 0;
  source.histories = 0;
  source.reason = undefined;
  source.trouble = undefined;
}

/** The connection is gone, or never came to be. */
export function sourceLost(
  state: CoordinatorState,
  lost: { readonly reason: string; readonly isUnfit: boolean },
): void {
  if (state.source.phase === 'idle' || state.source.phase === 'waiting') return;
  waitForSource(state, { reason: lost.reason, trouble: lost.isUnfit ? 'unfit' : 'lost' });
}

function connect(state: CoordinatorState, out: CoordinatorEffect[]): void {
  state.source.retryAt = NEVER;
  enter(state, 'connecting');
  out.push({ kind: 'connectSource' });
}

/**
 * A history that was found broken stays broken until a new one stands: after a failed reset the source may
 * look sound again (its WAL grew past our upper).
 */
function decide(state: CoordinatorState, facts: SourceFacts): HistoryDecision {
  const { history, log } = state;
  const decision = decideHistory({ ...history, upper: log.upper }, facts);
  if (decision.kind === 'busy' || history.breakReason === undefined) return decision;
  return { kind: 'restart', reason: history.breakReason };
}

function startHistory(
  state: CoordinatorState,
  why: { readonly facts: SourceFacts; readonly reason: string },
  out: CoordinatorEffect[],
): void {
  const { source, history } = state;
  endSubscribers(state, 'TIMELINE_CHANGED', out);
  // Waits from before the first history hold positions that Postgres gave; they stay good.
  if (history.systemId !== null) finishAll(state, out);
  forgetLeases(state);
  state.holds.clear();
  state.restartHold = null;
  forgetUnwritten(state);
  history.timeline = null;
  history.breakReason = why.reason;
  history.next = why.facts;
  source.reason = why.reason;
  source.histories += 1;
  enter(state, 'resetting');
  out.push({ kind: 'startHistory', generation: history.generation + 1, reason: why.reason });
}

function emptyLog(state: CoordinatorState, startTs: Ts): void {
  const { log } = state;
  log.upper = startTs;
  log.since = startTs;
  log.lastTs = startTs;
  log.newestForAll = startTs;
  log.sizeBytes = 0;
  log.groups = [];
  log.head = 0;
  log.openSelectors.clear();
  log.hasOpenAll = false;
}

function adoptNext(state: CoordinatorState): void {
  const { history } = state;
  if (history.next === null) return;
  history.systemId = history.next.systemId;
  history.walTimeline = history.next.walTimeline;
  history.breakReason = undefined;
  history.next = null;
}

function waitForSource(
  state: CoordinatorState,
  lost: { readonly reason: string; readonly trouble: SourceTrouble },
): void {
  const { source } = state;
  source.attempts += 1;
  source.reason = lost.reason;
  source.trouble = lost.trouble;
  source.isPaused = false;
  state.history.next = null;
  forgetUnwritten(state);
  waitUntilRetry(state);
}

function waitUntilRetry(state: CoordinatorState): void {
  const { source } = state;
  enter(state, 'waiting');
  source.retryAt = state.now + backoffMs(state);
}

/** Doubles with every attempt; what only an operator can mend is tried rarely. */
function backoffMs(state: CoordinatorState): number {
  const { reconnectMsMin, reconnectMsMax } = state.policy;
  if (state.source.trouble === 'unfit') return reconnectMsMax;
  return Math.min(reconnectMsMax, reconnectMsMin * 2 ** Math.max(0, state.source.attempts - 1));
}

function enter(state: CoordinatorState, phase: SourcePhase): void {
  state.source.phase = phase;
  state.source.phaseSince = state.now;
}
