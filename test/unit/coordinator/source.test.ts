import { expect, test } from 'vitest';
import { inspect } from '../../../src/coordinator/inspect.ts';
import { Driver, facts, group, kinds, lsn, NO_LOG, streaming } from './support.ts';

const LOST = { kind: 'sourceLost', reason: 'cut', isUnfit: false } as const;

test('the first start makes a slot and a history, then connects to it', () => {
  const driver = new Driver(NO_LOG);
  driver.step({ kind: 'start' });
  driver.step({ kind: 'sourceConnected', facts: facts({ slot: null }) });
  driver.step({ kind: 'historyStarted', timeline: 'sys-1', startTs: lsn(100) });
  driver.step({ kind: 'sourceConnected', facts: facts() });
  expect(driver.all).toEqual([
    { kind: 'connectSource' },
    { kind: 'startHistory', generation: 1, reason: 'first start' },
    { kind: 'connectSource' },
    { kind: 'startStream', after: 100 },
  ]);
});

test('P20: a lost slot ends the readers before the new history starts', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100, 'replica');
  driver.effects({ kind: 'wait', id: 5, ts: lsn(900), deadline: 60_000 });
  driver.effects({ kind: 'hold', hold: 'snapshot', ts: lsn(100) });
  driver.effects(LOST);
  driver.tickAt(100);
  expect(driver.effects({ kind: 'sourceConnected', facts: facts({ slot: null }) })).toEqual([
    { kind: 'endSubscribers', ids: [1], code: 'TIMELINE_CHANGED' },
    { kind: 'finishWait', id: 5, outcome: 'ended' },
    { kind: 'startHistory', generation: 2, reason: 'the slot is gone' },
  ]);
  expect(inspect(driver.state).holds).toEqual([
    { kind: 'policy', owner: 'policy', ts: 100, state: 'held' },
  ]);
});

test('P18: readers of the old history are refused until and after the new one stands', () => {
  const driver = new Driver();
  driver.step({ kind: 'start' });
  driver.step({ kind: 'sourceConnected', facts: facts({ systemId: 'other' }) });
  expect(driver.subscribe(1, ['FR'], 100)).toEqual([
    { kind: 'rejectSubscriber', id: 1, code: 'NOT_READY' },
  ]);
  driver.step({ kind: 'historyStarted', timeline: 'other-2', startTs: lsn(50) });
  expect(driver.subscribe(2, ['FR'], 100)).toEqual([
    { kind: 'rejectSubscriber', id: 2, code: 'TIMELINE_CHANGED' },
  ]);
});

test('P18: a history found broken stays broken, even when the source looks sound again', () => {
  const driver = streaming();
  driver.appended(group(200, ['FR']));
  driver.effects(LOST);
  driver.tickAt(100);
  driver.effects({ kind: 'sourceConnected', facts: facts({ flushed: lsn(150) }) });
  driver.effects(LOST);
  driver.tickAt(1000);
  const effects = driver.effects({ kind: 'sourceConnected', facts: facts({ flushed: lsn(900) }) });
  expect(effects).toEqual([
    { kind: 'startHistory', generation: 2, reason: expect.stringContaining('Postgres went back') },
  ]);
});

test('P18: a promotion without loss is noted before the stream starts, and kept once it runs', () => {
  const driver = new Driver();
  driver.step({ kind: 'start' });
  const promoted = facts({ walTimeline: 2, switchedAt: lsn(100) });
  expect(driver.effects({ kind: 'sourceConnected', facts: promoted })).toEqual([
    { kind: 'noteWalTimeline', walTimeline: 2 },
    { kind: 'startStream', after: 100 },
  ]);
  expect(driver.state.history.walTimeline).toBe(1);
  driver.step({ kind: 'streamStarted' });
  expect(driver.state.history.walTimeline).toBe(2);
});

test('P2: a slot that went back is confirmed again as soon as the stream runs', () => {
  const driver = streaming();
  driver.appended(group(200, ['FR']));
  driver.effects(LOST);
  driver.tickAt(100);
  expect(driver.effects({ kind: 'sourceConnected', facts: facts() })).toEqual([
    { kind: 'startStream', after: 200 },
  ]);
  expect(driver.effects({ kind: 'streamStarted' })).toEqual([{ kind: 'confirmSlot', lsn: 200 }]);
});

test('a slot in use is left alone and tried again', () => {
  const driver = new Driver();
  driver.step({ kind: 'start' });
  const slot = { confirmed: lsn(900), isLost: false, activePid: 7 };
  expect(driver.effects({ kind: 'sourceConnected', facts: facts({ slot }) })).toEqual([]);
  expect(inspect(driver.state).source).toMatchObject({
    phase: 'waiting',
    trouble: 'slotBusy',
    reason: 'the slot is in use by process 7',
  });
  expect(driver.tickAt(100)).toEqual([{ kind: 'connectSource' }]);
});

test('reconnecting waits twice as long after each failure, up to the limit', () => {
  const driver = new Driver();
  driver.step({ kind: 'start' });
  const delays: number[] = [];
  for (let attempt = 0; attempt < 8; attempt += 1) {
    driver.effects(LOST);
    const due = driver.state.source.retryAt;
    delays.push(due - driver.now);
    expect(kinds(driver.tickAt(due - 1))).toEqual([]);
    expect(kinds(driver.tickAt(due))).toEqual(['connectSource']);
  }
  expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
});

test('only a stream that delivered something resets the delay', () => {
  const driver = streaming();
  driver.effects(LOST);
  driver.tickAt(100);
  driver.step({ kind: 'sourceConnected', facts: facts() });
  driver.step({ kind: 'streamStarted' });
  driver.effects(LOST);
  expect(driver.state.source.retryAt - driver.now).toBe(200);
  driver.tickAt(300);
  driver.step({ kind: 'sourceConnected', facts: facts() });
  driver.step({ kind: 'streamStarted' });
  driver.step({ kind: 'keepalive', lsn: lsn(100) });
  driver.effects(LOST);
  expect(driver.state.source.retryAt - driver.now).toBe(100);
});

test('what only an operator can mend is tried at the longest delay', () => {
  const driver = new Driver();
  driver.step({ kind: 'start' });
  driver.effects({ kind: 'sourceLost', reason: 'wal_level is replica', isUnfit: true });
  expect(driver.state.source.retryAt).toBe(5000);
  expect(inspect(driver.state).source).toMatchObject({
    trouble: 'unfit',
    reason: 'wal_level is replica',
  });
});

test('histories that never stream do not follow each other without a delay', () => {
  const driver = new Driver(NO_LOG);
  driver.step({ kind: 'start' });
  driver.step({ kind: 'sourceConnected', facts: facts({ slot: null }) });
  driver.step({ kind: 'historyStarted', timeline: 'sys-1', startTs: lsn(100) });
  driver.step({ kind: 'sourceConnected', facts: facts({ slot: null }) });
  expect(driver.effects({ kind: 'historyStarted', timeline: 'sys-2', startTs: lsn(200) })).toEqual(
    [],
  );
  expect(driver.state.source.phase).toBe('waiting');
  expect(driver.tickAt(100)).toEqual([{ kind: 'connectSource' }]);
});

test('draining refuses new readers and goes on with the present ones', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100);
  driver.caughtUp(1, 100);
  driver.effects({ kind: 'drain' });
  expect(driver.subscribe(2, ['FR'], 100)).toEqual([
    { kind: 'rejectSubscriber', id: 2, code: 'BUSY' },
  ]);
  expect(kinds(driver.appended(group(200, ['FR'])))).toEqual(['wake', 'confirmSlot']);
});
