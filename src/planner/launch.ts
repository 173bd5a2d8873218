/** What starts now: the first in order for which there is a slot, a place in its group, and resources. */

import { setPair } from './progress.ts';
import { isBefore, take } from './queue.ts';
import type { StatePair } from './rows.ts';
import { inputOf, type Leaf, type PlannerState } from './state.ts';
import type { ExecId, PlannerEffect } from './types.ts';

/** Prerequisites that a launch names; a test has few, and an item of it too. */
const NAMED_MAX = 200;
const LAUNCHED: StatePair = { state: 'LAUNCHED', status: 'n/a' };

/** Launches what may start now, in order. */
export function launchReady(state: PlannerState, out: PlannerEffect[]): void {
  const { area } = inputOf(state);
  while (canLaunch(state)) {
    const leaf = nextLeaf(state);
    if (leaf === null) return;
    state.readyCount -= 1;
    take(state, leaf);
    setPair(state, leaf, LAUNCHED);
    state.busyAt = state.now;
    state.launchNotBefore = state.now + area.launchDelayS * 1000;
    out.push({
      kind: 'launch',
      exec: leaf.id,
      test: leaf.test.id,
      item: leaf.item,
      after: waitedFor(leaf),
    });
  }
}

/** Of its own and of its test. */
function waitedFor({ test, prerequisites }: Leaf): readonly ExecId[] {
  const edges = [...test.prerequisites, ...prerequisites].slice(0, NAMED_MAX);
  return edges.map(({ prerequisite }) => prerequisite.id);
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
