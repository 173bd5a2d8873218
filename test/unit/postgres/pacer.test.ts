import { expect, test } from 'vitest';
import { Pacer } from '../../../src/postgres/pacer.ts';
import { ManualTimers } from './manual-timers.ts';

test('a lone read, small or large enough to be full, is never followed by a pause', () => {
  const timers = new ManualTimers();
  const pacer = new Pacer(timers, true);
  for (const size of [10, 8_191, 65_536, 100_000]) {
    timers.advance(10);
    expect(pacer.wantsPause(size, () => undefined)).toBe(false);
  }
});

test('a read of 8 to 64 KiB is followed by a pause of a millisecond', () => {
  const timers = new ManualTimers();
  const pacer = new Pacer(timers, true);
  let goneOn = 0;
  const goOn = (): void => {
    goneOn += 1;
  };
  expect(pacer.wantsPause(8_192, goOn)).toBe(true);
  expect(pacer.isPausing).toBe(true);
  timers.advance(1);
  expect([goneOn, pacer.isPausing]).toEqual([1, false]);
  expect(pacer.wantsPause(65_535, goOn)).toBe(true);
});

test('small reads in quick succession are paced from the sixth on', () => {
  const timers = new ManualTimers();
  const pacer = new Pacer(timers, true);
  timers.advance(10);
  const wishes = Array.from({ length: 6 }, () => {
    timers.advance(0.1);
    return pacer.wantsPause(100, () => undefined);
  });
  expect(wishes).toEqual([false, false, false, false, false, true]);
});

test('switched off, it never asks for a pause', () => {
  expect(new Pacer(new ManualTimers(), false).wantsPause(10_000, () => undefined)).toBe(false);
});
