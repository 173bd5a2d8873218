/** The beginning of a plan: what is selected, what its old results mean, what waits for what. */
import { compilePatterns, patternOfTest } from '../area/patterns.ts';
import type { Item, TestDef } from '../area/types.ts';
import { addLeaf, connect, linkAll } from './leaves.ts';
import {
  askForItems,
  fixTest,
  isFree,
  reconsider,
  reconsiderTest,
  setPair,
  settleTest,
  tellAll,
} from './progress.ts';
import { classKeyOf, impossibleOf, take } from './queue.ts';
import { rerunDecision, ruleFor } from './rerun.ts';
import type { StatePair } from './rows.ts';
import { hasItems, isItemwise, mapOf, type Selected, select, whySelected } from './select.ts';
import {
  type Edge,
  EXECUTIONS_MAX,
  EXPECTED_S_DEFAULT,
  type ItemsPhase,
  inputOf,
  isUnexpanded,
  type Leaf,
  type PlannerState,
  type TestNode,
} from './state.ts';
import { FRESH, isActive, isTerminal } from './states.ts';
import type { PlanInput, PlannerEffect, Registered } from './types.ts';

/** Throws BAD_REQUEST for a pattern, AREA_UNFIT for a cycle or an item map; `state` is then of no use. */
export function startPlan(state: PlannerState, input: PlanInput, out: PlannerEffect[]): void {
  state.input = input;
  const { rerun } = input.request;
  if (rerun.kind === 'chosen') state.chosen = compilePatterns(rerun.pattern);
  for (const existing of input.existing) {
    state.existing.set(existing.id, existing);
    if (isActive(existing)) state.activeTests.add(existing.id.split('/', 1)[0] ?? '');
  }
  const selected = select(input.tests, input.request);
  state.findings.push(...selected.graph.findings);
  for (const name of selected.graph.order) addTest(state, selected, name);
  for (const test of state.tests.values()) addKnownLeaves(state, test);
  for (const test of state.tests.values()) connectTest(state, test, selected);
  linkAll(state);
  for (const test of [...state.tests.values()].reverse()) measure(test);
  registerAll(state, out);
  // Prerequisites come first, so that `downstream` sees what runs again.
  for (const test of state.tests.values()) {
    for (const leaf of test.leaves.values()) beginLeaf(state, leaf, out);
  }
  state.added = [];
  tellAll(state, out);
  for (const test of state.tests.values()) begin(state, test, out);
}

function addTest(state: PlannerState, { selections }: Selected, name: string): void {
  const { tests, area } = inputOf(state);
  const def = tests.get(name);
  const selection = selections.get(name);
  if (def === undefined || selection === undefined) return;
  state.findings.push(...def.findings);
  const by = [...selection.asked.values()][0]?.by;
  const pattern = patternOfTest(selection.named, name);
  state.tests.set(name, {
    ...{ kind: 'test', id: name, def, selection, items: itemsPhaseOf(def) },
    why: pattern !== null ? `selected by ${pattern}` : `needed by ${by}`,
    ...{ prerequisites: [], dependents: [], unmet: 0, worst: null, told: undefined },
    ...{ leaves: new Map(), known: itemsOf(state, def), counts: {}, open: 0 },
    fixed: def.items.kind === 'zero' ? ZERO_ITEMS : null,
    ...{ note: '', links: [], pending: [], wasFree: false, restS: EXPECTED_S_DEFAULT },
    ...{ classKey: classKeyOf(def), impossible: impossibleOf(def, area) },
  });
}

const ZERO_ITEMS: StatePair = { state: 'NOT_STARTED', status: 'ZERO_ITEMS' };

function itemsPhaseOf({ items }: TestDef): ItemsPhase {
  if (items.kind === 'none') return 'plain';
  return items.kind === 'late' ? 'late' : 'known';
}

