import { expect, test } from 'vitest';
import type { CoordinatorView } from '../../../src/coordinator/inspect.ts';
import { inspect } from '../../../src/coordinator/inspect.ts';
import { Driver, FRESH_LOG, facts, group, kinds, lsn, streaming } from './support.ts';

/** The history of `FRESH_LOG`, after its restart hold is over, at time zero of the test. */
function settled(policy: Parameters<typeof streaming>[1] = {}): Driver {
  const driver = streaming(FRESH_LOG, policy);
  driver.state.restartHold = null;
  return driver;
}

function holdsOf(driver: Driver): CoordinatorView['holds'] {
  return inspect(driver.state).holds.filter(({ kind }) => kind !== 'policy');
}

test('P25: groups go when they are old enough and nobody holds them', () => {
  const driver = settled();
  driver.appended(group(200, ['FR']));
  driver.now = 5000;
  driver.appended(group(210, ['FR']));
  expect(driver.tickAt(9999)).toEqual([]);
  expect(driver.tickAt(10_000)).toEqual([{ kind: 'purge', seq: 200 }]);
  expect(inspect(driver.state).log).toMatchObject({ since: 200, groups: 1, sizeBytes: 100 });
  expect(driver.subscribe(1, ['FR'], 199)).toEqual([
    { kind: 'rejectSubscriber', id: 1, code: 'TOO_OLD' },
  ]);
});

test('P25: a lease keeps what its replica has not got', () => {
  const driver = settled();
  driver.lease('r', 200);
  driver.appended(group(200, ['FR']), group(210, ['FR']));
  expect(driver.tickAt(10_000)).toEqual([{ kind: 'purge', seq: 200 }]);
  expect(driver.tickAt(20_000)).toEqual([]);
  driver.lease('r', 210);
  expect(driver.tickAt(21_000)).toEqual([{ kind: 'purge', seq: 210 }]);
});

test('P25: a dead replica loses its lease, and then its groups', () => {
  const driver = settled();
  driver.lease('r', 100);
  // The slot depends on the log alone: a dead replica retains no WAL.
  expect(driver.appended(group(200, ['FR']))).toEqual([{ kind: 'confirmSlot', lsn: 200 }]);
  expect(driver.tickAt(59_000)).toEqual([]);
  expect(driver.tickAt(59_999)).toEqual([]);
  expect(driver.tickAt(60_000)).toEqual([{ kind: 'purge', seq: 200 }]);
  expect(inspect(driver.state).leases).toEqual([]);
  expect(driver.subscribe(1, ['FR'], 100, 'r')).toEqual([
    { kind: 'rejectSubscriber', id: 1, code: 'TOO_OLD' },
  ]);
});

test('a replica that is heard of keeps its lease', () => {
  const driver = settled();
  driver.lease('r', 100);
  driver.now = 50_000;
  driver.lease('r', 100);
  driver.tickAt(60_000);
  expect(inspect(driver.state).leases).toMatchObject([{ replica: 'r', expiresAt: 110_000 }]);
  driver.tickAt(110_000);
  expect(inspect(driver.state).leases).toEqual([]);
});

test('a connected replica counts as heard of; its lease runs from the end of the connection', () => {
  const driver = settled();
  driver.subscribe(1, ['FR'], 100, 'r');
  driver.subscribe(2, ['FR'], 100, 'r');
  driver.tickAt(60_000);
  driver.tickAt(200_000);
  driver.effects({ kind: 'unsubscribe', id: 1 });
  driver.tickAt(290_000);
  expect(inspect(driver.state).leases).toMatchObject([{ replica: 'r', isConnected: true }]);
  driver.effects({ kind: 'unsubscribe', id: 2 });
  driver.tickAt(349_999);
  expect(inspect(driver.state).leases).toMatchObject([{ replica: 'r', isConnected: false }]);
  driver.tickAt(350_000);
  expect(inspect(driver.state).leases).toEqual([]);
});

test('a late report does not move a lease back', () => {
  const driver = settled();
  driver.lease('r', 200);
  driver.lease('r', 150);
  expect(inspect(driver.state).leases).toMatchObject([{ ts: 200 }]);
});

test('a replica that starts anew moves its lease back: by a hold, or by where it reads from', () => {
  const driver = settled();
  driver.lease('r', 200);
  driver.effects({ kind: 'hold', hold: 'snapshot-1', ts: lsn(150), replica: 'r' });
  expect(inspect(driver.state).leases).toMatchObject([{ ts: 150 }]);
  driver.lease('r', 200);
  driver.subscribe(1, ['FR'], 160, 'r');
  expect(inspect(driver.state).leases).toMatchObject([{ ts: 160 }]);
});

test('a lease given up holds nothing', () => {
  const driver = settled();
  driver.lease('r', 100);
  driver.appended(group(200, ['FR']));
  driver.tickAt(10_000);
  driver.effects({ kind: 'endLease', replica: 'r' });
  expect(driver.tickAt(11_000)).toEqual([{ kind: 'purge', seq: 200 }]);
});

