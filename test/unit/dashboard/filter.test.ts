/** Which lines the grid of runs shows. */
import { expect, test } from 'vitest';
import type { GridTest } from '../../../src/dashboard/runs/book.ts';
import { gridLines, worstOf } from '../../../src/dashboard/runs/filter.ts';
import type { TestRow } from '../../../src/planner/rows.ts';

const NOTHING = { text: '', state: '', status: '', grade: '' };

function row(name: string, itemPath: string, status: string, runId = 1): TestRow {
  const state = status === 'n/a' ? 'RUNNING' : 'COMPLETED';
  return { name, itemPath, runId, state, status, isToplevel: false } as TestRow;
}

function gridOf(rows: readonly TestRow[]): Map<string, GridTest> {
  const grid = new Map<string, GridTest>();
  for (const one of rows) {
    const test = grid.get(one.name) ?? { name: one.name, byRun: new Map(), items: new Map() };
    grid.set(one.name, test);
    if (one.itemPath === '') test.byRun.set(one.runId, one);
    else test.items.set(one.itemPath, new Map([[one.runId, one]]));
  }
  return grid;
}

const GRID = gridOf([
  row('build', '', 'PASS'),
  row('sizes', '', 'FAIL'),
  row('sizes', 'small', 'PASS'),
  row('sizes', 'large', 'FAIL'),
  row('other', '', 'PASS', 2),
]);

function shown(filter: Partial<typeof NOTHING>, open: readonly string[] = []): readonly string[] {
  const request = { filter: { ...NOTHING, ...filter }, open: new Set(open) };
  return gridLines(GRID, [1], request).map((line) =>
    line.kind === 'test' ? line.test.name : `${line.test.name}/${line.item}`,
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

test('a folded test shows the worst of its items', () => {
  const sizes = GRID.get('sizes');
  expect(sizes && worstOf(sizes, 1)?.status).toBe('FAIL');
  expect(sizes && worstOf(sizes, 2)).toBeUndefined();
});
