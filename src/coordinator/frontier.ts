/**
 * The log's end: appends, keepalives, failures. The upper is always durable, so everything that follows from
 * it (confirming, waking, answering) may be done at once.
 */
import { assert } from '../core/assert.ts';
import type { Lsn, Ts } from '../core/lsn.ts';
import { LSN_ZERO } from '../core/lsn.ts';
import { cutToBytes } from './retention.ts';
import { lowestKey } from './sorted.ts';
import { type CoordinatorState, NEVER, NOTE_UPPER_MS } from './state.ts';
import { takeWaiting } from './subscribers.ts';
import type { AppendedGroup, CoordinatorEffect, SubscriberId } from './types.ts';
import { finishReached } from './waits.ts';

/** Groups are durable: the upper moves, readers wake, the slot may go on. */
export function appended(
  state: CoordinatorState,
  groups: readonly AppendedGroup[],
  out: CoordinatorEffect[],
): void {
  // A history that is being replaced takes its groups with it.
  if (state.source.phase === 'resetting') return;
  const after = state.log.upper;
  const woken: SubscriberId[] = [];
  for (const group of groups) addGroup(state, group, { after, woken });
  logWorks(state, out);
  const purgedSeq = cutToBytes(state, out);
  const ids = purgedSeq === undefined ? woken : woken.filter((id) => state.subscribers.has(id));
  if (ids.length > 0) out.push({ kind: 'wake', ids, after });
  if (state.log.upper > after) upperMoved(state, out);
  if (purgedSeq !== undefined) out.push({ kind: 'purge', seq: purgedSeq });
}

/** The log cannot be written: nothing more is read until it can. */
export function appendFailed(
  state: CoordinatorState,
  reason: string,
  out: CoordinatorEffect[],
): void {
  if (state.source.phase === 'resetting') return;
  const { log, source } = state;
  log.state = 'failed';
  log.reason = reason;
  // Without a stream there is nothing to retry: the next one delivers it again.
  if (source.phase !== 'streaming') return;
  log.retryAt = state.now + state.policy.appendRetryMs;
  if (source.isPaused) return;
  source.isPaused = true;
  out.push({ kind: 'pauseSource' });
}

/** Tries the failed write again when its time has come. */
export function retryAppend(state: CoordinatorState, out: CoordinatorEffect[]): void {
  if (state.log.retryAt > state.now) return;
  state.log.retryAt = NEVER;
  out.push({ kind: 'retryAppend' });
}

/** Everything up to `lsn` has been delivered and appended: worth noting, sooner or later. */
export function keepalive(state: CoordinatorState, lsn: Lsn, out: CoordinatorEffect[]): void {
  if (state.source.phase !== 'streaming' || state.log.state === 'failed') return;
  if (lsn > state.log.upper && lsn > state.note.pending) state.note.pending = lsn;
  noteWhenDue(state, out);
}

/** Asks for a durable note of the pending position when it is time, or when a wait needs it. */
export function noteWhenDue(state: CoordinatorState, out: CoordinatorEffect[]): void {
  const { note } = state;
  if (noteDueAt(state) > state.now && lowestKey(state.waitsByTs) > note.pending) return;
  if (!mayNote(state)) return;
  note.inFlight = note.pending;
  note.at = state.now;
  out.push({ kind: 'noteUpper', lsn: note.pending });
}

/** When the pending position is to be noted. */
export function noteDueAt(state: CoordinatorState): number {
  return mayNote(state) ? state.note.at + NOTE_UPPER_MS : NEVER;
}

/** The noted position is durable. Answers to a note of an earlier connection are ignored. */
export function upperNoted(state: CoordinatorState, lsn: Lsn, out: CoordinatorEffect[]): void {
  if (state.note.inFlight !== lsn) return;
  state.note.inFlight = null;
  logWorks(state, out);
  if (lsn > state.log.upper) {
    state.log.upper = lsn;
    upperMoved(state, out);
  }
  noteWhenDue(state, out);
}

/**
 * Forgets what the connection brought and the log has not: keepalives, failed writes. All of it comes again,
 * and a position that is not in the log must not be taken over to a source that may have gone back.
 */
export function forgetUnwritten(state: CoordinatorState): void {
  state.note.pending = LSN_ZERO;
  state.note.inFlight = null;
  state.log.retryAt = NEVER;
}

/** A log that is not known to be failed: something was written, or a new stream starts with nothing unwritten. */
export function logWorks(state: CoordinatorState, out: CoordinatorEffect[]): void {
  const { log, source } = state;
  if (log.state === 'ok') return;
  log.state = 'ok';
  log.reason = undefined;
  log.retryAt = NEVER;
  if (!source.isPaused) return;
  source.isPaused = false;
  out.push({ kind: 'resumeSource' });
}

/** Lets the source go on up to the log's upper. */
export function confirm(state: CoordinatorState, out: CoordinatorEffect[]): void {
  const { source, log } = state;
  if (source.phase !== 'streaming' || log.upper <= source.confirmed) return;
  source.confirmed = log.upper;
  out.push({ kind: 'confirmSlot', lsn: log.upper });
}

function mayNote(state: CoordinatorState): boolean {
  const { note, log } = state;
  return note.pending > log.upper && note.inFlight === null && log.state === 'ok';
}

function upperMoved(state: CoordinatorState, out: CoordinatorEffect[]): void {
  if (state.note.pending <= state.log.upper) state.note.pending = LSN_ZERO;
  finishReached(state, out);
  confirm(state, out);
}

function addGroup(
  state: CoordinatorState,
  group: AppendedGroup,
  wake: { readonly after: Ts; readonly woken: SubscriberId[] },
): void {
  const { log } = state;
  const { seq, lastTs, sizeBytes, selectors, isComplete } = group;
  const previous = log.groups.at(-1);
  if (lastTs <= log.upper) assert(false, `group ${seq} at ${lastTs} is beyond ${log.upper}`);
  if (previous && seq <= previous.seq) assert(false, `group ${seq} follows ${previous.seq}`);
  log.groups.push({ seq, lastTs, sizeBytes, at: state.now });
  log.sizeBytes += sizeBytes;
  if (!isComplete) {
    for (const selector of selectors) log.openSelectors.add(selector);
    log.hasOpenAll ||= group.hasAll;
    return;
  }
  log.upper = lastTs;
  log.lastTs = lastTs;
  wakeFor(state, group, wake);
}

function wakeFor(
  state: CoordinatorState,
  group: AppendedGroup,
  wake: { readonly after: Ts; readonly woken: SubscriberId[] },
): void {
  const { log } = state;
  const ts = group.lastTs;
  const hasAll = group.hasAll || log.hasOpenAll;
  takeWaiting(state, { selectors: group.selectors, hasAll, after: wake.after, ts }, wake.woken);
  if (log.openSelectors.size > 0) {
    const selectors = log.openSelectors;
    takeWaiting(state, { selectors, hasAll: false, after: wake.after, ts }, wake.woken);
  }
  log.openSelectors.clear();
  log.hasOpenAll = false;
}
