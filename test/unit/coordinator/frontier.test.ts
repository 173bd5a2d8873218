import { expect, test } from 'vitest';
import { inspect } from '../../../src/coordinator/inspect.ts';
import { NOTE_UPPER_MS } from '../../../src/coordinator/state.ts';
import { FRESH_LOG, facts, group, kinds, lsn, streaming } from './support.ts';

const NOTED = { kind: 'upperNoted', lsn: lsn(250) } as const;

test('P29: an append confirms the end of its last transaction, once', () => {
  const driver = streaming();
  const effects = driver.appended(group(200, ['FR']), group(210, ['DE']));
  expect(effects).toEqual([{ kind: 'confirmSlot', lsn: 210 }]);
});

test('P29: a keepalive confirms nothing before its position is durable', () => {
  const driver = streaming();
  expect(driver.effects({ kind: 'keepalive', lsn: lsn(250) })).toEqual([
    { kind: 'noteUpper', lsn: 250 },
  ]);
  expect(inspect(driver.state).log.upper).toBe(100);
  expect(driver.effects(NOTED)).toEqual([{ kind: 'confirmSlot', lsn: 250 }]);
  expect(inspect(driver.state).log.upper).toBe(250);
});

test('an idle source is noted once per interval, with the last position', () => {
  const driver = streaming();
  driver.effects({ kind: 'keepalive', lsn: lsn(250) });
  driver.effects(NOTED);
  driver.now = 10;
  expect(driver.step({ kind: 'keepalive', lsn: lsn(260) })).toEqual([
    { kind: 'setTimer', at: NOTE_UPPER_MS },
  ]);
  driver.now = 20;
  expect(driver.step({ kind: 'keepalive', lsn: lsn(270) })).toEqual([]);
  expect(driver.tickAt(NOTE_UPPER_MS)).toEqual([{ kind: 'noteUpper', lsn: 270 }]);
});

test('a keepalive while a note is in flight is noted later', () => {
  const driver = streaming();
  driver.effects({ kind: 'keepalive', lsn: lsn(250) });
  expect(driver.effects({ kind: 'keepalive', lsn: lsn(260) })).toEqual([]);
  driver.now = NOTE_UPPER_MS;
  expect(driver.effects(NOTED)).toEqual([
    { kind: 'confirmSlot', lsn: 250 },
    { kind: 'noteUpper', lsn: 260 },
  ]);
});

test('P24: read your writes on an idle source: a wait has the position noted at once', () => {
  const driver = streaming();
  driver.effects({ kind: 'keepalive', lsn: lsn(250) });
  driver.effects(NOTED);
  driver.effects({ kind: 'wait', id: 1, ts: lsn(300), deadline: 5000 });
  expect(driver.effects({ kind: 'keepalive', lsn: lsn(299) })).toEqual([]);
  expect(driver.effects({ kind: 'keepalive', lsn: lsn(300) })).toEqual([
    { kind: 'noteUpper', lsn: 300 },
  ]);
  expect(driver.effects({ kind: 'upperNoted', lsn: lsn(300) })).toEqual([
    { kind: 'finishWait', id: 1, outcome: 'reached' },
    { kind: 'confirmSlot', lsn: 300 },
  ]);
});

test('a wait for a position that a keepalive already brought has it noted at once', () => {
  const driver = streaming();
  driver.effects({ kind: 'keepalive', lsn: lsn(250) });
  driver.effects(NOTED);
  driver.effects({ kind: 'keepalive', lsn: lsn(300) });
  expect(driver.effects({ kind: 'wait', id: 1, ts: lsn(280), deadline: 5000 })).toEqual([
    { kind: 'noteUpper', lsn: 300 },
  ]);
});

test('read your writes with an asynchronous commit: the wait ends when the transaction is durable', () => {
  const driver = streaming();
  driver.effects({ kind: 'wait', id: 1, ts: lsn(210), deadline: 5000 });
  expect(driver.appended(group(200, ['FR']))).toEqual([{ kind: 'confirmSlot', lsn: 200 }]);
  expect(driver.appended(group(210, ['FR']))).toEqual([
    { kind: 'finishWait', id: 1, outcome: 'reached' },
    { kind: 'confirmSlot', lsn: 210 },
  ]);
});

test('an append makes older keepalives superfluous', () => {
  const driver = streaming();
  driver.effects({ kind: 'keepalive', lsn: lsn(250) });
  driver.effects(NOTED);
  driver.effects({ kind: 'keepalive', lsn: lsn(300) });
  driver.appended(group(310, ['FR']));
  expect(driver.tickAt(NOTE_UPPER_MS)).toEqual([]);
});

