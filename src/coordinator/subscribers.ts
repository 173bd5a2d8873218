/**
 * Subscribers: accepted, reading, waiting, woken, ended.
 *
 *   (subscribe) -> reading --caughtUp--> waiting --append for it--> reading
 *                  reading --caughtUp, but something came meanwhile--> reading (woken at once)
 *                  any --unsubscribe, history or its part of the log gone--> (forgotten)
 */
import { assert } from '../core/assert.ts';
import type { Ts } from '../core/lsn.ts';
import { connectReplica, disconnectReplica, holdsMoved } from './holds.ts';
import type { CoordinatorState, SelectorRecord, SubscriberRecord } from './state.ts';
import type { CoordinatorEffect, CoordinatorEvent, SubscriberId } from './types.ts';

type Subscribe = CoordinatorEvent & { kind: 'subscribe' };
type RejectCode = (CoordinatorEffect & { kind: 'rejectSubscriber' })['code'];

/** What complete transactions touched: the log went from `after` to `ts`. */
export type Touched = {
  readonly selectors: Iterable<string>;
  readonly hasAll: boolean;
  readonly after: Ts;
  readonly ts: Ts;
};

/** Accepts or rejects. The engine has refused a `since` beyond the upper: it belongs to another history. */
export function subscribe(
  state: CoordinatorState,
  event: Subscribe,
  out: CoordinatorEffect[],
): void {
  const { id, since, replica } = event;
  assert(!state.subscribers.has(id), `subscriber ${id} is new`);
  const code = rejection(state, event);
  if (code !== undefined) {
    out.push({ kind: 'rejectSubscriber', id, code });
    return;
  }
  const selectors = [...new Set(event.selectors)];
  state.subscribers.set(id, { id, selectors, replica, position: since, isWaiting: false });
  for (const selector of selectors) selectorOf(state, selector).subscriberCount += 1;
  if (replica !== undefined) connectReplica(state, replica, since);
  out.push({ kind: 'acceptSubscriber', id });
}

/** It has read everything up to `ts` and waits; it is woken at once when more came since. */
export function caughtUp(
  state: CoordinatorState,
  event: { readonly id: SubscriberId; readonly ts: Ts },
  out: CoordinatorEffect[],
): void {
  const subscriber = state.subscribers.get(event.id);
  if (subscriber === undefined) return;
  moveTo(state, subscriber, event.ts);
  if (newestFor(state, subscriber) > subscriber.position) {
    stopWaiting(state, subscriber);
    out.push({ kind: 'wake', ids: [subscriber.id], after: subscriber.position });
    return;
  }
  subscriber.isWaiting = true;
  state.waitingSubscribers.add(subscriber.id);
  for (const selector of subscriber.selectors) {
    state.selectors.get(selector)?.waiting.add(subscriber.id);
  }
}

/** It has read everything up to `ts` and reads on. */
export function advanced(
  state: CoordinatorState,
  event: { readonly id: SubscriberId; readonly ts: Ts },
): void {
  const subscriber = state.subscribers.get(event.id);
  if (subscriber !== undefined) moveTo(state, subscriber, event.ts);
}

/** Forgets a subscriber, known or not. */
export function unsubscribe(state: CoordinatorState, id: SubscriberId): void {
  const subscriber = state.subscribers.get(id);
  if (subscriber === undefined) return;
  stopWaiting(state, subscriber);
  state.subscribers.delete(id);
  for (const selector of subscriber.selectors) leaveSelector(state, selector);
  if (subscriber.replica !== undefined) disconnectReplica(state, subscriber.replica);
  holdsMoved(state);
}

/**
 * Takes the waiting subscribers of these selectors out of their waiting. They lack nothing up to `after`;
 * those that already have `ts` go on waiting. Adds to `woken` whom to wake, each once.
 */
