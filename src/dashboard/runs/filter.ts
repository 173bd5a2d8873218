/** Which rows of the grid are shown: by text, state, status and target; tests fold their items. */
import type { RunRow, TestRow } from '../../planner/rows.ts';
import { type Grade, gradeOf } from '../../report/results.ts';
import type { GridTest } from './book.ts';

export type GridFilter = {
  /** Part of `test/item`, without regard to case. */
  readonly text: string;
  /** Empty: any. */
  readonly state: string;
  readonly status: string;
  /** A grade, or empty. */
  readonly grade: string;
};

export type GridLine =
  | {
      readonly kind: 'test';
      readonly test: GridTest;
      readonly isOpen: boolean;
      readonly itemCount: number;
    }
  | { readonly kind: 'item'; readonly test: GridTest; readonly item: string };

/** Runs of a target (or part of one), the newest first. */
export function runsOf(
  runs: Iterable<RunRow>,
  filter: { readonly target: string; readonly run: string },
): readonly RunRow[] {
  return [...runs]
    .filter(({ state }) => state !== 'removed')
    .filter(({ target, name }) => target.includes(filter.target) && name.includes(filter.run))
    .sort((one, other) => other.createdAt - one.createdAt || other.id - one.id);
}

/** Lines in the order of names. A test is shown when it, or one of its items, is wanted in one of the runs. */
export function gridLines(
  grid: ReadonlyMap<string, GridTest>,
  runIds: readonly number[],
  request: { readonly filter: GridFilter; readonly open: ReadonlySet<string> },
): readonly GridLine[] {
  const { filter, open } = request;
  const isFiltered = filter.text + filter.state + filter.status + filter.grade !== '';
  const text = filter.text.toLowerCase();
  const lines: GridLine[] = [];
  for (const test of [...grid.values()].sort((one, other) => (one.name < other.name ? -1 : 1))) {
    const items = itemsOf(test, runIds, { filter, text, isFiltered });
    const hasText = text === '' || test.name.toLowerCase().includes(text);
    const isWanted = items.length > 0 || (hasText && hasWanted(test.byRun, runIds, filter));
    if (!isWanted) continue;
    const isOpen = open.has(test.name);
    lines.push({ kind: 'test', test, isOpen, itemCount: items.length });
    if (isOpen) for (const item of items) lines.push({ kind: 'item', test, item });
  }
  return lines;
}

function itemsOf(
  test: GridTest,
  runIds: readonly number[],
  wish: { readonly filter: GridFilter; readonly text: string; readonly isFiltered: boolean },
): readonly string[] {
  const found: string[] = [];
  for (const [item, byRun] of test.items) {
    const hasText = wish.text === '' || `${test.name}/${item}`.toLowerCase().includes(wish.text);
    if (hasText && hasWanted(byRun, runIds, wish.filter)) found.push(item);
  }
  return found.sort();
}

function hasWanted(
  byRun: ReadonlyMap<number, TestRow>,
  runIds: readonly number[],
  { state, status, grade }: GridFilter,
): boolean {
  for (const id of runIds) {
    const row = byRun.get(id);
    if (row === undefined) continue;
    const fits =
      (state === '' || row.state === state) &&
      (status === '' || row.status === status) &&
      (grade === '' || gradeOf(row) === grade);
    if (fits) return true;
  }
  return false;
}

const ORDER: readonly Grade[] = ['broken', 'bad', 'open', 'skipped', 'good'];

/** The worst result of a test's items in a run: what a folded line shows. */
export function worstOf(test: GridTest, runId: number): TestRow | undefined {
  const own = test.byRun.get(runId);
  if (test.items.size === 0) return own;
  let worst = own;
  let rank = own === undefined ? ORDER.length : ORDER.indexOf(gradeOf(own));
  for (const byRun of test.items.values()) {
    const row = byRun.get(runId);
    if (row === undefined) continue;
    const next = ORDER.indexOf(gradeOf(row));
    if (next < rank) [worst, rank] = [row, next];
  }
  return worst;
}
