/** Which tests and items a plan has: those that a pattern names, and those that they need. */
import { compileItemMap, type MapItem } from '../area/item-map.ts';
import {
  compilePatterns,
  extendPatterns,
  matches,
  type Patterns,
  patternOf,
  patternOfTest,
} from '../area/patterns.ts';
import { matchesTags } from '../area/tags.ts';
import type { Mode, Prerequisite, TestDef } from '../area/types.ts';
import { type Graph, graphOf } from './graph.ts';
import type { PlanRequest } from './types.ts';

/** What of one test is selected. */
export type Selection = {
  /** The patterns of the request; empty when the request does not name the test. */
  readonly named: Patterns;
  /** Patterns asked for by dependents, by their text. */
  readonly asked: Map<string, { readonly patterns: Patterns; readonly by: string }>;
};

export type Selected = {
  readonly graph: Graph;
  readonly selections: ReadonlyMap<string, Selection>;
};

/** Throws BAD_REQUEST for a pattern, AREA_UNFIT for a cycle or an item map. */
export function select(tests: ReadonlyMap<string, TestDef>, request: PlanRequest): Selected {
  const patterns = compilePatterns(request.pattern);
  const named = (def: TestDef): boolean =>
    patternOfTest(patterns, def.name) !== null && hasTag(def, request);
  const roots = [...tests.values()].filter(named).map(({ name }) => name);
  const graph = graphOf(tests, roots);
  const rooted = new Set(roots);
  const selections = new Map(
    graph.order.map((name) => {
      const selection: Selection = { named: rooted.has(name) ? patterns : [], asked: new Map() };
      return [name, selection] as const;
    }),
  );
  for (const name of graph.order.toReversed()) askOf(name, tests, graph, selections);
  return { graph, selections };
}

function hasTag({ tags }: TestDef, request: PlanRequest): boolean {
  return request.tags === null || matchesTags(request.tags, tags);
}

/** Dependents are asked before their prerequisites, so what is asked of `name` is complete. */
function askOf(
  name: string,
  tests: ReadonlyMap<string, TestDef>,
  { prerequisites }: Graph,
  selections: ReadonlyMap<string, Selection>,
): void {
  const own = selections.get(name);
  const def = tests.get(name);
  if (own === undefined || def === undefined) return;
  const all = [...own.named, ...[...own.asked.values()].flatMap(({ patterns }) => patterns)];
  for (const prerequisite of prerequisites.get(name) ?? []) {
    const texts =
      isItemwise(prerequisite.mode) && hasItems(def)
        ? extendPatterns(all, name, prerequisite.test, mapOf(prerequisite))
        : [`${prerequisite.test}/%`];
    const asked = selections.get(prerequisite.test)?.asked;
    for (const text of texts) {
      if (asked?.has(text)) continue;
      asked?.set(text, { patterns: compilePatterns(text), by: name });
    }
  }
}

/** Why an item is in the plan; null: it is not. A test without items is asked for as a whole. */
export function whySelected(
  { named, asked }: Selection,
  test: string,
  itemPath: string,
): string | null {
  const pattern = patternOf(named, test, itemPath);
  if (pattern !== null) return `selected by ${pattern}`;
  for (const { patterns, by } of asked.values()) {
    if (itemPath === '' || matches(patterns, test, itemPath)) return `needed by ${by}`;
  }
  return null;
}

/** Item by item, rather than the whole test. */
export function isItemwise(mode: Mode): boolean {
  return mode === 'itemwait' || mode === 'itemwait-toplevel';
}

export function hasItems({ items }: TestDef): boolean {
  return items.kind !== 'none';
}

export function mapOf({ map, origin }: Prerequisite): MapItem {
  return compileItemMap(map, origin);
}
