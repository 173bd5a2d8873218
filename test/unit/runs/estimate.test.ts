import { expect, test } from 'vitest';
import type { TestRow } from '../../../src/planner/rows.ts';
import { Estimate } from '../../../src/runs/estimate.ts';

const row = (name: string, more: Partial<TestRow> = {}): TestRow =>
  ({
    ...{ name, itemPath: '', isToplevel: false, state: 'NOT_STARTED', status: 'n/a' },
    ...{ startedAt: null, endedAt: null, ...more },
  }) as TestRow;

const passed = (name: string, seconds: number, itemPath = ''): TestRow =>
  row(name, {
    ...{ itemPath, state: 'COMPLETED', status: 'PASS', startedAt: 0, endedAt: seconds * 1000 },
  });

test('a first run is estimated by what it has shown: the same test first, else all', () => {
  const estimate = new Estimate(new Map());
  const items = ['1', '2', '3'].map((itemPath) => row('a', { itemPath }));
  estimate.know([...items, row('a', { isToplevel: true }), row('b'), row('c')]);
  expect(estimate.restS).toBeNull();
  estimate.ended(passed('a', 10, '1'));
  expect(estimate.restS).toBe(40); // two of a, b and c like it
  estimate.ended(passed('b', 40));
  expect(estimate.restS).toBe(45); // c like both
  estimate.ended(passed('b', 40));
  expect(estimate.restS).toBe(45); // told twice
});

test('earlier runs go before, and nothing is left when all has ended', () => {
  const estimate = new Estimate(new Map([['a', 3]]));
  estimate.know([row('a'), row('b')]);
  estimate.know([row('a'), row('b')]);
  estimate.ended(row('b', { status: 'PREQ_FAIL' }));
  expect(estimate.restS).toBe(3);
  estimate.ended(passed('a', 1));
  expect(estimate.restS).toBe(0);
});

test('one that runs again is open again', () => {
  const estimate = new Estimate(new Map([['a', 3]]));
  estimate.know([row('a')]);
  estimate.ended(passed('a', 1));
  estimate.know([row('a')]);
  expect(estimate.restS).toBe(3);
});
