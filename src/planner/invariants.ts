/**
 * What is always true. `checkStep` runs after every step and looks at what was launched, `checkPlanner` looks at
 * everything and is for tests and scripts. docs/planner.md has them in words, with the tests that hold each.
 *
 *   R1  nothing is launched before its prerequisites are met, or after one of them failed
 *   R2  a launch takes no more slots, places of a group or resources than there are
 *   R3  same events, same effects
 *   R4  every execution of the plan ends: while one is open, something runs, is asked for, or will wake us
 *   R5  an execution is launched once until it has ended
 *   R6  a toplevel is the roll-up of its items, and the counts of a run are those of its executions
 *   R7  the queue has exactly what could start, its first is the next that starts
 *   R8  what is held is what the running ones need
 *   R9  a prerequisite's verdict is known to all dependents when a step is over
 */
import { assert } from '../core/assert.ts';
import { standingOf } from './leaves.ts';
import { isMet } from './progress.ts';
import { countsOf, keyOf } from './rollup.ts';
import {
  finalPair,
  inputOf,
  isUnexpanded,
  type Leaf,
  type PlannerState,
  type TestNode,
  type Vertex,
} from './state.ts';
import { isTerminal } from './states.ts';
import type { PlannerEffect } from './types.ts';
import { verdictOf } from './verdict.ts';

/** The cheap ones: they cost what the step has launched. */
export function checkStep(state: PlannerState, out: readonly PlannerEffect[]): void {
  const launched = new Set<string>();
  for (const effect of out) {
    if (effect.kind !== 'launch') continue;
    const leaf = state.leaves.get(effect.exec);
    assert(leaf !== undefined && isMet(leaf), `R1: ${effect.exec} starts before its prerequisites`);
    assert(!launched.has(effect.exec), `R5: ${effect.exec} is launched twice`);
    launched.add(effect.exec);
    checkLimits(state, leaf);
  }
  if (launched.size > 0) checkSlots(state);
}

function checkSlots({ held, host, input }: PlannerState): void {
  const slots = Math.min(host.slots, Math.max(1, input?.area.jobsMax ?? 1));
  assert(held.running <= slots, `R2: ${held.running} run, ${slots} may`);
}

function checkLimits(state: PlannerState, { test }: Leaf): void {
  const { area } = inputOf(state);
  const { jobGroup, resources } = test.def;
  const limit = jobGroup === null ? undefined : area.jobGroups.get(jobGroup);
  const inGroup = state.held.groups.get(jobGroup ?? '') ?? 0;
  assert(limit === undefined || inGroup <= limit, `R2: ${inGroup} of group ${jobGroup} run`);
  for (const [name] of resources) {
    const [held, has] = [state.held.resources.get(name) ?? 0, area.resources.get(name) ?? 0];
    assert(held <= has, `R2: ${held} of ${has} ${name} are held`);
  }
}

/** All of them. */
export function checkPlanner(state: PlannerState): void {
  if (state.input === null) return;
  for (const test of state.tests.values()) checkTest(test);
  for (const leaf of state.leaves.values()) checkLeaf(state, leaf);
  checkCounts(state);
  checkHeld(state);
  checkLiveness(state);
}

function checkTest(test: TestNode): void {
  const leaves = [...test.leaves.values()];
  assert(sameCounts(test.counts, countsOf(leaves.map(({ pair }) => pair))), `R6: ${test.id}`);
  assert(
    test.open === leaves.filter(({ pair }) => !isTerminal(pair)).length,
    `R6: open of ${test.id}`,
  );
  checkEdges(test, 0);
}

function checkLeaf(state: PlannerState, leaf: Leaf): void {
  const linked = new Set(leaf.prerequisites.map(({ prerequisite }) => prerequisite.id));
  const pendings = leaf.test.links.filter(
    ({ prerequisite }) => isUnexpanded(prerequisite) && !linked.has(prerequisite.id),
  );
  checkEdges(leaf, pendings.length);
  const isOver = leaf.phase === 'done';
  assert(
    isOver === isTerminal(leaf.pair),
    `R4: ${leaf.id} is ${leaf.phase} at ${keyOf(leaf.pair)}`,
  );
  const couldStart = leaf.phase === 'ready' || leaf.phase === 'putOff';
  assert(!couldStart || isMet(leaf), `R7: ${leaf.id} is queued before its prerequisites are met`);
  const isLost = leaf.phase === 'waiting' && isMet(leaf);
  assert(!isLost || isUnexpanded(leaf.test), `R7: ${leaf.id} could start and is not queued`);
  if (leaf.phase !== 'ready' || state.taken.has(leaf)) return;
  const queue = state.ready.get(leaf.test.classKey);
  assert(queue?.values().includes(leaf) === true, `R7: ${leaf.id} is not in its queue`);
}

function checkEdges(vertex: Vertex, pendings: number): void {
  for (const { prerequisite, mode, verdict } of vertex.prerequisites) {
    const now = verdictOf(mode, finalPair(prerequisite));
    assert(verdict === now, `R9: ${vertex.id} has not heard that ${prerequisite.id} is ${now}`);
  }
  const needs = new Map(vertex.prerequisites.map((edge) => [edge.either ?? edge, edge]));
  const standings = [...needs.values()].map(standingOf);
  const unmet = standings.filter((standing) => standing !== 'met').length;
  assert(vertex.unmet === unmet + pendings, `R9: ${vertex.id} counts ${vertex.unmet} unmet`);
  const bad = standings.filter((standing) => standing !== 'met' && standing !== 'wait');
  assert((vertex.worst !== null) === bad.length > 0, `R9: ${vertex.id} knows its failed ones`);
}

function checkCounts(state: PlannerState): void {
  const leaves = [...state.leaves.values()];
  assert(
    sameCounts(state.counts, countsOf(leaves.map(({ pair }) => pair))),
    'R6: counts of the run',
  );
  const open = leaves.filter(({ pair }) => !isTerminal(pair)).length;
  const unexpanded = [...state.tests.values()].filter(isUnexpanded).length;
  assert(
    state.open === open + unexpanded,
    `R4: ${state.open} are open, counted ${open + unexpanded}`,
  );
  const ready = leaves.filter(({ phase }) => phase === 'ready').length;
  assert(state.readyCount === ready, `R7: ${state.readyCount} ready, counted ${ready}`);
}

function sameCounts(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function checkHeld(state: PlannerState): void {
  const running = [...state.leaves.values()].filter(({ phase }) => phase === 'running');
  assert(state.held.running === running.length, `R8: ${running.length} run`);
  const groups = new Map<string, number>();
  for (const { test } of running) {
    const { jobGroup } = test.def;
    if (jobGroup !== null) groups.set(jobGroup, (groups.get(jobGroup) ?? 0) + 1);
  }
  for (const [name, n] of groups) assert(state.held.groups.get(name) === n, `R8: group ${name}`);
  assert(state.held.groups.size === groups.size, 'R8: a group is held by nobody');
}

/** With something open and nothing that will call us, the run would stand still for ever. */
function checkLiveness(state: PlannerState): void {
  const isAsked = [...state.tests.values()].some(({ items, fixed }) => items === 'asked' && !fixed);
  const isCalled = state.held.running > 0 || isAsked || state.wakeAt > state.now;
  assert(state.open === 0 ? state.isDone : isCalled, 'R4: something is open and nothing happens');
}
