import { expect, test } from 'vitest';
import { step } from '../../../src/coordinator/coordinator.ts';
import { inspect } from '../../../src/coordinator/inspect.ts';
import { insertSorted, removeSorted, takeUpTo } from '../../../src/coordinator/sorted.ts';
import { LEASES_MAX, WAITS_MAX } from '../../../src/coordinator/state.ts';
import { Driver, lsn, streaming } from './support.ts';

test('more subscribers than the policy allows are told that we are busy', () => {
  const driver = new Driver(undefined, { subscribersMax: 1 });
  driver.subscribe(1, ['FR'], 100);
  expect(driver.subscribe(2, ['FR'], 100)).toEqual([
    { kind: 'rejectSubscriber', id: 2, code: 'BUSY' },
  ]);
  driver.effects({ kind: 'unsubscribe', id: 1 });
  expect(driver.subscribe(3, ['FR'], 100)).toEqual([{ kind: 'acceptSubscriber', id: 3 }]);
});

test('a replica beyond the limit gets no lease, a known one keeps its own', () => {
  const { state } = streaming();
  for (let replica = 0; replica < LEASES_MAX; replica += 1) {
    step(state, { kind: 'lease', now: 0, replica: `${replica}`, ts: lsn(100) });
  }
  step(state, { kind: 'lease', now: 0, replica: 'late', ts: lsn(100) });
  step(state, { kind: 'lease', now: 0, replica: '0', ts: lsn(101) });
  expect(state.leases.size).toBe(LEASES_MAX);
  expect(state.leases.has('late')).toBe(false);
  expect(state.leases.get('0')?.ts).toBe(101);
});

test('a wait beyond the limit ends at once', () => {
  const { state } = streaming();
  for (let id = 0; id < WAITS_MAX; id += 1) {
    step(state, { kind: 'wait', now: 0, id, ts: lsn(500), deadline: 1000 });
  }
  const wait = { kind: 'wait', now: 0, id: WAITS_MAX, ts: lsn(500), deadline: 1000 } as const;
  expect(step(state, wait)).toEqual([{ kind: 'finishWait', id: WAITS_MAX, outcome: 'busy' }]);
});

test('each wait ends once: reached, in time, too late, or given up', () => {
  const driver = streaming();
  const wait = (id: number, ts: number, deadline: number) =>
    driver.effects({ kind: 'wait', id, ts: lsn(ts), deadline });
  expect(wait(1, 100, 50)).toEqual([{ kind: 'finishWait', id: 1, outcome: 'reached' }]);
  expect(wait(2, 200, 0)).toEqual([{ kind: 'finishWait', id: 2, outcome: 'timeout' }]);
  wait(3, 200, 50);
  wait(4, 200, 70);
  wait(5, 200, 60);
  expect(driver.tickAt(60)).toEqual([
    { kind: 'finishWait', id: 3, outcome: 'timeout' },
    { kind: 'finishWait', id: 5, outcome: 'timeout' },
  ]);
  driver.effects({ kind: 'endWait', id: 4 });
  driver.effects({ kind: 'endWait', id: 4 });
  expect(driver.tickAt(100)).toEqual([]);
  expect(inspect(driver.state).waits).toEqual([]);
});

test('a sorted list keeps its order, whatever comes and goes', () => {
  const entries: { key: number; id: number }[] = [];
  for (const [key, id] of [
    [5, 1],
    [3, 2],
    [5, 0],
    [1, 9],
    [3, 1],
  ] as const) {
    insertSorted(entries, { key, id });
  }
  removeSorted(entries, { key: 3, id: 2 });
  removeSorted(entries, { key: 3, id: 2 });
  removeSorted(entries, { key: 9, id: 9 });
  expect(takeUpTo(entries, 0)).toEqual([]);
  expect(takeUpTo(entries, 3)).toEqual([
    { key: 1, id: 9 },
    { key: 3, id: 1 },
  ]);
  expect(entries).toEqual([
    { key: 5, id: 0 },
    { key: 5, id: 1 },
  ]);
});

test.each([
  { leaseS: 0 },
  { keepS: -1 },
  { reconnectMsMin: 0 },
  { reconnectMsMax: 1 },
  { appendRetryMs: 0 },
])('a policy that makes no sense is refused: %o', (policy) => {
  expect(() => new Driver(undefined, policy)).toThrow('invariant broken');
});
