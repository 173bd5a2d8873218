/**
 * The coordinator: one pure function that is told what happened and says what to do. Same state and same
 * events give the same effects. It knows no clock, no randomness and no input or output.
 */
import { unreachable } from '../core/assert.ts';
import {
  appended,
  appendFailed,
  keepalive,
  noteDueAt,
  noteWhenDue,
  retryAppend,
  upperNoted,
} from './frontier.ts';
import {
  endLease,
  expireLeases,
  hearReplica,
  holdsMoved,
  releaseHold,
  renewalDueAt,
  renewConnected,
  takeHold,
} from './holds.ts';
import { checkStep, frontiersOf } from './invariants.ts';
import { leaseStoreDueAt, loadLeases, storeLeases } from './lease-store.ts';
import { groupsMerged, purgeByAge, retentionDueAt } from './retention.ts';
import { lowestKey } from './sorted.ts';
import {
  historyStarted,
  reconnectDueAt,
  reconnectWhenDue,
  sourceConnected,
  sourceLost,
  start,
  streamStarted,
  streamWorks,
} from './source.ts';
import { type CoordinatorState, NEVER } from './state.ts';
import { advanced, caughtUp, subscribe, unsubscribe } from './subscribers.ts';
import type { CoordinatorEffect, CoordinatorEvent } from './types.ts';
import { endWait, finishLate, startWait } from './waits.ts';

type SourceEventKind =
  | 'start'
  | 'tick'
  | 'sourceConnected'
  | 'historyStarted'
  | 'streamStarted'
  | 'sourceLost'
  | 'appended'
  | 'groupsMerged'
  | 'appendFailed'
  | 'keepalive'
  | 'upperNoted';

type ReaderEvent = Exclude<CoordinatorEvent, { kind: SourceEventKind }>;

/**
 * Takes one event, changes `state`, returns what to do, in order. Throws only when an invariant is broken:
 * by us, or by a caller that reports what cannot be.
 */
export function step(
  state: CoordinatorState,
  event: CoordinatorEvent,
): readonly CoordinatorEffect[] {
  const before = frontiersOf(state);
  const out: CoordinatorEffect[] = [];
  if ('now' in event && event.now > state.now) state.now = event.now;
  handle(state, event, out);
  storeLeases(state, out);
  armTimer(state, out);
  checkStep(state, before);
  return out;
}

/** Events of the source and the log; the others are of those who read. */
function handle(state: CoordinatorState, event: CoordinatorEvent, out: CoordinatorEffect[]): void {
  switch (event.kind) {
    case 'start':
      start(state, out);
      break;
    case 'tick':
      tick(state, out);
      break;
    case 'sourceConnected':
      sourceConnected(state, event.facts, out);
      break;
    case 'historyStarted':
      historyStarted(state, event, out);
      break;
    case 'streamStarted':
      streamStarted(state, out);
      break;
    case 'sourceLost':
      sourceLost(state, event);
      break;
    case 'appended':
      streamWorks(state);
      appended(state, event.groups, out);
      break;
    case 'groupsMerged':
      groupsMerged(state, event);
      break;
    case 'appendFailed':
      appendFailed(state, event.reason, out);
      break;
    case 'keepalive':
      streamWorks(state);
      keepalive(state, event.lsn, out);
      break;
    case 'upperNoted':
      upperNoted(state, event.lsn, out);
      break;
    default:
      handleReader(state, event, out);
  }
}

function handleReader(state: CoordinatorState, event: ReaderEvent, out: CoordinatorEffect[]): void {
  switch (event.kind) {
    case 'subscribe':
      subscribe(state, event, out);
      break;
    case 'caughtUp':
      caughtUp(state, event, out);
      break;
    case 'advanced':
      advanced(state, event);
      break;
    case 'unsubscribe':
      unsubscribe(state, event.id);
      break;
    case 'lease':
      hearReplica(state, event.replica, event.ts);
      break;
    case 'endLease':
      endLease(state, event.replica);
      break;
    case 'leasesLoaded':
      loadLeases(state, event.leases);
      break;
    case 'hold':
      takeHold(state, event);
      break;
    case 'release':
      releaseHold(state, event.hold);
      break;
    case 'wait':
      startWait(state, event, out);
      noteWhenDue(state, out);
      break;
    case 'endWait':
      endWait(state, event.id);
      break;
    case 'drain':
      state.isDraining = true;
      break;
    default:
      unreachable(event);
  }
}

/** Does whatever has come due. A tick that comes too early does nothing. */
function tick(state: CoordinatorState, out: CoordinatorEffect[]): void {
  state.timerAt = NEVER;
  finishLate(state, out);
  expireLeases(state);
  renewConnected(state);
  expireRestartHold(state);
  reconnectWhenDue(state, out);
  retryAppend(state, out);
  noteWhenDue(state, out);
  if (retentionDueAt(state) <= state.now) purgeByAge(state, out);
}

function expireRestartHold(state: CoordinatorState): void {
  if (state.restartHold === null || state.restartHold.expiresAt > state.now) return;
  state.restartHold = null;
  holdsMoved(state);
}

/**
 * One timer for the earliest need. It is only ever pulled forward: when a need has moved back, the tick
 * finds nothing to do and asks anew, which costs less than an effect per heartbeat.
 */
function armTimer(state: CoordinatorState, out: CoordinatorEffect[]): void {
  const at = Math.min(
    reconnectDueAt(state),
    state.log.retryAt,
    noteDueAt(state),
    state.leaseDueAt,
    leaseStoreDueAt(state),
    renewalDueAt(state),
    state.restartHold?.expiresAt ?? NEVER,
    lowestKey(state.waitsByDeadline),
    retentionDueAt(state),
  );
  if (at >= state.timerAt) return;
  state.timerAt = at;
  out.push({ kind: 'setTimer', at });
}
