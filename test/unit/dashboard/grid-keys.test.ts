/** Where keys take the reader of a grid. */
import { expect, test } from 'vitest';
import { inside, placeAfter } from '../../../src/dashboard/runs/grid-keys.ts';

const SIZE = { lines: 100, columns: 4, page: 10 };
const FROM = { line: 5, column: 2 };

function after(key: string, ctrlKey = false, from = FROM): readonly number[] | null {
  const place = placeAfter({ key, ctrlKey }, from, SIZE);
  return place === null ? null : [place.line, place.column];
}

test('arrows move by a cell, pages by what is in sight', () => {
  expect(['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight'].map((key) => after(key))).toEqual([
    ...[
      [4, 2],
      [6, 2],
      [5, 1],
    ],
    [5, 3],
  ]);
  expect([after('PageDown'), after('PageUp')]).toEqual([
    [15, 2],
    [0, 2],
  ]);
});

test('Home and End go to the ends of the line, with Ctrl to those of the grid', () => {
  expect([after('Home'), after('End')]).toEqual([
    [5, 0],
    [5, 3],
  ]);
  expect([after('Home', true), after('End', true)]).toEqual([
    [0, 0],
    [99, 3],
  ]);
});

test('nobody leaves the grid, and other keys are not ours', () => {
  expect(after('ArrowRight', false, { line: 99, column: 3 })).toEqual([99, 3]);
  expect(after('ArrowUp', false, { line: 0, column: 0 })).toEqual([0, 0]);
  expect([after('Tab'), after('a')]).toEqual([null, null]);
});

test('a place that is gone becomes the nearest one that is there', () => {
  expect(inside(500, 9, SIZE)).toEqual({ line: 99, column: 3 });
  expect(inside(3, 1, { lines: 1, columns: 1 })).toEqual({ line: 0, column: 0 });
});
