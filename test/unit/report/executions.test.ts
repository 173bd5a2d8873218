/** What is told of one execution: attempts, triggers, flips, the commands that run it again, and its quarantine. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { compilePatterns, matches } from '../../../src/area/patterns.ts';
import type { EventRow } from '../../../src/planner/rows.ts';
import { attemptsOf, forcedOf, triggersOf } from '../../../src/report/attempts.ts';
import { flipsOf } from '../../../src/report/flaky.ts';
import { compileForPage } from '../../../src/report/page-patterns.ts';
import { knownFailures } from '../../../src/report/quarantine.ts';
import { reproductionOf, shellWord } from '../../../src/report/reproduce.ts';
import { lastGoodBefore, patternOfRow } from '../../../src/report/results.ts';
import { RUN, testRow } from './rows.ts';

function eventsOf(...lines: readonly (readonly [string, string, string, boolean?])[]): EventRow[] {
  return lines.map(([kind, now, cause, isForced = false], n) => ({
    ...{ seq: n + 1, area: 'a', at: n * 1000, kind: kind as EventRow['kind'], runId: 1, testId: 1 },
    ...{ old: null, new: now, actor: 'ann', cause, isForced },
  }));
}

test('attempts are read from events, with how each ended', () => {
  const events = eventsOf(
    ['transition', 'LAUNCHED/n/a', 'attempt 1'],
    ['transition', 'RUNNING/n/a', 'its first step starts'],
    ['step', 'look: end/FAIL', ''],
    ['transition', 'COMPLETED/FAIL', 'look: exit 1'],
    ['trigger', 'COMPLETED/FAIL', 'mail ann'],
    ['task', 'new', 'task 3: set-state'],
    ['transition', 'COMPLETED/WAIVED', 'known', true],
    ['transition', 'NOT_STARTED/n/a', 'again'],
    ['transition', 'LAUNCHED/n/a', 'attempt 2'],
  );
  expect(attemptsOf(events)).toEqual([
    { number: 1, startedAt: 0, endedAt: 3000, verdict: 'COMPLETED/FAIL', cause: 'look: exit 1' },
    { number: 2, startedAt: 8000, endedAt: null, verdict: null, cause: '' },
  ]);
  expect(forcedOf(events)).toMatchObject([
    { new: 'COMPLETED/WAIVED', actor: 'ann', cause: 'known' },
  ]);
  expect(triggersOf(events)).toEqual([
    { seq: 5, at: 4000, on: 'COMPLETED/FAIL', command: 'mail ann' },
  ]);
});

test('flips are counted over results that are verdicts', () => {
  const rows = ['PASS', 'FAIL', 'SKIP', 'FAIL', 'PASS'].map((status) => testRow('t/1', { status }));
  expect(flipsOf(rows)).toEqual({ exec: 't/1', strip: '+--+', switches: 2, share: 2 / 3 });
  expect(flipsOf([])).toMatchObject({ switches: 0, share: 0 });
});

test('the command that runs it again has what was given and what the test has recorded', () => {
  const row = testRow('t.x/a,b', { area: '/my area', runDir: "/disk/it's" });
  const data = [
    { category: 'reproduce', variable: 'SEED', value: '42' },
    { category: 'reproduce', variable: 'command', value: 'tidelock sim --seed 42' },
    { category: 'reproduce', variable: 'not a name', value: 'x' },
    { category: 'other', variable: 'MS', value: '1' },
  ];
  const setVars = [
    { name: 'LEVEL', value: '3 $(id)' },
    { name: 'TOKEN', value: null },
  ];
  expect(reproductionOf({ row, target: 'linux/1', setVars, data })).toEqual({
    run: String.raw`tidelock runs run --area '/my area' --target linux/1 --pattern 't\.x/a.b' --set-var 'LEVEL=3 $(id)' --set-var TOKEN="$TOKEN" --set-var SEED=42`,
    own: 'tidelock sim --seed 42',
    byHand: String.raw`cd '/disk/it'\''s' && . ./megatest.sh`,
  });
});

test('a shell takes each word as it is', () => {
  const words = ['plain', "it's", '$(id)', '`id`', 'a b', '', '*', '~', '-n', 'a\nb', '\\', '"'];
  const command = `printf '%s\\0' ${words.map(shellWord).join(' ')}`;
  expect(execFileSync('/bin/sh', ['-c', command]).toString().split('\0').slice(0, -1)).toEqual(
    words,
  );
});

test('the pattern of a row matches it and no other', () => {
  const rows = [testRow('a+b/x.y'), testRow('a+b/xzy'), testRow('aab/x.y'), testRow('c')];
  for (const row of rows) {
    const patterns = compilePatterns(patternOfRow(row));
    const found = rows.filter((one) => matches(patterns, one.name, one.itemPath));
    expect(found).toEqual([row]);
  }
});

test('the last good run is the newest of the target before in which nothing failed', () => {
  const run = (id: number, pair: string, more = {}) => ({
    ...RUN,
    ...{ id, createdAt: id, counts: { 'COMPLETED/PASS': 3, [pair]: 1 }, ...more },
  });
  const runs = [
    run(1, 'COMPLETED/WARN'),
    run(2, 'COMPLETED/SKIP'),
    run(3, 'COMPLETED/FAIL'),
    run(4, 'COMPLETED/PASS', { target: 'other' }),
    run(5, 'COMPLETED/PASS', { state: 'running' }),
    run(6, 'KILLED/KILLED'),
    run(7, 'COMPLETED/PASS', { counts: {} }),
    run(8, 'COMPLETED/FAIL'),
    run(9, 'COMPLETED/PASS'),
  ];
  expect(lastGoodBefore(runs, run(8, ''))?.id).toBe(2);
  expect(lastGoodBefore(runs, run(1, ''))).toBeNull();
});

test('who asks for ended entries, too, finds them', () => {
  const entry = { pattern: 'net/%', owner: 'ann', until: 100, reason: 'port' };
  const row = testRow('net/a');
  for (const compile of [compilePatterns, compileForPage]) {
    expect(knownFailures([entry], { now: 99, compile })(row)).toBe(entry);
    expect(knownFailures([entry], { now: 100, compile })(row)).toBeNull();
    expect(knownFailures([entry], { now: null, compile })(row)).toBe(entry);
    expect(knownFailures([entry], { now: null, compile })(testRow('other'))).toBeNull();
  }
});
