import { expect, test } from 'vitest';
import { bandOf, compareRuns } from '../../../src/report/compare.ts';
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

test('what is slower is told unless its history makes it usual', () => {
  const run = (seconds: number, n: number) =>
    testRow('t', { startedAt: n * 100_000, endedAt: n * 100_000 + seconds * 1000 });
  const [before, after] = [run(4, 1), run(9, 30)];
  const steady = [4, 4.2, 3.9, 4.1, 4].map(run);
  const wild = [4, 9, 3, 12, 5, 8].map(run);
  const compared = (history: readonly ReturnType<typeof run>[]) => {
    const band = bandOf(history, after);
    return compareRuns([before], [after], new Map(band === null ? [] : [['t', band]]));
  };
  expect(compared(steady)).toMatchObject([{ difference: 'slower', band: { highMs: 4444.78 } }]);
  expect(compared(wild)).toEqual([]);
  expect(compared(wild.slice(0, 3)), 'three results are no history').toMatchObject([
    { difference: 'slower', band: null },
  ]);
});

test('only good results from before make what is usual', () => {
  const after = testRow('t', { startedAt: 50_000, endedAt: 60_000 });
  const at = (endedAt: number, row = {}) =>
    testRow('t', { startedAt: endedAt - 1, endedAt, ...row });
  const good = [10, 20, 30].map((endedAt) => at(endedAt));
  expect(bandOf([...good, at(40, { status: 'FAIL' }), at(99_000), after], after)).toBeNull();
  expect(bandOf([...good, at(50_000)], after)).toEqual({ lowMs: 1, highMs: 1 });
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
