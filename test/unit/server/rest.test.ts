import { afterEach, expect, test } from 'vitest';
import { toLsn } from '../../../src/core/lsn.ts';
import { Rest } from '../../../src/server/rest.ts';
import { createTestClock, type TestClock, until } from './support.ts';

const state = { isFlooded: true, isMoving: true, upper: 1, ends: 0, onUpper: () => {} };
let rest: Rest | undefined;

function newRest(): { clock: TestClock; rest: Rest } {
  Object.assign(state, { isFlooded: true, isMoving: true, upper: 1, ends: 0, onUpper: () => {} });
  const clock = createTestClock();
  rest = new Rest({
    clock,
    isFlooded: () => state.isFlooded,
    upper: () => {
      state.onUpper();
      if (state.isMoving) state.upper += 1;
      return toLsn(state.upper);
    },
    onEnd: () => {
      state.ends += 1;
    },
  });
  return { clock, rest };
}

function work(clock: TestClock, one: Rest, ms: number): void {
  const start = clock.now();
  clock.advance(ms);
  one.worked(start);
}

afterEach(() => rest?.stop());

test('without a flood what is new goes out at once, however long the work was', () => {
  const { clock, rest } = newRest();
  state.isFlooded = false;
  work(clock, rest, 50);
  expect(rest.isDue()).toBe(false);
});

test('in a flood work is followed by a rest, of several times its length but not longer than the limit', async () => {
  const { clock, rest } = newRest();
  work(clock, rest, 50);
  expect(rest.isDue()).toBe(true);
  work(clock, rest, 50); // for somebody else: makes it no longer
  clock.advance(50);
  await until('the rest ends', () => state.ends === 1);
});

test('the work for a few streams needs no rest', () => {
  const { clock, rest } = newRest();
  work(clock, rest, 0.1);
  expect(rest.isDue()).toBe(false);
});

test('a rest ends when the flood does: at the next news, or when nothing comes any more', async () => {
  const { clock, rest } = newRest();
  work(clock, rest, 50);
  expect(rest.isDue()).toBe(true);
  state.isFlooded = false;
  expect(rest.isDue()).toBe(false);
  expect(state.ends).toBe(1);
  state.isFlooded = true;
  expect(rest.isDue()).toBe(true);
  state.isMoving = false;
  await until('the rest ends', () => state.ends === 2);
});

test('time that runs out between two looks at the clock is no negative delay', async () => {
  const { clock, rest } = newRest();
  const warnings: string[] = [];
  const listen = (warning: Error): void => void warnings.push(warning.name);
  process.on('warning', listen);
  work(clock, rest, 50);
  let isEnding = false;
  state.onUpper = () => {
    if (isEnding) clock.advance(1000); // after the rest has asked whether its time is over
    isEnding = true;
  };
  expect(rest.isDue()).toBe(true);
  await until('the rest ends', () => state.ends === 1);
  await new Promise((resolve) => setImmediate(resolve)); // warnings come in a turn of their own
  process.off('warning', listen);
  expect(warnings).toEqual([]);
});
