/** Rows as segments: what a database shows, in few words. */
import { expect, test } from 'vitest';
import {
  changesBetween,
  Gathering,
  NOBODY,
  placeOf,
  rangesOf,
  rowCount,
  type Segment,
  type Shown,
  stampOf,
  stretchesOf,
  withChanges,
  writeOf,
} from '../../../../src/bench/twoway/rows.ts';

function shown(rows: readonly (readonly [string, number, number])[]): Shown {
  const gathering = new Gathering();
  for (const [key, text, number] of rows) gathering.add(key, text, number);
  return gathering.shown;
}

test('rows of one write are one segment of their batch, whatever the order they come in', () => {
  const rows = shown([
    ['db1_r1_2', 7, 7],
    ['db1_r1_0', 7, 7],
    ['db1_r1_1', 7, 7],
    ['db1_r1_10', 7, 7],
    ['db2_r1_0', 8, 9],
  ]);
  expect([...rows]).toEqual([
    [
      'db1_r1_',
      [
        [0, 2, 7, 7],
        [10, 10, 7, 7],
      ],
    ],
    ['db2_r1_', [[0, 0, 8, 9]]],
  ]);
  expect(rowCount(rows)).toBe(5);
});

test('only batches that differ are changes, and changes bring the one state to the other', () => {
  const before = shown([
    ['a_0', 1, 1],
    ['b_0', 1, 1],
    ['c_0', 1, 1],
  ]);
  const after = shown([
    ['a_0', 1, 1],
    ['b_0', 2, 1],
    ['d_0', 3, 3],
  ]);
  const changes = changesBetween(before, after);
  expect(changes).toEqual({ b_: [[0, 0, 2, 1]], c_: [], d_: [[0, 0, 3, 3]] });
  expect(new Map(withChanges(before, changes))).toEqual(new Map(after));
});

test('two lists are walked side by side, each stretch alike on both sides', () => {
  const left: Segment[] = [
    [0, 9, 1, 1],
    [20, 29, 1, 1],
  ];
  const right: Segment[] = [[5, 24, 2, 2]];
  const walked = [...stretchesOf(left, right)].map(({ from, to, left: l, right: r }) => [
    ...[from, to, l?.[2] ?? null, r?.[2] ?? null],
  ]);
  expect(walked).toEqual([
    [0, 4, 1, null],
    [5, 9, 1, 2],
    [10, 19, null, 2],
    [20, 24, 1, 2],
    [25, 29, 1, null],
  ]);
});

test('neighbours of different writes are one range of rows', () => {
  const segments: Segment[] = [
    [0, 4, 1, 1],
    [5, 9, 2, 2],
    [11, 11, 1, 1],
  ];
  expect(rangesOf(segments)).toEqual([
    [0, 9],
    [11, 11],
  ]);
});

test('a stamp tells its write, and other texts are nobody’s', () => {
  expect(writeOf(stampOf(10_100_001, 'canary-u1-x'))).toBe(10_100_001);
  expect([writeOf('hello'), writeOf(null), writeOf(7)]).toEqual([NOBODY, NOBODY, NOBODY]);
  expect([placeOf('db1_r2_33'), placeOf('no number')]).toEqual([
    ['db1_r2_', 33],
    ['no number', 0],
  ]);
});
