/** Which tests a plan has, in an order in which prerequisites come first. A cycle is refused. */
import type { Origin, Prerequisite, TestDef } from '../area/types.ts';
import { TidelockError } from '../core/errors.ts';
import type { PlanFinding } from './types.ts';

export type Graph = {
  /** Prerequisites first; among equals by name. */
  readonly order: readonly string[];
  /** Of each test, those that exist; a test is not its own. */
  readonly prerequisites: ReadonlyMap<string, readonly Prerequisite[]>;
  readonly findings: readonly PlanFinding[];
};

type Tests = ReadonlyMap<string, TestDef>;

/** `roots` and all that they need. Throws AREA_UNFIT for a cycle, with the cycle. */
export function graphOf(tests: Tests, roots: readonly string[]): Graph {
  const prerequisites = new Map<string, readonly Prerequisite[]>();
  const findings: PlanFinding[] = [];
  const order = orderOf([...roots].sort(), (name) => {
    const known = prerequisites.get(name) ?? resolved(tests, name, findings);
    prerequisites.set(name, known);
    return known;
  });
  return { order, prerequisites, findings };
}

function resolved(tests: Tests, name: string, findings: PlanFinding[]): readonly Prerequisite[] {
  const seen = new Set<string>();
  return (tests.get(name)?.prerequisites ?? []).filter((prerequisite) => {
    const { test, mode, origin } = prerequisite;
    if (test === name) {
      findings.push({ message: `${name} waits for itself: left out`, origin });
      return false;
    }
    if (!tests.has(test)) {
      const message = `${name} waits for ${test}, which is no test of this area: left out`;
      findings.push({ message, origin });
      return false;
    }
    const key = `${mode} ${test}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

type Visit = {
  readonly name: string;
  readonly next: readonly Prerequisite[];
  at: number;
};

/** Depth first without recursion: a chain of tests may be long. */
function orderOf(
  roots: readonly string[],
  needs: (name: string) => readonly Prerequisite[],
): readonly string[] {
  const order: string[] = [];
  const done = new Set<string>();
  const stack: Visit[] = [];
  const open = new Set<string>();
  const visit = (name: string): void => {
    open.add(name);
    const next = [...needs(name)].sort((a, b) => (a.test < b.test ? -1 : 1));
    stack.push({ name, next, at: 0 });
  };
  for (const root of roots) {
    if (!done.has(root)) visit(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const prerequisite = top.next[top.at];
      top.at += 1;
      if (prerequisite === undefined) {
        stack.pop();
        open.delete(top.name);
        done.add(top.name);
        order.push(top.name);
      } else if (open.has(prerequisite.test)) {
        throw cycleError(stack, prerequisite);
      } else if (!done.has(prerequisite.test)) {
        visit(prerequisite.test);
      }
    }
  }
  return order;
}

function cycleError(stack: readonly Visit[], closing: Prerequisite): TidelockError {
  const names = stack.map(({ name }) => name);
  const cycle = [...names.slice(names.indexOf(closing.test)), closing.test].join(' -> ');
  const { file, line }: Origin = closing.origin;
  return new TidelockError({
    code: 'AREA_UNFIT',
    message: `${file}:${line}: tests wait for each other: ${cycle}`,
    hint: 'take one of these names out of a waiton',
    details: { file, line, cycle },
  });
}