function itemsOf(state: PlannerState, { name, items }: TestDef): Map<string, Item> {
  const known = new Map<string, Item>();
  for (const item of items.kind === 'known' ? items.items : []) {
    if (known.has(item.path)) {
      const message = `${name} has the item ${item.path} twice: it runs once`;
      state.findings.push({ message, origin: null });
    }
    known.set(item.path, item);
  }
  return known;
}

/** Edges between whole tests; those between items are made for every leaf. */
function connectTest(state: PlannerState, test: TestNode, { graph }: Selected): void {
  const either: Edge[] = [];
  for (const prerequisite of graph.prerequisites.get(test.id) ?? []) {
    const node = state.tests.get(prerequisite.test);
    if (node === undefined) continue;
    const { mode } = prerequisite;
    if (isItemwise(mode) && hasItems(test.def) && hasItems(node.def)) {
      test.links.push({ prerequisite: node, mode, map: mapOf(prerequisite) });
    } else {
      connect(test, node, mode, prerequisite.isEither ? either : null);
    }
  }
}

function addKnownLeaves(state: PlannerState, test: TestNode): void {
  if (test.items === 'late') state.open += 1;
  if (test.items === 'plain') {
    const why = whySelected(test.selection, test.id, '');
    if (why !== null) addLeaf(state, test, null, why);
  }
  addItems(state, test, [...test.known.values()]);
  const { kind } = test.def.items;
  if (test.leaves.size > 0 || kind === 'late' || kind === 'zero') return;
  const message = kind === 'none' ? `${test.id} has no items` : `no item of ${test.id} is selected`;
  if (test.selection.named.length > 0) state.findings.push({ message, origin: null });
}

/** Those that are selected. */
export function addItems(state: PlannerState, test: TestNode, items: readonly Item[]): void {
  for (const item of items) {
    const why = whySelected(test.selection, test.id, item.path);
    if (why !== null) addLeaf(state, test, item, why);
    if (state.leaves.size < EXECUTIONS_MAX || test.leaves.has(item.path)) continue;
    const message = `${test.id} has items beyond ${EXECUTIONS_MAX} executions: left out`;
    state.findings.push({ message, origin: null });
    break;
  }
}

/** The longest expected path from each leaf on. Dependents are measured first. */
function measure(test: TestNode): void {
  const after = longestOf(test.dependents, 0);
  for (const leaf of test.leaves.values()) measureLeaf(leaf, after);
  let rest = after;
  for (const { leaf } of test.pending) rest = Math.max(rest, leaf.restS);
  test.restS = EXPECTED_S_DEFAULT + rest;
  for (const { restS } of test.leaves.values()) test.restS = Math.max(test.restS, restS);
}

/** Leaves that came later: those of the last test first. */
export function measureAdded(leaves: readonly Leaf[]): void {
  const after = new Map<TestNode, number>();
  for (const leaf of leaves) {
    const known = after.get(leaf.test) ?? longestOf(leaf.test.dependents, 0);
    after.set(leaf.test, known);
    measureLeaf(leaf, known);
  }
}

function measureLeaf(leaf: Leaf, after: number): void {
  leaf.restS = leaf.expectedS + longestOf(leaf.dependents, after);
}

function longestOf(dependents: readonly Edge[], least: number): number {
  let longest = least;
  for (const { dependent } of dependents) longest = Math.max(longest, dependent.restS);
  return longest;
}

/** Rows for what has none yet: toplevels first. */
function registerAll(state: PlannerState, out: PlannerEffect[]): void {
  const tops = [...state.tests.values()].filter(({ def }) => hasItems(def)).map(topOf);
  const leaves = [...state.leaves.values()].map(rowOf);
  register(state, [...tops, ...leaves], out);
}

function topOf({ id }: TestNode): Registered {
  return { exec: id, test: id, item: null, isToplevel: true };
}

export function rowOf({ id, test, item }: Leaf): Registered {
  return { exec: id, test: test.id, item, isToplevel: false };
}

