import { expect, test } from 'vitest';
import { inspect } from '../../../src/coordinator/inspect.ts';
import { Driver, FRESH_LOG, group, kinds, lsn, NO_LOG, streaming, TIMELINE } from './support.ts';

const LOG = {
  ...FRESH_LOG,
  upper: lsn(300),
  since: lsn(150),
  groups: [{ seq: 7, lastTs: lsn(200), sizeBytes: 100 }],
};

function answer(driver: Driver, since: number, timeline: string | undefined): unknown {
  const request = { id: 1, selectors: ['FR'], since: lsn(since), replica: undefined };
  const [first] = driver.effects({ kind: 'subscribe', ...request, timeline });
  return first?.kind === 'rejectSubscriber' ? first.code : first?.kind;
}

test.each([
  { since: 149, timeline: TIMELINE, expected: 'TOO_OLD' },
  { since: 150, timeline: TIMELINE, expected: 'acceptSubscriber' },
  { since: 300, timeline: TIMELINE, expected: 'acceptSubscriber' },
  { since: 999, timeline: TIMELINE, expected: 'acceptSubscriber' },
  { since: 200, timeline: undefined, expected: 'acceptSubscriber' },
  { since: 149, timeline: undefined, expected: 'TOO_OLD' },
  { since: 200, timeline: 'sys-2', expected: 'TIMELINE_CHANGED' },
  { since: 149, timeline: 'sys-2', expected: 'TIMELINE_CHANGED' },
])('P25: since $since on timeline $timeline: $expected', ({ since, timeline, expected }) => {
  expect(answer(new Driver(LOG), since, timeline)).toBe(expected);
});

test('P25: the log is served while the source cannot be reached', () => {
  const driver = new Driver(LOG);
  driver.step({ kind: 'start' });
  driver.step({ kind: 'sourceLost', reason: 'refused', isUnfit: false });
  expect(answer(driver, 200, TIMELINE)).toBe('acceptSubscriber');
});

test('without a history there is nothing to subscribe to', () => {
  expect(answer(new Driver(NO_LOG), 0, undefined)).toBe('NOT_READY');
});

test('a transaction wakes the waiting subscribers of its selectors and no others', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100);
  driver.subscribe(2, ['DE'], 100);
  driver.subscribe(3, ['DE', 'FR'], 100);
  driver.subscribe(4, ['FR'], 100);
  for (const id of [1, 2, 3]) driver.caughtUp(id, 100);
  const [wake] = driver.appended(group(200, ['FR']), group(210, ['FR', 'IT']));
  expect(wake).toEqual({ kind: 'wake', ids: [1, 3], after: 100 });
});

test('a transaction for everybody wakes everybody who waits, also without selectors', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100);
  driver.subscribe(2, [], 100);
  driver.caughtUp(1, 100);
  driver.caughtUp(2, 100);
  const [wake] = driver.appended(group(200, ['FR'], { hasAll: true }));
  expect(wake).toEqual({ kind: 'wake', ids: [1, 2], after: 100 });
});

test('P1: what comes between a last read and the report of it wakes at once', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100);
  driver.appended(group(200, ['FR']));
  expect(driver.caughtUp(1, 100)).toEqual([{ kind: 'wake', ids: [1], after: 100 }]);
});

test('P1: what comes for everybody between a last read and its report wakes at once', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100);
  driver.appended(group(200, [], { hasAll: true }));
  expect(driver.caughtUp(1, 100)).toEqual([{ kind: 'wake', ids: [1], after: 100 }]);
});

test('what comes for others between a last read and its report wakes nobody', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100);
  driver.appended(group(200, ['DE']));
  expect(driver.caughtUp(1, 100)).toEqual([]);
});

test('nobody is woken twice between two reports', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100);
  driver.caughtUp(1, 100);
  expect(kinds(driver.appended(group(200, ['FR'])))).toContain('wake');
  expect(kinds(driver.appended(group(210, ['FR'])))).not.toContain('wake');
  expect(kinds(driver.caughtUp(1, 200))).toContain('wake');
});

test('a wake says up to where nothing is missing', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100);
  driver.caughtUp(1, 100);
  driver.appended(group(200, ['DE']));
  const [wake] = driver.appended(group(210, ['FR']));
  expect(wake).toEqual({ kind: 'wake', ids: [1], after: 200 });
});

test('a subscriber that is ahead of the log is woken only by what it does not have', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 250);
  expect(driver.caughtUp(1, 250)).toEqual([]);
  expect(kinds(driver.appended(group(200, ['FR'])))).not.toContain('wake');
  const [wake] = driver.appended(group(300, ['FR']));
  expect(wake).toEqual({ kind: 'wake', ids: [1], after: 200 });
  expect(driver.state.subscribers.get(1)?.position).toBe(250);
});

test('a subscriber cannot have read more than there is', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100);
  expect(() => driver.caughtUp(1, 101)).toThrow('subscriber 1 cannot have read 101');
});

test('one that claims to have caught up before the log it was accepted for is told to look again', () => {
  const driver = new Driver(LOG);
  driver.subscribe(1, ['FR'], 150);
  expect(driver.caughtUp(1, 150)).toEqual([{ kind: 'wake', ids: [1], after: 150 }]);
  expect(driver.caughtUp(1, 300)).toEqual([]);
});

test('reports of forgotten subscribers are ignored', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100);
  driver.effects({ kind: 'unsubscribe', id: 1 });
  driver.effects({ kind: 'unsubscribe', id: 1 });
  driver.caughtUp(1, 100);
  driver.effects({ kind: 'advanced', id: 1, ts: lsn(100) });
  expect(kinds(driver.appended(group(200, ['FR'])))).toEqual(['confirmSlot']);
  expect(inspect(driver.state).subscribers).toEqual({ total: 0, waiting: 0 });
});

test('nothing is kept of selectors that nobody subscribes to', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR', 'DE', 'FR'], 100);
  driver.subscribe(2, ['FR'], 100);
  driver.effects({ kind: 'unsubscribe', id: 1 });
  expect([...driver.state.selectors.keys()]).toEqual(['FR']);
  driver.effects({ kind: 'unsubscribe', id: 2 });
  expect(driver.state.selectors.size).toBe(0);
});
