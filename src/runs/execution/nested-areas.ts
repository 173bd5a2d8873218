/**
 * Items `a` and `a/b` of one test: the work area of the second is inside that of the first. What is done to the first
 * leaves the second alone.
 */
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Items } from '../../area/types.ts';
import type { TestRow } from '../../planner/rows.ts';

/** In a work area: our files of its attempts. */
export const CONTROL_FOLDER = '.tidelock';
/** In the folder of an attempt: what it was launched with. */
export const RECORD_FILE = 'launch.json';

/** By item path: the paths below it. */
type Below = ReadonlyMap<string, readonly string[]>;

const known = new WeakMap<Items, Below>();

/** Work areas inside of `dir`, that of the item `path`. `below`: paths of items below it. */
export function nestedIn(dir: string, path: string, below: readonly string[]): readonly string[] {
  return below
    .map((other) => join(dir, other.slice(path.length + 1)))
    .filter((nested) => existsSync(join(nested, CONTROL_FOLDER)));
}

/** Paths of items below one, by the rows of a run. */
export function itemsBelow(
  rows: readonly Pick<TestRow, 'name' | 'itemPath'>[],
): (test: string, path: string) => readonly string[] {
  const paths = new Map<string, string[]>();
  for (const { name, itemPath } of rows) {
    const own = paths.get(name) ?? [];
    if (own.length === 0) paths.set(name, own);
    if (itemPath !== '') own.push(itemPath);
  }
  const below = new Map([...paths].map(([test, own]) => [test, belowOf(own)]));
  return (test, path) => below.get(test)?.get(path) ?? [];
}

/** Whether items of the test may be below this one; of late ones anything may. */
export function mayHaveNested(items: Items, path: string): boolean {
  if (items.kind !== 'known') return items.kind === 'late';
  const below = known.get(items) ?? belowOf(items.items.map((item) => item.path));
  known.set(items, below);
  return below.has(path);
}

function belowOf(paths: readonly string[]): Below {
  const all = new Set(paths);
  const found = new Map<string, string[]>();
  for (const path of paths) {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      const above = path.slice(0, at);
      if (!all.has(above)) continue;
      const below = found.get(above) ?? [];
      found.set(above, below);
      below.push(path);
    }
  }
  return found;
}

/** What goes when `dir` is emptied or removed: all of it, or all but the nested work areas and the way to them. */
export function removableIn(dir: string, nested: readonly string[]): readonly string[] {
  if (nested.length === 0) return [dir];
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    if (nested.includes(path)) return [];
    const below = nested.filter((one) => one.startsWith(`${path}/`));
    if (below.length === 0) return [path];
    // A link would lead elsewhere, and nothing of ours is there.
    return lstatSync(path).isSymbolicLink() ? [] : removableIn(path, below);
  });
}

export function holdsNested(path: string, nested: readonly string[]): boolean {
  return nested.some((one) => one === path || one.startsWith(`${path}/`));
}
