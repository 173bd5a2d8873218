/** Which lines the grid of runs shows. */
import { expect, test } from 'vitest';
import { type GridRequest, gridLines, sinceMs } from '../../../src/dashboard/runs/filter.ts';
import { Grid } from '../../../src/dashboard/runs/grid.ts';
import type { TestCell } from '../../../src/planner/cells.ts';

const NOTHING = { text: '', state: '', status: '', grade: '', since: 0 };

let ids = 0;
function cell(name: string, itemPath: string, status: string, more: Partial<TestCell> = {}) {
  const state = status === 'n/a' ? 'RUNNING' : 'COMPLETED';
  ids += 1;
  const rest = { runId: 1, isToplevel: false, isStale: false, seq: ids, at: 0, ...more };
  return { id: ids, name, itemPath, state, status, ...rest } as TestCell;
}

function gridOf(cells: readonly TestCell[]): Grid {
  const grid = new Grid();
  for (const one of cells) grid.set(one);
  return grid;
}

const LARGE = cell('sizes', 'large', 'FAIL', { at: 2000 });
const GRID = gridOf([
  cell('sizes', '', 'PASS', { isToplevel: true, at: 1000 }),
  cell('build', '', 'PASS'),
  cell('sizes', 'small', 'PASS', { at: 1000 }),
  LARGE,
  cell('other', '', 'PASS', { runId: 2 }),
]);

function shown(
  filter: Partial<typeof NOTHING>,
  open: readonly string[] = [],
  hasTag: GridRequest['hasTag'] = () => true,
): readonly string[] {
  const request = { filter: { ...NOTHING, ...filter }, open: new Set(open), hasTag };
  return gridLines(GRID.tests, [1], request).map((line) =>
    line.kind === 'test' ? line.test.name : `${line.test.name}/${line.item.path}`,
  );
}

test('tests of the shown runs stand in order, items only below an open one', () => {
  expect(shown({})).toEqual(['build', 'sizes']);
  expect(shown({}, ['sizes'])).toEqual(['build', 'sizes', 'sizes/large', 'sizes/small']);
});

test('a test is shown when one of its items is wanted, and only those items are', () => {
  expect(shown({ grade: 'bad' }, ['sizes'])).toEqual(['sizes', 'sizes/large']);
  expect(shown({ text: 'SIZES/SM' }, ['sizes'])).toEqual(['sizes', 'sizes/small']);
  expect(shown({ status: 'PASS', text: 'build' })).toEqual(['build']);
  expect(shown({ state: 'KILLED' })).toEqual([]);
});

test('what has changed since a time, and what has a tag', () => {
  expect(shown({ since: 1500 }, ['sizes'])).toEqual(['sizes', 'sizes/large']);
  expect(shown({ since: 2001 })).toEqual([]);
  expect(shown({}, [], (name) => name === 'build')).toEqual(['build']);
});

test('a time in the address is a span or a date', () => {
  const now = Date.parse('2026-11-22T12:00:30Z');
  expect(new Date(sinceMs('1h', now)).toISOString()).toBe('2026-11-22T11:00:00.000Z');
  expect(sinceMs('2026-11-20', now)).toBe(Date.parse('2026-11-20'));
  expect([sinceMs('', now), sinceMs('never', now)]).toEqual([0, 0]);
});

test('a folded test shows the worst of its items, as they are now', () => {
  const grid = gridOf([cell('a', '', 'PASS'), cell('a', 'x', 'PASS')]);
  const bad = cell('a', 'y', 'FAIL');
  const worst = (): string | undefined => grid.test('a')?.worst(1)?.status;
  expect(worst()).toBe('PASS');
  grid.set(bad);
  expect(worst()).toBe('FAIL');
  expect(grid.test('a')?.worst(2)).toBeUndefined();
  grid.set({ ...bad, status: 'PASS', seq: bad.seq + 1 });
  expect(worst()).toBe('PASS');
});

test('of two versions of a cell the newer one counts, whichever comes first', () => {
  const one = cell('a', '', 'n/a');
  const grid = gridOf([{ ...one, status: 'PASS', seq: one.seq + 1 }]);
  expect(grid.set(one)).toBe(false);
  expect(grid.test('a')?.byRun.get(1)?.status).toBe('PASS');
});

test('what was removed is gone, with a test that has nothing left', () => {
  const [plain, item] = [cell('a', '', 'PASS'), cell('b', 'x', 'PASS', { runId: 2 })];
  const grid = gridOf([plain, item]);
  expect(grid.delete(plain.id)).toBe(1);
  expect(grid.delete(plain.id)).toBeNull();
  expect(grid.tests.map(({ name }) => name)).toEqual(['b']);
  grid.deleteRun(2);
  expect(grid.tests).toEqual([]);
});
