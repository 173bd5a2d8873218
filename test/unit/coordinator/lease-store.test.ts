/** Leases between the coordinator and the log: what is stored when, and what a restart makes of it. */
import { expect, test } from 'vitest';
import { inspect } from '../../../src/coordinator/inspect.ts';
import { LEASES_STORED_MAX } from '../../../src/coordinator/state.ts';
import { Driver, FRESH_LOG, facts, lsn, streaming } from './support.ts';

/** The history of `FRESH_LOG`, after its restart hold is over, at time zero of the test. */
function settled(): Driver {
  const driver = streaming();
  driver.state.restartHold = null;
  return driver;
}

/** A log with a group from before the restart, and what was stored with it. */
function restarted(
  leases: readonly { readonly replica: string; readonly ts: number; readonly heardMsAgo: number }[],
): Driver {
  const groups = [{ seq: 1, lastTs: lsn(200), sizeBytes: 100 }];
  const driver = new Driver({ ...FRESH_LOG, upper: lsn(200), groups }, { keepS: 0 });
  const loaded = leases.map(({ ts, ...lease }) => ({ ...lease, ts: lsn(ts) }));
  driver.step({ kind: 'leasesLoaded', leases: loaded });
  driver.step({ kind: 'start' });
  driver.step({ kind: 'sourceConnected', facts: facts() });
  driver.step({ kind: 'streamStarted' });
  return driver;
}

test('P25: a lease outlives a restart, and the time while the server was down counts', () => {
  const driver = restarted([
    { replica: 'late', ts: 100, heardMsAgo: 20_000 },
    { replica: 'gone', ts: 100, heardMsAgo: 60_000 },
    { replica: 'young', ts: 200, heardMsAgo: -5 },
  ]);
  expect(inspect(driver.state).leases).toMatchObject([
    { replica: 'late', ts: 100, expiresAt: 40_000 },
    { replica: 'young', ts: 200, expiresAt: 60_000 },
  ]);
  driver.tickAt(39_000);
  expect(driver.tickAt(39_999)).toEqual([]);
  expect(driver.tickAt(40_000)).toEqual([{ kind: 'purge', seq: 1 }]);
});

test('P25: a replica that comes back in its lease’s time after a restart has lost nothing', () => {
  const driver = restarted([{ replica: 'r', ts: 150, heardMsAgo: 1000 }]);
  driver.tickAt(58_999);
  expect(driver.subscribe(1, ['FR'], 150, 'r')).toEqual([{ kind: 'acceptSubscriber', id: 1 }]);
});

test('P25: a lease that was stored from before the log’s beginning keeps what is left: it may have moved', () => {
  const driver = restarted([{ replica: 'r', ts: 50, heardMsAgo: 0 }]);
  expect(inspect(driver.state).leases).toMatchObject([{ replica: 'r', ts: 100 }]);
  expect(driver.tickAt(59_000)).toEqual([]);
});

test('a log without leases is cut soon after a restart: only what a crash of the machine undid is waited for', () => {
  const driver = restarted([]);
  expect(inspect(driver.state).holds).toContainEqual({
    ...{ kind: 'restart', owner: 'restart', ts: 100, state: 'held' },
  });
  driver.tickAt(2750);
  expect(driver.tickAt(3749)).toEqual([]);
  expect(driver.tickAt(3750)).toEqual([{ kind: 'purge', seq: 1 }]);
});

test('a new lease, one that moves back and one that ends are stored at once, renewals in batches', () => {
  const driver = settled();
  const stored = () =>
    driver.all.splice(0).flatMap((effect) => {
      if (effect.kind !== 'storeLeases') return [];
      const kept = effect.kept.map(({ replica, ts, heardAt }) => `${replica} ${ts} ${heardAt}`);
      return [...kept, ...effect.ended.map((replica) => `${replica} ends`)];
    });
  stored();
  driver.lease('a', 110);
  driver.lease('b', 110);
  expect(stored()).toEqual(['a 110 0', 'b 110 0']);
  driver.now = 1000;
  driver.lease('a', 120);
  driver.now = 2000;
  driver.lease('a', 130);
  driver.lease('b', 130);
  expect(stored()).toEqual(['a 120 1000']);
  driver.effects({ kind: 'hold', hold: 'h', ts: lsn(105), replica: 'b' });
  driver.effects({ kind: 'endLease', replica: 'none' });
  expect(stored()).toEqual(['b 105 2000']);
  driver.tickAt(5999);
  expect(stored()).toEqual([]);
  driver.tickAt(6000);
  expect(stored()).toEqual(['a 130 2000']);
  driver.effects({ kind: 'endLease', replica: 'b' });
  expect(stored()).toEqual(['b ends']);
  driver.lease('a', 140);
  driver.effects({ kind: 'drain' });
  expect(stored()).toEqual(['a 140 6000']);
});

test('a replica that was silent for long is stored at once when it is heard of', () => {
  const driver = settled();
  driver.lease('r', 110);
  driver.lease('r', 110);
  driver.now = 8000;
  driver.all.length = 0;
  driver.lease('other', 110);
  driver.lease('r', 120);
  const kept = driver.all.flatMap((one) => (one.kind === 'storeLeases' ? one.kept : []));
  expect(kept.map(({ replica, heardAt }) => `${replica} ${heardAt}`)).toEqual([
    'other 8000',
    'r 8000',
  ]);
});

test('a batch of leases is limited, the rest follows', () => {
  const driver = settled();
  for (let at = 0; at < LEASES_STORED_MAX + 5; at += 1) driver.lease(`r${at}`, 110);
  driver.lease('r0', 120);
  for (let at = 0; at < LEASES_STORED_MAX + 5; at += 1) driver.lease(`r${at}`, 130);
  driver.all.length = 0;
  driver.tickAt(5000);
  driver.tickAt(9999);
  driver.tickAt(10_000);
  const counts = driver.all.flatMap((one) => (one.kind === 'storeLeases' ? [one.kept.length] : []));
  expect(counts).toEqual([LEASES_STORED_MAX, 5]);
});

test('a connected replica that reports nothing is noted as heard of', () => {
  const driver = settled();
  driver.subscribe(1, ['FR'], 100, 'r');
  driver.tickAt(3750);
  expect(inspect(driver.state).leases).toMatchObject([{ replica: 'r', expiresAt: 63_750 }]);
});
