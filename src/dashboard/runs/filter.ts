/** Which rows of the grid are shown: by text, state, status, tag and time; tests fold their items. */
import type { TestCell } from '../../planner/cells.ts';
import type { RunRow } from '../../planner/rows.ts';
import { gradeOf } from '../../report/results.ts';
import type { GridItem, GridTest } from './grid.ts';

export type GridFilter = {
  /** Part of `test/item`, without regard to case. */
  readonly text: string;
  /** Empty: any. */
  readonly state: string;
  readonly status: string;
  /** A grade, or empty. */
  readonly grade: string;
  /** Only what has started or ended since then; 0: any. Milliseconds since 1970. */
  readonly since: number;
};

export type GridRequest = {
  readonly filter: GridFilter;
  /** Names of the tests whose items are shown. */
  readonly open: ReadonlySet<string>;
  readonly hasTag: (test: string) => boolean;
};

export type GridLine =
  | {
      readonly kind: 'test';
      readonly test: GridTest;
      readonly isOpen: boolean;
      readonly itemCount: number;
    }
  | { readonly kind: 'item'; readonly test: GridTest; readonly item: GridItem };

const MINUTE_MS = 60_000;
/** How long ago, as it stands in the address. */
export const SPANS: readonly (readonly [value: string, words: string, minutes: number])[] = [
  ['10m', 'in 10 minutes', 10],
  ['1h', 'in an hour', 60],
  ['1d', 'in a day', 24 * 60],
  ['7d', 'in a week', 7 * 24 * 60],
];

export type MatrixFilter = {
  readonly target: string;
  readonly run: string;
  readonly tag: string;
  /** As in the address: a span, or a time that a browser can read. */
  readonly since: string;
  readonly grid: GridFilter;
};

export function readFilter(query: URLSearchParams, nowMs: number): MatrixFilter {
  const read = (name: string): string => query.get(name) ?? '';
  return {
    ...{ target: read('target'), run: read('run'), tag: read('tag'), since: read('since') },
    grid: {
      ...{ text: read('find'), state: read('state'), status: read('status') },
      ...{ grade: read('grade'), since: sinceMs(read('since'), nowMs) },
    },
  };
}

/** 0: any time. Whole minutes, so that what is shown does not change with every look. */
export function sinceMs(text: string, nowMs: number): number {
  const span = SPANS.find(([value]) => value === text);
  if (span !== undefined) return (Math.floor(nowMs / MINUTE_MS) - span[2]) * MINUTE_MS;
  const time = Date.parse(text);
  return Number.isNaN(time) ? 0 : time;
}

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
  tests: readonly GridTest[],
  runIds: readonly number[],
  request: GridRequest,
): readonly GridLine[] {
  const { filter, open } = request;
  const text = filter.text.toLowerCase();
  const fits = fitOf(filter);
  const isWanted = (byRun: ReadonlyMap<number, TestCell>): boolean =>
    runIds.some((id) => {
      const cell = byRun.get(id);
      return cell !== undefined && fits(cell);
    });
  const lines: GridLine[] = [];
  for (const test of tests) {
    if (!request.hasTag(test.name)) continue;
    const items = test.items.filter(({ key, byRun }) => key.includes(text) && isWanted(byRun));
    if (items.length === 0 && !(test.key.includes(text) && isWanted(test.byRun))) continue;
    const isOpen = open.has(test.name);
    lines.push({ kind: 'test', test, isOpen, itemCount: items.length });
    if (isOpen) for (const item of items) lines.push({ kind: 'item', test, item });
  }
  return lines;
}

/** Without a filter every cell fits. */
function fitOf({ state, status, grade, since }: GridFilter): (cell: TestCell) => boolean {
  return (cell) =>
    (state === '' || cell.state === state) &&
    (status === '' || cell.status === status) &&
    (grade === '' || gradeOf(cell) === grade) &&
    cell.at >= since;
}
