import { expect, test } from 'vitest';
import {
  determine,
  type Isolation,
  type ReadInput,
  type When,
} from '../../../../src/coordinator/sql/determine.ts';
import { GENERATION_A, GENERATION_B } from '../../../../src/coordinator/sql/rules.ts';
import { TIME_END } from '../../../../src/coordinator/sql/worker.ts';

/** Readable in [10, 20), nothing told yet, the clock at 100. */
const INPUT: ReadInput = {
  when: { kind: 'immediately' },
  isolation: 'strict',
  oracle: 0,
  sessionTime: 0,
  upper: 20,
  since: 10,
  now: 100,
  isClocked: true,
  readsTables: false,
};

function timeAt(input: Partial<ReadInput>, rule = determine): number | string {
  const chosen = rule({ ...INPUT, ...input });
  return chosen.kind === 'at' ? chosen.time : chosen.kind;
}

test.each<[Isolation, number, number]>([
  ['strict', 5, 10],
  ['strict', 15, 15],
  ['strict', 25, 25],
  ['serializable', 5, 19],
  ['serializable', 25, 19],
  ['session', 5, 10],
  ['session', 15, 15],
  ['session', 25, 19],
])('%s with the oracle at %i reads [10, 20) at %i', (isolation, oracle, time) => {
  expect(timeAt({ isolation, oracle })).toBe(time);
});

test.each<[When, number | string]>([
  [{ kind: 'freshestWrite' }, 15],
  [{ kind: 'atLeast', time: 5 }, 10],
  [{ kind: 'atLeast', time: 13 }, 13],
  [{ kind: 'at', time: 13 }, 13],
  [{ kind: 'at', time: 25 }, 25],
  [{ kind: 'at', time: 9 }, 'tooOld'],
])('what a read asks for is what it gets: %o', (when, time) => {
  expect(timeAt({ when, oracle: 15, isolation: 'serializable' })).toBe(time);
});

test('a session is not given an earlier time than before', () => {
  expect(timeAt({ isolation: 'session', oracle: 15, sessionTime: 22 })).toBe(22);
});

test('what is complete is read where the oracle stands, not at the end of time', () => {
  for (const isolation of ['strict', 'session', 'serializable'] as const) {
    expect(timeAt({ isolation, oracle: 15, upper: null })).toBe(15);
  }
});

test('generation A reads tables by the clock and sources as far as they are known', () => {
  const { readTime } = GENERATION_A;
  expect(timeAt({ readsTables: true, oracle: 120 }, readTime)).toBe(120);
  expect(timeAt({ readsTables: true, oracle: 15 }, readTime)).toBe(100);
  expect(timeAt({ oracle: 120 }, readTime)).toBe(19);
  expect(timeAt({ upper: 0, since: 0 }, readTime)).toBe('incomplete');
  expect(timeAt({ upper: null }, readTime)).toBe(TIME_END);
});

test('generation B goes with its oracle, held back by the clock', () => {
  const { readTime } = GENERATION_B;
  expect(timeAt({ oracle: 15 }, readTime)).toBe(19);
  expect(timeAt({ oracle: 25 }, readTime)).toBe(25);
  expect(timeAt({ upper: null }, readTime)).toBe(100);
  expect(timeAt({ upper: null, isClocked: false }, readTime)).toBe(TIME_END);
  expect(timeAt({ oracle: 25, now: 0, since: 0 }, readTime)).toBe('incomplete');
});
