/** The fault plan is drawn before the run, and the seed decides it. */
import { expect, test } from 'vitest';
import { READ_FAULTS } from '../../../../src/bench/proxy/fault-proxy.ts';
import {
  choiceOf,
  drawPlan,
  FAULTS,
  type FaultChoice,
  isOfNetwork,
  RECEIVER_FAULTS,
} from '../../../../src/bench/stress/plan.ts';

const RECEIVERS = ['receiver-1', 'receiver-2', 'receiver-3'];

function plan(seed: number, faults: string, durationMs = 60_000) {
  const choice = choiceOf(faults) as FaultChoice;
  return drawPlan({ ...choice, seed, durationMs, receivers: RECEIVERS });
}

test('the same seed draws the same plan, another seed another one', () => {
  expect(plan(7, 'harsh')).toEqual(plan(7, 'harsh'));
  expect(plan(7, 'harsh')).not.toEqual(plan(8, 'harsh'));
});

test.each([1, 2, 3, 4, 5])('harsh has every fault within a minute (seed %i)', (seed) => {
  const faults = new Set(plan(seed, 'harsh').map(({ fault }) => fault));
  expect([...faults].sort()).toEqual([...FAULTS].sort());
});

test('faults of a list come all, also in a short run, and before its end', () => {
  const drawn = plan(3, 'kill-server,kill-postgres,kill-receiver', 12_000);
  const faults = new Set(drawn.map(({ fault }) => fault));
  expect([...faults].sort()).toEqual(['kill-postgres', 'kill-receiver', 'kill-server']);
  expect(drawn.every(({ atMs }) => atMs > 0 && atMs < 12_000)).toBe(true);
});

test('none has none', () => {
  expect(plan(1, 'none')).toEqual([]);
});

test('what is no fault is no choice', () => {
  expect(choiceOf('kill-server,kill-cat')).toBeUndefined();
  expect(choiceOf('')).toBeUndefined();
});

test('ids are unique, times ascend, faults of a receiver name one', () => {
  const drawn = plan(9, 'harsh');
  expect(new Set(drawn.map(({ id }) => id)).size).toBe(drawn.length);
  expect(drawn.map(({ atMs }) => atMs)).toEqual(
    drawn.map(({ atMs }) => atMs).sort((a, b) => a - b),
  );
  for (const { fault, target } of drawn) {
    const isOfReceiver = RECEIVER_FAULTS.some((name) => name === fault);
    expect(RECEIVERS.includes(target)).toBe(isOfReceiver);
  }
});

test('the faults of a proxy befall receivers, and only when they are asked for', () => {
  const drawn = plan(4, 'network');
  expect(new Set(drawn.map(({ fault }) => fault))).toEqual(new Set(READ_FAULTS));
  expect(drawn.every(({ target }) => RECEIVERS.includes(target))).toBe(true);
  expect(plan(4, 'harsh').some(({ fault }) => isOfNetwork(fault))).toBe(false);
  expect(choiceOf('net-reset,kill-server')?.faults).toEqual(['net-reset', 'kill-server']);
});
