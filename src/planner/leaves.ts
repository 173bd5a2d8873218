/** Executions come into the plan and are linked to those that they wait for. */
import { patternOf } from '../area/patterns.ts';
import type { Item } from '../area/types.ts';
import { rerunDecision, ruleFor, stepNamesOf } from './rerun.ts';
import { recount } from './rollup.ts';
import {
  type Edge,
  EXECUTIONS_MAX,
  EXPECTED_S_DEFAULT,
  finalPair,
  inputOf,
  isUnexpanded,
  type Leaf,
  type Link,
  leafId,
  type PlannerState,
  type TestNode,
  type Verdict,
  type Vertex,
} from './state.ts';
import { FRESH, isActive, isTerminal } from './states.ts';
import type { Existing } from './types.ts';
import { verdictOf } from './verdict.ts';

/** Makes the execution unless it is there; false beyond the limit. It is linked by `linkAll`. */
export function addLeaf(
  state: PlannerState,
  test: TestNode,
  item: Item | null,
  why: string,
): Leaf | null {
  const path = item?.path ?? '';
  const known = test.leaves.get(path);
  if (known !== undefined) return known;
  if (state.leaves.size >= EXECUTIONS_MAX) return null;
  const leaf = newLeaf(state, test, item, why);
  test.leaves.set(path, leaf);
  state.leaves.set(leaf.id, leaf);
  recount(test.counts, null, leaf.pair);
  recount(state.counts, null, leaf.pair);
  if (!isTerminal(leaf.pair)) {
    test.open += 1;
    state.open += 1;
  }
  state.added.push(leaf);
  state.toLink.push(leaf);
  state.toTell.add(test);
  return leaf;
}

function newLeaf(state: PlannerState, test: TestNode, item: Item | null, why: string): Leaf {
  const path = item?.path ?? '';
  const id = leafId(test.id, path);
  const existing = state.existing.get(id);
  const known = existing?.expectedS ?? inputOf(state).expectedS?.get(id);
  const expectedS = known ?? EXPECTED_S_DEFAULT;
  return {
    ...{ kind: 'leaf', id, test, item, why, phase: 'waiting' },
    ...{ prerequisites: [], dependents: [], unmet: 0, worst: null, told: undefined },
    ...oldResult(state, existing, { test, itemPath: path }),
    ...{ expectedS, restS: expectedS, strikes: 0, notBefore: 0 },
    ...{ isKillAsked: false, forced: null, dropped: test.impossible },
  };
}

function oldResult(
  state: PlannerState,
  existing: Existing | undefined,
  { test, itemPath }: { readonly test: TestNode; readonly itemPath: string },
): Pick<Leaf, 'pair' | 'runsAgain' | 'isPart' | 'note'> {
  const stays = { runsAgain: false, isPart: false };
  if (existing === undefined) return { pair: FRESH, ...stays, note: '' };
  const { request, area } = inputOf(state);
  const pair = { state: existing.state, status: existing.status };
  const rule = ruleFor(request.rerun, state.chosen, { test: test.id, itemPath });
  const isNamed = patternOf(test.selection.named, test.id, itemPath) !== null;
  const facts = { isNamed, steps: stepNamesOf(test.def) };
  const decision = rerunDecision(pair, rule, area.autoRerun, facts);
  if (decision.kind === 'again') {
    const { isPart, reason: note } = decision;
    return { pair: FRESH, runsAgain: true, isPart, note };
  }
  if (decision.kind === 'kept') return { pair, ...stays, note: decision.reason };
  return { pair, ...stays, note: isActive(pair) ? 'runs already: adopted' : '' };
}

/** Links what was added, which may add more. */
export function linkAll(state: PlannerState): void {
  for (const leaf of state.toLink) {
    for (const link of leaf.test.links) linkLeaf(state, leaf, link);
  }
  state.toLink = [];
}

export function linkLeaf(state: PlannerState, leaf: Leaf, link: Link): void {
  const { prerequisite, mode, map } = link;
  if (isUnexpanded(prerequisite)) {
    prerequisite.pending.push({ leaf, link });
    leaf.unmet += 1;
    return;
  }
  const path = map(leaf.item?.path ?? '');
  if (path === '' || prerequisite.fixed !== null) {
    connect(leaf, prerequisite, mode);
    return;
  }
  const item = prerequisite.known.get(path);
  const other =
    item === undefined ? null : addLeaf(state, prerequisite, item, `needed by ${leaf.id}`);
  if (other !== null) connect(leaf, other, mode);
  else leaf.dropped = `${prerequisite.id} has no item ${path}`;
}

export function connect(
  dependent: Vertex,
  prerequisite: Vertex,
  mode: Edge['mode'],
  either: Edge[] | null = null,
): void {
  const verdict = verdictOf(mode, finalPair(prerequisite));
  const edge: Edge = { dependent, prerequisite, mode, verdict, either };
  dependent.prerequisites.push(edge);
  prerequisite.dependents.push(edge);
  const [other] = either ?? [];
  // Those of which one is enough count as one.
  if (other !== undefined) dependent.unmet -= Number(standingOf(other) !== 'met');
  either?.push(edge);
  dependent.unmet += Number(standingOf(edge) !== 'met');
  noteWorst(dependent, edge);
}

/** The best comes first. */
const STANDINGS: readonly Verdict[] = ['met', 'wait', 'fail', 'discard'];

/** How far that is which the edge stands for: of several that are enough each, the best. */
export function standingOf({ verdict, either }: Edge): Verdict {
  if (either === null) return verdict;
  return STANDINGS.find((one) => either.some((edge) => edge.verdict === one)) ?? 'wait';
}

/** Leaves that look at the test as a whole wait for its items again. */
export function unlinkWhole(test: TestNode): void {
  const edges = test.dependents.filter(({ dependent }) => dependent.kind === 'leaf');
  for (const edge of edges) {
    const leaf = edge.dependent as Leaf;
    const link = leaf.test.links.find(
      ({ prerequisite, mode }) => prerequisite === test && mode === edge.mode,
    );
    if (link === undefined) continue;
    test.dependents.splice(test.dependents.indexOf(edge), 1);
    leaf.prerequisites.splice(leaf.prerequisites.indexOf(edge), 1);
    if (edge.verdict === 'met') leaf.unmet += 1;
    edge.verdict = 'wait';
    noteWorst(leaf, edge);
    test.pending.push({ leaf, link });
  }
}

/** Keeps `worst` after the verdict of one edge has changed. */
export function noteWorst(vertex: Vertex, edge: Edge): void {
  const standing = standingOf(edge);
  const isBad = standing === 'fail' || standing === 'discard';
  const { worst } = vertex;
  if (isBad && (worst === null || standingOf(worst) === 'discard')) vertex.worst = edge;
  const isOther = worst !== edge && (worst?.either ?? null) !== edge.either;
  if (isBad || worst === null || isOther) return;
  vertex.worst =
    vertex.prerequisites.find((one) => standingOf(one) === 'fail') ??
    vertex.prerequisites.find((one) => standingOf(one) === 'discard') ??
    null;
}