export function register(
  state: PlannerState,
  execs: readonly Registered[],
  out: PlannerEffect[],
): void {
  const fresh = execs.filter(({ exec }) => !state.existing.has(exec));
  if (fresh.length > 0) out.push({ kind: 'register', execs: fresh });
}

function begin(state: PlannerState, test: TestNode, out: PlannerEffect[]): void {
  test.wasFree = isFree(test);
  if (test.def.items.kind === 'zero') {
    const { emptyKey } = test.def.items;
    resetTop(state, test, out);
    settleTest(state, test, 'ZERO_ITEMS', `its key ${emptyKey} has no value`, out);
  } else if (test.items === 'late') {
    beginLate(state, test, out);
  }
  for (const leaf of test.leaves.values()) reconsider(state, leaf, out);
}

/** What an old result means for a leaf that has come into the plan. */
export function beginLeaf(state: PlannerState, leaf: Leaf, out: PlannerEffect[]): void {
  if (!leaf.runsAgain && isTerminal(leaf.pair) && isDownstream(state, leaf)) {
    leaf.runsAgain = true;
    leaf.note = 'a prerequisite runs again';
    setPair(state, leaf, FRESH);
  }
  if (leaf.runsAgain) {
    const { request } = inputOf(state);
    const cleans = request.rerun.kind === 'clean';
    out.push({ kind: 'reset', exec: leaf.id, cleans, isPart: leaf.isPart, reason: leaf.note });
  } else if (isTerminal(leaf.pair)) {
    leaf.phase = 'done';
  } else if (isActive(leaf.pair)) {
    take(state, leaf);
    leaf.isKillAsked = leaf.pair.state === 'KILLREQ';
    if (leaf.isKillAsked) out.push({ kind: 'kill', exec: leaf.id });
  }
}

/** With `failed` or `chosen`, and `downstream`: something that it waits for runs again. */
function isDownstream(state: PlannerState, leaf: Leaf): boolean {
  const { rerun } = inputOf(state).request;
  const goesOn = rerun.kind === 'failed' || rerun.kind === 'chosen';
  if (!goesOn || !rerun.downstream || leaf.pair.state === 'REMOVING') return false;
  return [...leaf.prerequisites, ...leaf.test.prerequisites].some(({ prerequisite }) =>
    prerequisite.kind === 'leaf' ? prerequisite.runsAgain : hasRerun(prerequisite),
  );
}

function hasRerun({ leaves }: TestNode): boolean {
  for (const { runsAgain } of leaves.values()) if (runsAgain) return true;
  return false;
}

/** Late items: settled before, known already because some of them run, or still to be asked for. */
function beginLate(state: PlannerState, test: TestNode, out: PlannerEffect[]): void {
  const old = state.existing.get(test.id);
  const decision =
    old === undefined
      ? null
      : rerunDecision(
          old,
          ruleFor(inputOf(state).request.rerun, state.chosen, { test: test.id, itemPath: '' }),
          inputOf(state).area.autoRerun,
        );
  if (old !== undefined && decision?.kind === 'kept' && old.state === 'NOT_STARTED') {
    fixTest(state, test, { state: old.state, status: old.status }, out);
    return;
  }
  resetTop(state, test, out);
  if (state.activeTests.has(test.id)) askForItems(test, out);
  else reconsiderTest(state, test, out);
}

/** The row of a toplevel that never started, for a reason that is to be looked at again. */
function resetTop(state: PlannerState, test: TestNode, out: PlannerEffect[]): void {
  const old = state.existing.get(test.id);
  if (old === undefined || old.state !== 'NOT_STARTED' || !isTerminal(old)) return;
  if (!isUnexpanded(test) && test.def.items.kind !== 'zero') return;
  const reason = `${old.state}/${old.status} always runs again`;
  out.push({ kind: 'reset', exec: test.id, cleans: false, isPart: false, reason });
}
