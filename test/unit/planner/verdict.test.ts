import { describe, expect, test } from 'vitest';
import type { Mode } from '../../../src/area/types.ts';
import { countsOf, pairOf, rollUp } from '../../../src/planner/rollup.ts';
import { verdictOf } from '../../../src/planner/verdict.ts';

function verdict(mode: Mode, ...items: readonly string[]): string {
  return verdictOf(mode, rollUp(countsOf(items.map(pairOf))));
}

describe('a prerequisite', () => {
  const good = ['PASS', 'WARN', 'CHECK', 'WAIVED', 'SKIP'].map((status) => `COMPLETED/${status}`);

  test.each(good)('at %s meets those that wait for a good end', (pair) => {
    expect(verdictOf('normal', pairOf(pair))).toBe('met');
    expect(verdictOf('itemwait', pairOf(pair))).toBe('met');
  });

  test.each<[Mode, readonly string[], string]>([
    ['normal', ['RUNNING/n/a', 'COMPLETED/PASS'], 'wait'],
    ['normal', ['COMPLETED/FAIL', 'COMPLETED/PASS'], 'fail'],
    ['normal', ['KILLED/KILLED'], 'fail'],
    ['normal', ['INCOMPLETE/DEAD'], 'fail'],
    ['normal', ['COMPLETED/ABORT'], 'fail'],
    ['normal', ['COMPLETED/of my own'], 'fail'],
    ['normal', ['ARCHIVED/PASS'], 'met'],
    ['normal', ['COMPLETED/PASS', 'NOT_STARTED/PREQ_FAIL'], 'met'],
    ['toplevel', ['COMPLETED/FAIL'], 'met'],
    ['toplevel', ['KILLED/KILLED'], 'met'],
    ['toplevel', ['INCOMPLETE/DEAD'], 'met'],
    ['toplevel', ['RUNNING/n/a', 'COMPLETED/FAIL'], 'wait'],
    ['itemwait', ['COMPLETED/PASS'], 'met'],
    ['itemwait', ['RUNNING/n/a'], 'wait'],
    ['itemwait-toplevel', ['COMPLETED/FAIL'], 'met'],
  ])('in mode %s, with items %j: %s', (mode, items, expected) => {
    expect(verdict(mode, ...items)).toBe(expected);
  });

  test.each(['ZERO_ITEMS', 'PREQ_FAIL', 'PREQ_DISCARDED', 'BLOCKED', 'TIMED_OUT', 'TEN_STRIKES'])(
    'that never started because of %s discards its dependents in every mode',
    (status) => {
      const modes = ['normal', 'toplevel', 'itemwait', 'itemwait-toplevel'] as const;
      for (const mode of modes) {
        expect(verdictOf(mode, { state: 'NOT_STARTED', status })).toBe('discard');
      }
    },
  );

  test.each(['n/a', 'KEEP_TRYING', 'CHECK'])('at NOT_STARTED/%s is waited for', (status) => {
    expect(verdictOf('toplevel', { state: 'NOT_STARTED', status })).toBe('wait');
  });
});
