/** What a page keeps has limits. */
import { expect, test } from 'vitest';
import { LimitedRows } from '../../../src/dashboard/runs/limited-rows.ts';
import { RunShelf } from '../../../src/dashboard/runs/shelf.ts';

test('of more rows than there is room for the newest stay, and it is known how many went', () => {
  const rows = new LimitedRows<number, { readonly id: number }>(10, ({ id }) => id);
  for (let id = 100; id > 0; id -= 1) {
    rows.set(id, { id });
    expect(rows.size).toBeLessThanOrEqual(15);
  }
  expect(rows.leftOut + rows.size).toBe(100);
  for (let id = 100; id > 90; id -= 1) expect(rows.has(id)).toBe(true);
  rows.clear();
  expect([rows.size, rows.leftOut]).toEqual([0, 0]);
});

function shelf() {
  const dropped: number[] = [];
  const made = new RunShelf({ rowsMax: 100, drop: (runId) => void dropped.push(runId) });
  const fill = (runId: number, rows: number): void => {
    made.add(runId, rows);
    made.setWhole(runId);
    made.trim();
  };
  return { made, dropped, fill };
}

test('runs that nobody looks at any more go first, those looked at longest ago before others', () => {
  const { made, dropped, fill } = shelf();
  const first = made.hold([1, 2]);
  expect(first.missing).toEqual([1, 2]);
  fill(1, 40);
  fill(2, 40);
  first.release();
  const second = made.hold([1, 3]);
  expect(second.missing).toEqual([3]);
  fill(3, 40);
  expect(dropped).toEqual([2]);
  expect([1, 2, 3].map((runId) => made.isWhole(runId))).toEqual([true, false, true]);
  expect(made.rowCount).toBe(80);
});

test('when the runs that are looked at are too many the last of them stay out, and it is said', () => {
  const { made, dropped, fill } = shelf();
  const { release } = made.hold([1, 2]);
  fill(1, 60);
  fill(2, 60);
  expect([dropped, made.isOut(1), made.isOut(2)]).toEqual([[2], false, true]);
  made.add(2, 5);
  expect(made.rowCount).toBe(60);
  release();
  made.hold([2]);
  expect(made.isOut(2)).toBe(false);
  fill(2, 60);
  expect(dropped).toEqual([2, 1]);
});

test('a run that could not be read is missing again', () => {
  const { made } = shelf();
  made.hold([1]);
  made.add(1, 3);
  made.giveUp(1);
  expect([made.rowCount, made.hold([1]).missing]).toEqual([0, [1]]);
});