test('a snapshot holds what commits after it until it is released', () => {
  const driver = settled();
  driver.appended(group(200, ['FR']));
  driver.effects({ kind: 'hold', hold: 'snapshot-1', ts: lsn(150) });
  expect(driver.tickAt(10_000)).toEqual([]);
  expect(holdsOf(driver)).toEqual([
    { kind: 'snapshot', owner: 'snapshot-1', ts: 150, state: 'held' },
  ]);
  driver.effects({ kind: 'release', hold: 'snapshot-1' });
  driver.effects({ kind: 'release', hold: 'snapshot-1' });
  expect(driver.tickAt(11_000)).toEqual([{ kind: 'purge', seq: 200 }]);
});

test('a hold that comes too late is broken from the start and holds nothing', () => {
  const driver = settled();
  driver.effects({ kind: 'hold', hold: 'snapshot-1', ts: lsn(99) });
  expect(holdsOf(driver)).toEqual([
    { kind: 'snapshot', owner: 'snapshot-1', ts: 99, state: 'broken' },
  ]);
  driver.appended(group(200, ['FR']));
  expect(driver.tickAt(10_000)).toEqual([{ kind: 'purge', seq: 200 }]);
});

test('a reading subscriber holds the log from where it stands', () => {
  const driver = settled();
  driver.subscribe(1, ['FR'], 100);
  driver.appended(group(200, ['FR']), group(210, ['FR']));
  expect(driver.tickAt(10_000)).toEqual([]);
  driver.effects({ kind: 'advanced', id: 1, ts: lsn(200) });
  expect(driver.tickAt(11_000)).toEqual([{ kind: 'purge', seq: 200 }]);
});

test('a waiting subscriber needs nothing that is there, however long it waits', () => {
  const driver = settled();
  driver.subscribe(1, ['FR'], 100);
  driver.caughtUp(1, 100);
  driver.appended(group(200, ['DE']));
  expect(driver.tickAt(10_000)).toEqual([{ kind: 'purge', seq: 200 }]);
  const [wake] = driver.appended(group(210, ['FR']));
  expect(wake).toEqual({ kind: 'wake', ids: [1], after: 200 });
});

test('over the byte limit the oldest groups go, whoever holds them, and that is visible', () => {
  const driver = settled({ logBytesMax: 1000 });
  driver.lease('old', 100);
  driver.lease('new', 300);
  driver.effects({ kind: 'hold', hold: 'snapshot-1', ts: lsn(100) });
  driver.subscribe(1, ['FR'], 100);
  driver.subscribe(2, ['FR'], 300);
  driver.appended(group(200, ['FR'], { sizeBytes: 600 }), group(300, ['FR'], { sizeBytes: 300 }));
  expect(driver.appended(group(310, ['FR'], { sizeBytes: 200 }))).toEqual([
    { kind: 'endSubscribers', ids: [1], code: 'TOO_OLD' },
    { kind: 'confirmSlot', lsn: 310 },
    { kind: 'purge', seq: 200 },
  ]);
  expect(holdsOf(driver)).toEqual([
    { kind: 'lease', owner: 'old', ts: 100, state: 'broken' },
    { kind: 'lease', owner: 'new', ts: 300, state: 'held' },
    { kind: 'snapshot', owner: 'snapshot-1', ts: 100, state: 'broken' },
    { kind: 'subscriber', owner: '2', ts: 300, state: 'held' },
  ]);
});

test('a waiting subscriber is ended when the very transaction for it does not fit', () => {
  const driver = settled({ logBytesMax: 1000 });
  driver.subscribe(1, ['FR'], 100);
  driver.subscribe(2, ['DE'], 100);
  driver.caughtUp(1, 100);
  driver.caughtUp(2, 100);
  expect(driver.appended(group(200, ['FR'], { sizeBytes: 2000 }))).toEqual([
    { kind: 'endSubscribers', ids: [1], code: 'TOO_OLD' },
    { kind: 'confirmSlot', lsn: 200 },
    { kind: 'purge', seq: 200 },
  ]);
  expect(inspect(driver.state).subscribers).toEqual({ total: 1, waiting: 1 });
});

test('a broken lease is held again when its replica has caught up by a new snapshot', () => {
  const driver = settled({ logBytesMax: 1000 });
  driver.lease('r', 100);
  driver.appended(group(200, ['FR'], { sizeBytes: 2000 }));
  driver.lease('r', 150);
  expect(inspect(driver.state).leases).toMatchObject([{ ts: 150, state: 'broken' }]);
  driver.lease('r', 200);
  expect(inspect(driver.state).leases).toMatchObject([{ ts: 200, state: 'held' }]);
});

test('parts of a transaction that is not complete are never cut', () => {
  const driver = settled({ logBytesMax: 1000 });
  const part = { isComplete: false, sizeBytes: 2000 };
  expect(driver.appended(group(200, ['FR'], { seq: 1, ...part }))).toEqual([]);
  expect(driver.tickAt(10_000)).toEqual([]);
  expect(kinds(driver.appended(group(200, ['FR'], { seq: 2 })))).toEqual(['confirmSlot', 'purge']);
});

