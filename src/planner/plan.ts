/** A plan as data: what would run, why, in which order, and what would not. */

import type { Mode } from '../area/types.ts';
import { step } from './machine.ts';
import { keyOf } from './rollup.ts';
import { type Leaf, newPlannerState, type PlannerState, type TestNode } from './state.ts';
import { isActive } from './states.ts';
import type { ExecId, PlanFinding, PlanInput } from './types.ts';

/** `kept`: an old result stays; `adopted`: it runs already; `never`: it will not start. */
export type Does = 'runs' | 'kept' | 'adopted' | 'never';

export type PlannedEdge = {
  readonly on: ExecId;
  readonly mode: Mode;
  /** One of those that have it is enough. */
  readonly isEither?: true;
};

export type PlannedExec = {
  readonly exec: ExecId;
  /** '' of a test without items. */
  readonly itemPath: string;
  readonly why: string;
  readonly does: Does;
  /** Why an old result stays or goes, or why it never starts; else empty. */
  readonly reason: string;
  /** Items that this item waits for; tests are in `PlannedTest`. */
  readonly waitsFor: readonly PlannedEdge[];
};

export type PlannedTest = {
  readonly name: string;
  readonly why: string;
  readonly priority: number;
  /** `late`: known when its prerequisites are met. */
  readonly items: 'none' | 'known' | 'late' | 'zero';
  readonly reason: string;
  readonly waitsFor: readonly PlannedEdge[];
  readonly execs: readonly PlannedExec[];
};

export type Plan = {
  readonly target: string;
  readonly run: string;
  /** Prerequisites first. */
  readonly tests: readonly PlannedTest[];
  readonly findings: readonly PlanFinding[];
};

/** What a start would do. Throws as `step` does. */
export function planOf(input: PlanInput): Plan {
  const state = newPlannerState();
  step(state, { kind: 'start', input, at: 0 });
  return planIn(state, input);
}

export function planIn(state: PlannerState, { request }: PlanInput): Plan {
  const tests = [...state.tests.values()].map((test) => plannedTest(state, test));
  return { target: request.target, run: request.run, tests, findings: state.findings };
}

function plannedTest(state: PlannerState, test: TestNode): PlannedTest {
  const links = test.links.map(({ prerequisite, mode }) => ({ on: prerequisite.id, mode }));
  return {
    ...{ name: test.id, why: test.why, priority: test.def.priority, items: test.def.items.kind },
    reason: test.note,
    waitsFor: [...edgesOf(test), ...links],
    execs: [...test.leaves.values()].map((leaf) => plannedExec(state, leaf)),
  };
}

function plannedExec(state: PlannerState, leaf: Leaf): PlannedExec {
  const { id, item, why, note } = leaf;
  const does = doesOf(state, leaf);
  return {
    ...{ exec: id, itemPath: item?.path ?? '', why, does, reason: note },
    waitsFor: edgesOf(leaf),
  };
}

function edgesOf({ prerequisites }: TestNode | Leaf): readonly PlannedEdge[] {
  return prerequisites.map(({ prerequisite, mode, either }) => {
    return { on: prerequisite.id, mode, ...(either === null ? {} : { isEither: true }) };
  });
}

function doesOf(state: PlannerState, leaf: Leaf): Does {
  const old = state.existing.get(leaf.id);
  if (leaf.phase === 'done') {
    const isOld = old !== undefined && keyOf(old) === keyOf(leaf.pair) && !leaf.runsAgain;
    return isOld ? 'kept' : 'never';
  }
  return old !== undefined && isActive(old) ? 'adopted' : 'runs';
}