export function takeWaiting(
  state: CoordinatorState,
  touched: Touched,
  woken: SubscriberId[],
): void {
  if (touched.hasAll) {
    state.log.newestForAll = touched.ts;
    takeFrom(state, state.waitingSubscribers, touched, woken);
  }
  for (const selector of touched.selectors) {
    const record = state.selectors.get(selector);
    if (record === undefined) continue;
    record.newest = touched.ts;
    if (record.waiting.size > 0) takeFrom(state, record.waiting, touched, woken);
  }
}

/** Ends the reading subscribers whose next group may be gone, or all of them. */
export function endSubscribers(
  state: CoordinatorState,
  code: 'TOO_OLD' | 'TIMELINE_CHANGED',
  out: CoordinatorEffect[],
): void {
  const ids: SubscriberId[] = [];
  for (const subscriber of state.subscribers.values()) {
    const isGone = !subscriber.isWaiting && subscriber.position < state.log.since;
    if (code === 'TIMELINE_CHANGED' || isGone) ids.push(subscriber.id);
  }
  for (const id of ids) unsubscribe(state, id);
  if (ids.length > 0) out.push({ kind: 'endSubscribers', ids, code });
}

/** The lowest position from which a subscriber still reads. */
export function lowestReader(state: CoordinatorState): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const subscriber of state.subscribers.values()) {
    if (!subscriber.isWaiting) lowest = Math.min(lowest, subscriber.position);
  }
  return lowest;
}

function rejection(state: CoordinatorState, event: Subscribe): RejectCode | undefined {
  const { timeline } = state.history;
  if (state.isDraining) return 'BUSY';
  if (timeline === null) return 'NOT_READY';
  if (event.timeline !== undefined && event.timeline !== timeline) return 'TIMELINE_CHANGED';
  if (state.subscribers.size >= state.policy.subscribersMax) return 'BUSY';
  return event.since < state.log.since ? 'TOO_OLD' : undefined;
}

function moveTo(state: CoordinatorState, subscriber: SubscriberRecord, ts: Ts): void {
  if (ts <= subscriber.position) return;
  if (ts > state.log.upper) assert(false, `subscriber ${subscriber.id} cannot have read ${ts}`);
  subscriber.position = ts;
  holdsMoved(state);
}

function newestFor(state: CoordinatorState, subscriber: SubscriberRecord): number {
  let newest: number = state.log.newestForAll;
  for (const selector of subscriber.selectors) {
    newest = Math.max(newest, state.selectors.get(selector)?.newest ?? 0);
  }
  return newest;
}

/**
 * The record of a selector. A new one knows nothing of what is already in the log, so it assumes the worst:
 * a subscriber that claims to have caught up before the log's end is told once to look again.
 */
function selectorOf(state: CoordinatorState, selector: string): SelectorRecord {
  const known = state.selectors.get(selector);
  if (known !== undefined) return known;
  const record = { newest: state.log.lastTs, subscriberCount: 0, waiting: new Set<SubscriberId>() };
  state.selectors.set(selector, record);
  return record;
}

function leaveSelector(state: CoordinatorState, selector: string): void {
  const record = state.selectors.get(selector);
  if (record === undefined) return;
  record.subscriberCount -= 1;
  if (record.subscriberCount === 0) state.selectors.delete(selector);
}

function takeFrom(
  state: CoordinatorState,
  waiting: ReadonlySet<SubscriberId>,
  touched: Touched,
  woken: SubscriberId[],
): void {
  for (const id of waiting) {
    const subscriber = state.subscribers.get(id);
    if (subscriber === undefined || subscriber.position >= touched.ts) continue;
    stopWaiting(state, subscriber);
    if (touched.after > subscriber.position) subscriber.position = touched.after;
    woken.push(id);
  }
}

function stopWaiting(state: CoordinatorState, subscriber: SubscriberRecord): void {
  if (!subscriber.isWaiting) return;
  subscriber.isWaiting = false;
  state.waitingSubscribers.delete(subscriber.id);
  for (const selector of subscriber.selectors) {
    state.selectors.get(selector)?.waiting.delete(subscriber.id);
  }
}
