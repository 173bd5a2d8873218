/** What hot events may look at: only whom they concern, however many others there are. */
import { expect, test } from 'vitest';
import { step } from '../../../src/coordinator/coordinator.ts';
import type { CoordinatorState } from '../../../src/coordinator/state.ts';
import { group, lsn, streaming } from './support.ts';

function refuse(): never {
  throw new Error('looked at all of them');
}

/** From now on, going through all subscribers, selectors, leases, holds or waits is an error. */
function forbidScans(state: CoordinatorState): void {
  const { subscribers, selectors, leases, holds, waits, connectedReplicas } = state;
  for (const map of [subscribers, selectors, leases, holds, waits, connectedReplicas]) {
    const scans = { values: refuse, keys: refuse, entries: refuse, forEach: refuse };
    Object.assign(map, { ...scans, [Symbol.iterator]: refuse });
  }
  Object.assign(state.waitingSubscribers, { values: refuse, [Symbol.iterator]: refuse });
}

function crowded(): CoordinatorState {
  const driver = streaming();
  for (let id = 1; id <= 5; id += 1) {
    driver.subscribe(id, [`tenant-${id}`], 100, `replica-${id}`);
    driver.caughtUp(id, 100);
    driver.effects({ kind: 'hold', hold: `snapshot-${id}`, ts: lsn(100) });
    driver.effects({ kind: 'wait', id, ts: lsn(10_000), deadline: 60_000 });
  }
  return driver.state;
}

test('an append looks only at those whom it concerns', () => {
  const state = crowded();
  forbidScans(state);
  const groups = [group(200, ['tenant-3', 'nobody'])];
  expect(step(state, { kind: 'appended', now: 0, groups })).toContainEqual({
    kind: 'wake',
    ids: [3],
    after: 100,
  });
});

test('keepalives, notes and the reports of one reader look at nobody else', () => {
  const state = crowded();
  forbidScans(state);
  step(state, { kind: 'keepalive', now: 0, lsn: lsn(300) });
  step(state, { kind: 'upperNoted', now: 0, lsn: lsn(300) });
  step(state, { kind: 'caughtUp', id: 1, ts: lsn(300) });
  step(state, { kind: 'advanced', id: 1, ts: lsn(300) });
  step(state, { kind: 'lease', now: 0, replica: 'replica-1', ts: lsn(300) });
  step(state, { kind: 'unsubscribe', now: 0, id: 1 });
  expect(state.log.upper).toBe(300);
});

test('a log that stays at its byte limit does not look at all holds with every append', () => {
  const { state } = streaming(undefined, { logBytesMax: 3200 });
  let purges = 0;
  for (let at = 1; at <= 100; at += 1) {
    const effects = step(state, { kind: 'appended', now: 0, groups: [group(100 + at, ['FR'])] });
    if (effects.some(({ kind }) => kind === 'purge')) purges += 1;
  }
  expect(purges).toBeGreaterThan(20);
  expect(purges).toBeLessThan(40);
});
