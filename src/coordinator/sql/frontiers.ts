/**
 * Frontiers of items: `upper` (times before it are final) and `since` (times from it on answer right). `upper` is
 * told by the worker; `since` is the lowest of all holds. What a hold keeps and what the worker may forget meet
 * here only.
 */
import { assert } from '../../core/assert.ts';
import type { ItemId } from '../../sql/types.ts';
import { itemOf, rankOf } from './catalog.ts';
import { type Front, type HoldId, LOCAL_TIMELINE, oracleOf, type SqlCoordinator } from './state.ts';
import type { SqlEffect } from './types.ts';
import type { Frontier, Time } from './worker.ts';

/** A new item begins unknown: nothing of it is final until the worker says so. */
export function addFront(
  state: SqlCoordinator,
  id: ItemId,
  start: { readonly since: Time; readonly timeline: string; readonly inputs: readonly ItemId[] },
): void {
  const { since, timeline, inputs } = start;
  const { windowMs, windowBytes } = state.options;
  const window = timeline === LOCAL_TIMELINE ? windowMs : windowBytes;
  const holds = new Map<HoldId, Time>();
  state.fronts.set(id, { upper: 0, since, policy: since, window, timeline, holds });
  // What it may be asked for, it may have to read itself.
  if (inputs.length > 0) takeHold(state, inputHold(id), { ids: inputs, time: since });
}

export function removeFront(state: SqlCoordinator, id: ItemId): void {
  releaseHold(state, inputHold(id));
  state.fronts.delete(id);
  state.moved.delete(id);
}

export function frontOf(state: SqlCoordinator, id: ItemId): Front {
  const front = state.fronts.get(id);
  assert(front !== undefined, `item ${id} has a frontier`);
  return front;
}

/** Keeps `ids` readable from `time` on, which must be readable now. */
export function takeHold(
  state: SqlCoordinator,
  hold: HoldId,
  what: { readonly ids: readonly ItemId[]; readonly time: Time },
): void {
  const { ids, time } = what;
  for (const id of ids) {
    const front = frontOf(state, id);
    assert(time >= front.since, `Q3: as_of ${time} not >= since ${front.since} of ${id} (${hold})`);
    front.holds.set(hold, time);
  }
  state.holds.set(hold, { ids, time });
}

/** Moves a hold on. One that is gone stays gone. */
export function moveHold(state: SqlCoordinator, hold: HoldId, time: Time): void {
  const found = state.holds.get(hold);
  if (found === undefined || time <= found.time) return;
  found.time = time;
  for (const id of found.ids) {
    state.fronts.get(id)?.holds.set(hold, time);
    state.moved.add(id);
  }
}

export function releaseHold(state: SqlCoordinator, hold: HoldId): void {
  const found = state.holds.get(hold);
  if (found === undefined) return;
  state.holds.delete(hold);
  for (const id of found.ids) {
    state.fronts.get(id)?.holds.delete(hold);
    state.moved.add(id);
  }
}

/** The worker told how far items are. Items that were dropped meanwhile are skipped. */
export function uppersTold(
  state: SqlCoordinator,
  uppers: readonly { readonly id: ItemId; readonly upper: Frontier }[],
): void {
  for (const { id, upper } of uppers) {
    const front = state.fronts.get(id);
    if (front === undefined) continue;
    const { upper: before } = front;
    assert(
      upper === null || (before !== null && upper >= before),
      `Q1: the upper of ${id} does not go back from ${before} to ${upper}`,
    );
    front.upper = upper;
    // What is complete needs no window, and has its last rows at the clock's time at the latest.
    if (upper === null) {
      if (front.timeline === LOCAL_TIMELINE) observe(state, LOCAL_TIMELINE, state.now + 1);
      continue;
    }
    observe(state, front.timeline, upper);
    applyWindow(state, id);
    const item = itemOf(state.catalog, id);
    if (item.kind === 'sink') moveHold(state, sinkHold(id), Math.max(0, upper - 1));
  }
}

/** The worker told from when on items can be read. Those who hold earlier times fail when they read. */
export function sincesTold(
  state: SqlCoordinator,
  sinces: readonly { readonly id: ItemId; readonly since: Time }[],
): void {
  for (const { id, since } of sinces) {
    const front = state.fronts.get(id);
    if (front === undefined || since <= front.policy) continue;
    front.policy = since;
    state.moved.add(id);
  }
}

export function setWindow(state: SqlCoordinator, id: ItemId, window: number | null): void {
  frontOf(state, id).window = window;
  applyWindow(state, id);
}

/** The window's hold, rounded down to whole windows so that it moves now and then, not always. */
function applyWindow(state: SqlCoordinator, id: ItemId): void {
  const front = frontOf(state, id);
  const { upper, window } = front;
  if (window === null || upper === null) return;
  const kept = Math.max(0, upper - window);
  const policy = window === 0 ? kept : window * Math.floor(kept / window);
  if (policy <= front.policy) return;
  front.policy = policy;
  state.moved.add(id);
}

/** Tells the worker what it may forget. Inputs come after what is made of them, whose holds they carry. */
export function maintain(state: SqlCoordinator, out: SqlEffect[]): void {
  const sinces = new Map<ItemId, Time>();
  // Ends: a hold of an item moves only older ones, and holds only go up.
  while (state.moved.size > 0) {
    const ids = [...state.moved].sort((a, b) => rankOf(b) - rankOf(a));
    state.moved.clear();
    for (const id of ids) raiseSince(state, id, sinces);
  }
  if (sinces.size === 0) return;
  const since = [...sinces].map(([id, time]) => ({ id, since: time }));
  out.push({ kind: 'worker', command: { kind: 'allowCompaction', since } });
}

function raiseSince(state: SqlCoordinator, id: ItemId, sinces: Map<ItemId, Time>): void {
  const front = state.fronts.get(id);
  if (front === undefined) return;
  const lowest = state.options.rules.sinceOf([front.policy, ...front.holds.values()]);
  if (lowest <= front.since) return;
  front.since = lowest;
  sinces.set(id, lowest);
  moveHold(state, inputHold(id), lowest);
}

/** The frontiers of several items read together. */
export function meet(
  state: SqlCoordinator,
  ids: readonly ItemId[],
): { readonly upper: Frontier; readonly since: Time } {
  let upper: Frontier = null;
  let since = 0;
  for (const id of ids) {
    const front = frontOf(state, id);
    if (front.upper !== null) upper = upper === null ? front.upper : Math.min(upper, front.upper);
    since = Math.max(since, front.since);
  }
  return { upper, since };
}

export function sinkHold(id: ItemId): HoldId {
  return `sink:${id}`;
}

/** Held on the inputs of an item at the item's own since. */
function inputHold(id: ItemId): HoldId {
  return `input:${id}`;
}

function observe(state: SqlCoordinator, timeline: string, upper: Time): void {
  const oracle = oracleOf(state, timeline);
  state.oracles.set(timeline, state.options.rules.afterUpper(oracle, upper));
}
