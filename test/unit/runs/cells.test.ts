/** Tests as cells of a matrix: pages of columns that say the same as the rows. */
import { expect, test } from 'vitest';
import { type CellPlace, cellOf, cellsOf, type TestCell } from '../../../src/planner/cells.ts';
import type { RunWrite } from '../../../src/planner/run-store.ts';
import type { SqliteRunStore } from '../../../src/sqlite/runs/run-store.ts';
import { runBed, seedRun } from '../../support/run-bed.ts';

const NAMES = ['b', 'a/', 'a/2', 'a/1', 'c/', 'c/x'];

function finished(testId: number, status: string): RunWrite {
  const event = { kind: 'force', to: { state: 'COMPLETED', status } } as const;
  const facts = { startedAt: 1000, endedAt: 2000, isStale: status === 'FAIL' };
  return { kind: 'transition', testId, event, facts, cause: 'test' };
}

function world() {
  const { store } = runBed();
  const { runId, ids } = seedRun(store, NAMES);
  store.write({
    actor: 'me',
    writes: [finished(ids[2] ?? 0, 'FAIL'), finished(ids[0] ?? 0, 'PASS')],
  });
  return { store, runId };
}

function pagesOf(
  store: SqliteRunStore,
  runId: number,
  wish: { readonly part: 'tests' | 'all'; readonly limit: number },
): readonly (readonly TestCell[])[] {
  const pages: (readonly TestCell[])[] = [];
  for (let after: CellPlace | null = null, at = 0; at < 100; at += 1) {
    const { cells = [] } = store.read({ kind: 'cells', runIds: [runId], after, ...wish });
    pages.push(cells.flatMap(cellsOf));
    after = cells[0]?.next ?? null;
    if (after === null) return pages;
  }
  throw new Error('the pages do not end');
}

test('cells say what the rows say, in the order of names and items', () => {
  const { store, runId } = world();
  const [cells = []] = pagesOf(store, runId, { part: 'all', limit: 100 });
  expect(cells.map(({ name, itemPath }) => `${name}/${itemPath}`)).toEqual([
    ...['a/', 'a/1', 'a/2', 'b/', 'c/', 'c/x'],
  ]);
  const { tests = [] } = store.read({ kind: 'tests', runId });
  const byId = new Map(tests.map((row) => [row.id, cellOf(row)]));
  expect(cells).toEqual(cells.map(({ id }) => byId.get(id)));
  expect(cells.filter(({ at }) => at === 2000)).toHaveLength(2);
});

test.each([1, 2, 3, 6])('pages of %i give every row once', (limit) => {
  const { store, runId } = world();
  const all = pagesOf(store, runId, { part: 'all', limit: 100 }).flat();
  const pages = pagesOf(store, runId, { part: 'all', limit });
  expect(pages.flat()).toEqual(all);
  for (const page of pages) expect(page.length).toBeLessThanOrEqual(limit);
});

test('without items, of several runs at once', () => {
  const { store, runId } = world();
  const other = seedRun(store, ['z/', 'z/1'], 'second').runId;
  const wish = { kind: 'cells', part: 'tests', after: null, limit: 2 } as const;
  const { cells = [] } = store.read({ ...wish, runIds: [runId, other] });
  expect(cells.map((page) => [page.runId, cellsOf(page).map(({ name }) => name)])).toEqual([
    [runId, ['a', 'b']],
    [other, ['z']],
  ]);
  expect(cells.map(({ next }) => next?.name ?? null)).toEqual(['b', null]);
});

test('brief changes are those of runs, tests, tasks and runners', () => {
  const { store } = world();
  const { changes } = store.read({ kind: 'changes', since: 0, limit: 100, isBrief: true });
  expect(changes?.rows.tests).toHaveLength(NAMES.length);
  expect([changes?.rows.events, changes?.seq]).toEqual([[], store.seq]);
});

test('runs are read from the newest on, in parts', () => {
  const { store, runId } = world();
  const ids = [runId, ...['two', 'three'].map((name) => seedRun(store, [], name).runId)];
  const first = store.read({ kind: 'runs', limit: 2 }).runs?.map(({ id }) => id);
  expect(first).toEqual([ids[2], ids[1]]);
  const rest = store.read({ kind: 'runs', before: first?.at(-1), limit: 2 }).runs;
  expect(rest?.map(({ id }) => id)).toEqual([runId]);
});