test('a log that is over its limit at the start is cut at once', () => {
  const groups = [
    { seq: 1, lastTs: lsn(150), sizeBytes: 900 },
    { seq: 2, lastTs: lsn(200), sizeBytes: 200 },
  ];
  const driver = new Driver({ ...FRESH_LOG, upper: lsn(200), groups }, { logBytesMax: 1000 });
  expect(driver.effects({ kind: 'start' })).toEqual([
    { kind: 'purge', seq: 1 },
    { kind: 'connectSource' },
  ]);
  expect(holdsOf(driver)).toEqual([{ kind: 'restart', owner: 'restart', ts: 150, state: 'held' }]);
});

test('groups from before a restart count from the start', () => {
  const groups = [{ seq: 1, lastTs: lsn(200), sizeBytes: 100 }];
  const driver = streaming({ ...FRESH_LOG, upper: lsn(200), groups }, { keepS: 100, leaseS: 1 });
  expect(driver.tickAt(99_999)).toEqual([]);
  expect(driver.tickAt(100_000)).toEqual([{ kind: 'purge', seq: 1 }]);
});

test('a long held log does not keep the timer busy', () => {
  const driver = settled();
  driver.lease('r', 100);
  driver.appended(group(200, ['FR']));
  driver.now = 10_000;
  const [next] = driver.step({ kind: 'tick' });
  expect(next).toEqual({ kind: 'setTimer', at: 60_000 });
});

test('reports of replicas do not set timers; the first that may expire has one', () => {
  const driver = settled();
  driver.state.timerAt = Number.POSITIVE_INFINITY;
  const stored = expect.objectContaining({ kind: 'storeLeases' });
  expect(driver.step({ kind: 'lease', replica: 'r', ts: lsn(100) })).toEqual([
    stored,
    { kind: 'setTimer', at: 60_000 },
  ]);
  driver.now = 10;
  // Stored at once after a quiet time, then in a batch: that has a timer.
  expect(driver.step({ kind: 'lease', replica: 'r', ts: lsn(100) })).toEqual([stored]);
  expect(driver.step({ kind: 'lease', replica: 'r', ts: lsn(100) })).toEqual([
    { kind: 'setTimer', at: 5010 },
  ]);
  expect(driver.step({ kind: 'lease', replica: 'r', ts: lsn(100) })).toEqual([]);
  driver.now = 5010;
  expect(driver.step({ kind: 'tick' })).toEqual([stored, { kind: 'setTimer', at: 60_010 }]);
  driver.now = 60_000;
  expect(driver.step({ kind: 'tick' })).toEqual([{ kind: 'setTimer', at: 60_010 }]);
});

test('a new history begins with an empty log and no holds', () => {
  const driver = settled();
  driver.lease('r', 100);
  driver.appended(group(200, ['FR']));
  driver.effects({ kind: 'sourceLost', reason: 'cut', isUnfit: false });
  driver.tickAt(100);
  driver.effects({ kind: 'sourceConnected', facts: facts({ slot: null }) });
  driver.effects({ kind: 'historyStarted', timeline: 'sys-2', startTs: lsn(400) });
  expect(inspect(driver.state)).toMatchObject({
    timeline: 'sys-2',
    generation: 2,
    log: { upper: 400, since: 400, sizeBytes: 0, groups: 0 },
    leases: [],
  });
});

test('P25: a merged group goes when the youngest of its transactions may go', () => {
  const driver = settled();
  driver.appended(group(200, ['FR']));
  driver.now = 5000;
  driver.appended(group(210, ['FR']), group(220, ['FR']));
  driver.effects({ kind: 'groupsMerged', firstSeq: 200, seq: 210, sizeBytes: 150 });
  expect(inspect(driver.state).log).toMatchObject({ groups: 2, sizeBytes: 250 });
  expect(driver.tickAt(10_000)).toEqual([]);
  expect(driver.tickAt(15_000)).toEqual([{ kind: 'purge', seq: 220 }]);
  expect(inspect(driver.state).log).toMatchObject({ since: 220, groups: 0, sizeBytes: 0 });
});

test('P25: whoever has not got all of a merged group holds all of it', () => {
  const driver = settled();
  driver.lease('r', 200);
  driver.appended(group(200, ['FR']), group(210, ['FR']));
  driver.effects({ kind: 'groupsMerged', firstSeq: 200, seq: 210, sizeBytes: 150 });
  expect(driver.tickAt(10_000)).toEqual([]);
  driver.lease('r', 210);
  expect(driver.tickAt(11_000)).toEqual([{ kind: 'purge', seq: 210 }]);
});

test('a merge that ends in a group nobody knows is a broken invariant', () => {
  const driver = settled();
  driver.appended(group(200, ['FR']), group(210, ['FR']));
  const merge = (firstSeq: number, seq: number) => () =>
    driver.effects({ kind: 'groupsMerged', firstSeq, seq, sizeBytes: 100 });
  expect(merge(199, 210)).toThrow('C14');
  expect(merge(200, 205)).toThrow('C14');
});
