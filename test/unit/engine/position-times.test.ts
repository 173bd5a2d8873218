/** Seconds behind, from positions. */
import { expect, test } from 'vitest';
import type { Ts } from '../../../src/core/lsn.ts';
import { PositionTimes } from '../../../src/engine/position-times.ts';

function book(): {
  readonly times: PositionTimes;
  readonly at: (ms: number, upper: number) => void;
} {
  let now = 0;
  const times = new PositionTimes(() => now);
  return {
    times,
    at: (ms, upper) => {
      now = ms;
      if (upper > 0) times.note(upper as Ts);
    },
  };
}

test('a reader lags since the first thing was appended that it lacks', () => {
  const { times, at } = book();
  at(0, 100);
  at(1000, 200);
  at(2000, 300);
  at(5000, 0);
  expect(times.lagS(300 as Ts)).toBe(0);
  expect(times.lagS(250 as Ts)).toBe(3);
  expect(times.lagS(100 as Ts)).toBe(4);
  expect(times.lagS(0 as Ts)).toBe(5);
});

test('what comes soon after something else is not forgotten', () => {
  const { times, at } = book();
  at(0, 100);
  at(100, 200);
  at(10_000, 0);
  expect(times.lagS(100 as Ts)).toBeCloseTo(10, 0);
  expect(times.lagS(200 as Ts)).toBe(0);
});

test('the book is bounded, and the past is known less exactly', () => {
  const { times, at } = book();
  for (let index = 1; index <= 20_000; index += 1) at(index * 1000, index);
  at(20_001_000, 0);
  expect(times.lagS(19_999 as Ts)).toBe(1);
  expect(times.lagS(10_000 as Ts)).toBeGreaterThan(9000);
  expect(times.lagS(10_000 as Ts)).toBeLessThan(10_100);
});
