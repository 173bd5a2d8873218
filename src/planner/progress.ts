/** What follows from a change of one execution: dependents become ready, or never start. */
import { linkAll, linkLeaf, noteWorst, standingOf } from './leaves.ts';
import { dequeue, enqueue } from './queue.ts';
import { keyOf, recount } from './rollup.ts';
import type { StatePair } from './rows.ts';
import {
  type Edge,
  finalPair,
  isUnexpanded,
  type Leaf,
  type PlannerState,
  type TestNode,
  type Verdict,
  type Vertex,
} from './state.ts';
import { isTerminal, type NeverStarted } from './states.ts';
import type { PlannerEffect } from './types.ts';
import { verdictOf } from './verdict.ts';

/** Keeps the counts; dependents are told by `tellAll`. */
export function setPair(state: PlannerState, leaf: Leaf, pair: StatePair): void {
  const { test, pair: was } = leaf;
  recount(test.counts, was, pair);
  recount(state.counts, was, pair);
  const change = Number(isTerminal(was)) - Number(isTerminal(pair));
  test.open += change;
  state.open += change;
  leaf.pair = pair;
  if (isTerminal(was) || isTerminal(pair)) {
    state.toTell.add(leaf);
    state.toTell.add(test);
  }
}

/** Until nobody has anything new to hear. Ends: a dependent is told only of changes, and there is no cycle. */
export function tellAll(state: PlannerState, out: PlannerEffect[]): void {
  for (const vertex of state.toTell) {
    state.toTell.delete(vertex);
    tell(state, vertex, out);
  }
}

function tell(state: PlannerState, vertex: Vertex, out: PlannerEffect[]): void {
  const pair = finalPair(vertex);
  const key = pair === null ? null : keyOf(pair);
  if (key === vertex.told) return;
  vertex.told = key;
  // All edges first: a dependent may have two of them, and must not act on one that is out of date.
  const heard = vertex.dependents.filter((edge) => hear(edge, verdictOf(edge.mode, pair)));
  for (const { dependent } of heard) {
    if (dependent.kind === 'leaf') reconsider(state, dependent, out);
    else if (isFree(dependent) !== dependent.wasFree || dependent.worst !== null) {
      dependent.wasFree = isFree(dependent);
      reconsiderTest(state, dependent, out);
    }
  }
}

/** True when that is news. */
function hear(edge: Edge, verdict: Verdict): boolean {
  if (verdict === edge.verdict) return false;
  const { dependent } = edge;
  dependent.unmet += Number(standingOf(edge) === 'met');
  edge.verdict = verdict;
  dependent.unmet -= Number(standingOf(edge) === 'met');
  noteWorst(dependent, edge);
  return true;
}

export function isFree({ unmet, worst }: Vertex): boolean {
  return unmet === 0 && worst === null;
}

export function reconsiderTest(state: PlannerState, test: TestNode, out: PlannerEffect[]): void {
  if (isUnexpanded(test)) {
    // Once asked, the answer is waited for: some of its items may be running.
    if (test.items === 'asked') return;
    if (test.worst !== null) settleTest(state, test, ...reasonOf(test.worst), out);
    else if (test.unmet === 0) askForItems(test, out);
    return;
  }
  for (const leaf of test.leaves.values()) reconsider(state, leaf, out);
}

export function askForItems(test: TestNode, out: PlannerEffect[]): void {
  if (test.items !== 'late') return;
  test.items = 'asked';
  out.push({ kind: 'expand', test: test.id });
}

/** Where a leaf that has not started stands now. */
export function reconsider(state: PlannerState, leaf: Leaf, out: PlannerEffect[]): void {
  if (leaf.phase === 'running' || leaf.phase === 'done') return;
  const worst = worseOf(leaf.worst, leaf.test.worst);
  if (leaf.dropped !== null) settle(state, leaf, 'BLOCKED', leaf.dropped, out);
  else if (worst !== null) settle(state, leaf, ...reasonOf(worst), out);
  else if (!isMet(leaf)) dequeue(state, leaf);
  else if (leaf.phase === 'waiting') enqueue(state, leaf);
}

/** Nothing but its turn keeps it from starting. */
export function isMet(leaf: Leaf): boolean {
  return leaf.dropped === null && isFree(leaf) && isFree(leaf.test);
}

function worseOf(a: Edge | null, b: Edge | null): Edge | null {
  const isFailed = (edge: Edge | null): boolean => edge !== null && standingOf(edge) === 'fail';
  return isFailed(a) ? a : isFailed(b) ? b : (a ?? b);
}

function reasonOf(edge: Edge): [status: NeverStarted, reason: string] {
  const reasons = (edge.either ?? [edge]).map(({ prerequisite }) => {
    const pair = finalPair(prerequisite);
    return `${prerequisite.id} is ${pair === null ? 'open' : keyOf(pair)}`;
  });
  const status = standingOf(edge) === 'fail' ? 'PREQ_FAIL' : 'PREQ_DISCARDED';
  return [status, reasons.join(', ')];
}

/** It never starts. */
export function settle(
  state: PlannerState,
  leaf: Leaf,
  status: NeverStarted,
  reason: string,
  out: PlannerEffect[],
): void {
  dequeue(state, leaf);
  leaf.phase = 'done';
  leaf.note = reason;
  setPair(state, leaf, { state: 'NOT_STARTED', status });
  out.push({ kind: 'settle', exec: leaf.id, state: 'NOT_STARTED', status, reason });
}

/** A test whose items never became known. */
export function settleTest(
  state: PlannerState,
  test: TestNode,
  status: NeverStarted,
  reason: string,
  out: PlannerEffect[],
): void {
  out.push({ kind: 'settle', exec: test.id, state: 'NOT_STARTED', status, reason });
  test.note = reason;
  fixTest(state, test, { state: 'NOT_STARTED', status }, out);
}

/** Gives a test without leaves a state of its own. */
export function fixTest(
  state: PlannerState,
  test: TestNode,
  pair: StatePair,
  out: PlannerEffect[],
): void {
  if (isUnexpanded(test)) state.open -= 1;
  test.fixed = pair;
  state.toTell.add(test);
  linkPending(state, test, out);
}

/** Leaves that waited for the items of `test` are linked to them. */
export function linkPending(state: PlannerState, test: TestNode, out: PlannerEffect[]): void {
  const pending = test.pending.splice(0);
  for (const { leaf, link } of pending) {
    leaf.unmet -= 1;
    linkLeaf(state, leaf, link);
  }
  linkAll(state);
  for (const { leaf } of pending) reconsider(state, leaf, out);
}
