import { expect, test } from 'vitest';
import { compareRuns } from '../../../src/report/compare.ts';
import { flakyTests } from '../../../src/report/flaky.ts';
import { gradeOf } from '../../../src/report/results.ts';
import { testRow } from './rows.ts';

const told = (before: Parameters<typeof compareRuns>[0], after: typeof before): string[] =>
  compareRuns(before, after).map(({ exec, difference }) => `${exec}: ${difference}`);

test('a comparison tells the worst first, and nothing of what is equal', () => {
  const before = [
    testRow('same'),
    testRow('broke'),
    testRow('mended', { status: 'FAIL' }),
    testRow('bad', { status: 'FAIL' }),
    testRow('gone'),
    testRow('slow', { startedAt: 0, endedAt: 4000 }),
    testRow('warned'),
  ];
  const after = [
    testRow('same'),
    testRow('broke', { state: 'KILLED', status: 'KILLED' }),
    testRow('mended'),
    testRow('bad', { status: 'ABORT' }),
    testRow('slow', { startedAt: 0, endedAt: 6100 }),
    testRow('warned', { status: 'WARN' }),
    testRow('fresh'),
    testRow('fresh/bad', { status: 'FAIL' }),
  ];
  expect(told(before, after)).toEqual([
    ...['broke: newly failing', 'fresh/bad: newly failing', 'bad: still failing'],
    ...['gone: missing', 'warned: other verdict', 'slow: slower', 'fresh: new', 'mended: fixed'],
  ]);
});

test('a failure that became a skip is not fixed', () => {
  const before = [testRow('t', { status: 'FAIL' })];
  expect(told(before, [testRow('t', { status: 'SKIP' })])).toEqual(['t: other verdict']);
});

test('twice as slow is noise while it is less than a second', () => {
  const before = [testRow('t', { startedAt: 0, endedAt: 500 })];
  expect(told(before, [testRow('t', { startedAt: 0, endedAt: 1400 })])).toEqual([]);
});

test('the roll-up of items is not compared: its items are', () => {
  const top = { isToplevel: true, status: 'FAIL' };
  expect(told([testRow('t', top), testRow('t/1')], [testRow('t/1')])).toEqual([]);
});

test('a test is flaky when its verdict switched within the last runs; the most switching first', () => {
  const runs = ['++++', '+-+-', '++--', '-   '].map((strip) => [...strip]);
  const rows = [0, 1, 2, 3].map((run) =>
    runs.flatMap((strip, n) => {
      if (strip[run] === ' ') return [testRow(`t${n}`, { status: 'SKIP' })];
      return [testRow(`t${n}`, { status: strip[run] === '+' ? 'PASS' : 'FAIL' })];
    }),
  );
  expect(flakyTests(rows)).toEqual([
    { exec: 't1', strip: '+-+-', switches: 3, share: 1 },
    { exec: 't2', strip: '++--', switches: 1, share: 1 / 3 },
  ]);
  expect(flakyTests(rows, 2).map(({ exec }) => exec)).toEqual(['t1']);
});

test.each([
  ['COMPLETED', 'PASS', 'good'],
  ['COMPLETED', 'WAIVED', 'good'],
  ['COMPLETED', 'FAIL', 'bad'],
  ['COMPLETED', 'what users wrote', 'bad'],
  ['COMPLETED', 'ABORT', 'broken'],
  ['COMPLETED', 'SKIP', 'skipped'],
  ['ARCHIVED', 'PASS', 'good'],
  ['KILLED', 'KILLED', 'broken'],
  ['INCOMPLETE', 'PASS', 'broken'],
  ['NOT_STARTED', 'PREQ_FAIL', 'skipped'],
  ['NOT_STARTED', 'n/a', 'open'],
  ['RUNNING', 'FAIL', 'open'],
] as const)('%s/%s is %s', (state, status, grade) => {
  expect(gradeOf({ state, status })).toBe(grade);
});
