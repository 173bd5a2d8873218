/** The ready queue and its gates: slots, job groups, resources, load, delays, exclusive executions. */
import type { Area, TestDef } from '../area/types.ts';
import { assert } from '../core/assert.ts';
import { Heap } from './heap.ts';
import { inputOf, type Leaf, type PlannerState, PUT_OFF_MS, type TestNode } from './state.ts';
import type { PlannerEffect } from './types.ts';

/** Higher priority, then the longer expected path, then the name. */
export function isBefore(a: Leaf, b: Leaf): boolean {
  const [first, second] = [a.test.def.priority, b.test.def.priority];
  if (first !== second) return first > second;
  if (a.restS !== b.restS) return a.restS > b.restS;
  return a.id < b.id;
}

/** Leaves that need the same beside a slot are of one class. */
export function classKeyOf({ jobGroup, resources }: TestDef): string {
  const needs = [...resources].sort(([a], [b]) => (a < b ? -1 : 1));
  return `${jobGroup ?? ''}|${needs.map(([name, n]) => `${name}=${n}`).join(',')}`;
}

/** Why a test cannot start whatever else runs; null: it can. */
export function impossibleOf({ jobGroup, resources }: TestDef, area: Area): string | null {
  if (jobGroup !== null && area.jobGroups.get(jobGroup) === 0) {
    return `job group ${jobGroup} has the limit 0`;
  }
  for (const [name, n] of resources) {
    const has = area.resources.get(name) ?? 0;
    if (n > has) return `it needs ${n} of ${name}, and the area has ${has}`;
  }
  return null;
}

export function enqueue(state: PlannerState, leaf: Leaf): void {
  leaf.phase = 'ready';
  state.readyCount += 1;
  pushReady(state, leaf);
}

function pushReady(state: PlannerState, leaf: Leaf): void {
  const { classKey } = leaf.test;
  const queue = state.ready.get(classKey) ?? new Heap(isBefore);
  state.ready.set(classKey, queue);
  queue.push(leaf);
}

/** Back to waiting. Its entry in the queue is skipped when its turn comes. */
export function dequeue(state: PlannerState, leaf: Leaf): void {
  if (leaf.phase === 'ready') state.readyCount -= 1;
  if (leaf.phase === 'ready' || leaf.phase === 'putOff') leaf.phase = 'waiting';
  state.taken.delete(leaf);
}

/** Not before some time has passed. */
export function putOff(state: PlannerState, leaf: Leaf): void {
  leaf.phase = 'putOff';
  leaf.notBefore = state.now + Math.max(PUT_OFF_MS, inputOf(state).area.waitDelayS * 1000);
  state.putOff.push({ leaf, at: leaf.notBefore });
}

/** Those whose time has come. Gives the time of the next; 0: none. */
export function comeBack(state: PlannerState): number {
  for (let next = state.putOff.peek(); next !== undefined; next = state.putOff.peek()) {
    const { leaf, at } = next;
    const isThere = leaf.phase === 'putOff' && leaf.notBefore === at;
    if (isThere && at > state.now) return at;
    state.putOff.pop();
    if (isThere) enqueue(state, leaf);
  }
  return 0;
}

/** Those that ran in another run, and no longer do. */
export function freeTaken(state: PlannerState): void {
  for (const leaf of state.taken) {
    if (state.host.elsewhere.has(leaf.id)) continue;
    state.taken.delete(leaf);
    pushReady(state, leaf);
  }
}

export function take(state: PlannerState, leaf: Leaf): void {
  leaf.phase = 'running';
  hold(state, leaf.test, 1);
}

export function release(state: PlannerState, leaf: Leaf): void {
  assert(leaf.phase === 'running', `R8: ${leaf.id} is released and holds nothing`);
  hold(state, leaf.test, -1);
}

function hold({ held }: PlannerState, { def }: TestNode, sign: 1 | -1): void {
  held.running += sign;
  if (def.jobGroup !== null) add(held.groups, def.jobGroup, sign);
  for (const [name, n] of def.resources) add(held.resources, name, sign * n);
}

function add(counts: Map<string, number>, name: string, n: number): void {
  const sum = (counts.get(name) ?? 0) + n;
  assert(sum >= 0, `R8: more of ${name} was given back than taken`);
  if (sum === 0) counts.delete(name);
  else counts.set(name, sum);
}

/** Launches what may start now, in order. */
export function launchReady(state: PlannerState, out: PlannerEffect[]): void {
  const { area } = inputOf(state);
  while (canLaunch(state)) {
    const leaf = nextLeaf(state);
    if (leaf === null) return;
    state.readyCount -= 1;
    take(state, leaf);
    state.busyAt = state.now;
    state.launchNotBefore = state.now + area.launchDelayS * 1000;
    out.push({ kind: 'launch', exec: leaf.id, test: leaf.test.id, item: leaf.item });
  }
}

function canLaunch(state: PlannerState): boolean {
  const { held, host, now } = state;
  const { area } = inputOf(state);
  if (state.readyCount === 0 || now < state.launchNotBefore || isOverloaded(state)) return false;
  return held.running < Math.min(host.slots, Math.max(1, area.jobsMax));
}

export function isOverloaded(state: PlannerState): boolean {
  const { loadMax } = inputOf(state).area;
  return loadMax !== null && state.host.load > loadMax;
}

/** The first in order of those whose group and resources are free. */
function nextLeaf(state: PlannerState): Leaf | null {
  const heads = [...state.ready.keys()].flatMap((key) => headOf(state, key) ?? []);
  // What a better one waits for is kept for it, or it would wait for ever.
  const reserved = new Set<string>();
  for (const leaf of heads.sort((a, b) => (isBefore(a, b) ? -1 : 1))) {
    if (!hasRoom(state, leaf, reserved)) continue;
    state.ready.get(leaf.test.classKey)?.pop();
    return leaf;
  }
  return null;
}

/** The first that is still ready; the class goes when there is none. */
function headOf(state: PlannerState, key: string): Leaf | null {
  const queue = state.ready.get(key);
  for (let leaf = queue?.peek(); leaf !== undefined; leaf = queue?.peek()) {
    const isTaken = leaf.test.def.isExclusive && state.host.elsewhere.has(leaf.id);
    if (leaf.phase === 'ready' && !isTaken) return leaf;
    queue?.pop();
    if (leaf.phase === 'ready') state.taken.add(leaf);
  }
  state.ready.delete(key);
  return null;
}

function hasRoom(state: PlannerState, { test }: Leaf, reserved: Set<string>): boolean {
  const { area } = inputOf(state);
  const { jobGroup, resources } = test.def;
  const { groups, resources: held } = state.held;
  const limit = jobGroup === null ? undefined : area.jobGroups.get(jobGroup);
  if (jobGroup !== null && limit !== undefined && (groups.get(jobGroup) ?? 0) >= limit)
    return false;
  const lacking = [...resources].filter(
    ([name, n]) =>
      reserved.has(name) || (held.get(name) ?? 0) + n > (area.resources.get(name) ?? 0),
  );
  if (lacking.length === 0) return true;
  for (const [name] of resources) reserved.add(name);
  return false;
}