test('P29: while the log cannot be written nothing is read, noted or confirmed', () => {
  const driver = streaming();
  expect(driver.effects({ kind: 'appendFailed', reason: 'disk full' })).toEqual([
    { kind: 'pauseSource' },
  ]);
  expect(inspect(driver.state).log).toMatchObject({ state: 'failed', reason: 'disk full' });
  expect(driver.effects({ kind: 'keepalive', lsn: lsn(250) })).toEqual([]);
  expect(driver.tickAt(499)).toEqual([]);
  expect(driver.tickAt(500)).toEqual([{ kind: 'retryAppend' }]);
  expect(driver.tickAt(1000)).toEqual([]);
  expect(driver.effects({ kind: 'appendFailed', reason: 'disk full' })).toEqual([]);
  expect(driver.tickAt(1500)).toEqual([{ kind: 'retryAppend' }]);
  expect(driver.appended(group(200, ['FR']))).toEqual([
    { kind: 'resumeSource' },
    { kind: 'confirmSlot', lsn: 200 },
  ]);
  expect(inspect(driver.state).log.state).toBe('ok');
});

test('a note that failed is retried like an append', () => {
  const driver = streaming();
  driver.effects({ kind: 'keepalive', lsn: lsn(250) });
  driver.effects({ kind: 'appendFailed', reason: 'disk full' });
  expect(driver.tickAt(500)).toEqual([{ kind: 'retryAppend' }]);
  expect(driver.effects(NOTED)).toEqual([
    { kind: 'resumeSource' },
    { kind: 'confirmSlot', lsn: 250 },
  ]);
});

test('a log that failed is tried again by the next stream, not over a lost one', () => {
  const driver = streaming();
  driver.effects({ kind: 'appendFailed', reason: 'disk full' });
  driver.effects({ kind: 'sourceLost', reason: 'cut', isUnfit: false });
  expect(driver.tickAt(1000)).toEqual([{ kind: 'connectSource' }]);
  driver.effects({ kind: 'sourceConnected', facts: facts() });
  expect(inspect(driver.state).log.state).toBe('failed');
  expect(driver.effects({ kind: 'streamStarted' })).toEqual([]);
  expect(driver.effects({ kind: 'appendFailed', reason: 'disk full' })).toEqual([
    { kind: 'pauseSource' },
  ]);
});

test('P18: a position that a lost connection brought is not taken over to the next', () => {
  const driver = streaming();
  driver.effects({ kind: 'keepalive', lsn: lsn(250) });
  driver.effects({ kind: 'sourceLost', reason: 'cut', isUnfit: false });
  expect(driver.effects(NOTED)).toEqual([]);
  expect(inspect(driver.state).log.upper).toBe(100);
});

test('the slot is not confirmed over a lost connection', () => {
  const driver = streaming();
  driver.effects({ kind: 'sourceLost', reason: 'cut', isUnfit: false });
  expect(driver.appended(group(200, ['FR']))).toEqual([]);
  expect(inspect(driver.state)).toMatchObject({ log: { upper: 200 }, source: { confirmed: 100 } });
});

test('P5: parts of a large transaction move nothing and wake nobody before the last one', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100);
  driver.caughtUp(1, 100);
  const open = { isComplete: false };
  expect(driver.appended(group(200, ['FR'], { seq: 1, ...open }))).toEqual([]);
  expect(driver.appended(group(200, ['DE'], { seq: 2, ...open }))).toEqual([]);
  expect(driver.caughtUp(1, 100)).toEqual([]);
  expect(driver.appended(group(200, ['IT'], { seq: 3 }))).toEqual([
    { kind: 'wake', ids: [1], after: 100 },
    { kind: 'confirmSlot', lsn: 200 },
  ]);
});

test('P5: the last part wakes everybody when an earlier part concerned everybody', () => {
  const driver = streaming();
  driver.subscribe(1, ['FR'], 100);
  driver.caughtUp(1, 100);
  driver.appended(group(200, [], { seq: 1, isComplete: false, hasAll: true }));
  expect(kinds(driver.appended(group(200, [], { seq: 2 })))).toEqual(['wake', 'confirmSlot']);
  expect(kinds(driver.appended(group(210, [], { seq: 3 })))).toEqual(['confirmSlot']);
});

test('an append at or before the upper is a bug of ours and stops the program', () => {
  const driver = streaming();
  driver.appended(group(200, ['FR'], { seq: 1 }));
  expect(() => driver.appended(group(200, ['FR'], { seq: 2 }))).toThrow('group 2 at 200');
});

test('groups out of order stop the program', () => {
  const driver = streaming();
  driver.appended(group(200, ['FR'], { seq: 2 }));
  expect(() => driver.appended(group(210, ['FR'], { seq: 2 }))).toThrow('group 2 follows 2');
});

test('the same events give the same effects', () => {
  const run = () => {
    const driver = streaming(FRESH_LOG);
    driver.subscribe(1, ['FR', 'DE'], 100, 'replica');
    driver.caughtUp(1, 100);
    driver.appended(group(200, ['FR', 'DE'], { hasAll: true }));
    driver.effects({ kind: 'keepalive', lsn: lsn(250) });
    driver.tickAt(70_000);
    return JSON.stringify([driver.all, inspect(driver.state)]);
  };
  expect(run()).toBe(run());
});
