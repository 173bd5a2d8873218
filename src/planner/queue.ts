/** The ready queue, and what running executions hold: slots, places of job groups, resources. */
import type { Area, TestDef } from '../area/types.ts';
import { assert } from '../core/assert.ts';
import { Heap } from './heap.ts';
import { inputOf, type Leaf, type PlannerState, PUT_OFF_MS, type TestNode } from './state.ts';

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
