import { describe, expect, test } from 'vitest';
import { OPEN_BYTES_MAX } from '../../../src/client/applier.ts';
import { CRASH_POINTS } from '../../../src/client/crash-points.ts';
import { LEASE_REPORT_MS } from '../../../src/client/lease.ts';
import { BACKOFF_MAX_MS } from '../../../src/client/machine.ts';
import { WAITERS_MAX, Waiters } from '../../../src/client/waiters.ts';
import { TidelockError } from '../../../src/core/errors.ts';
import { at, heartbeat, insert, remove, update } from './feed-lines.ts';
import {
  caughtUp,
  cutAfter,
  expectEqual,
  failing,
  last,
  live,
  setup,
  states,
} from './follower-setup.ts';
import { ManualClock, until } from './manual-clock.ts';
import { CITIES, lsn, MemoryStore } from './memory-store.ts';
import { failureAnswer, ModelServer, ndjson, once, textAnswer } from './model-server.ts';

describe('the first copy', () => {
  test('P7: the snapshot and the feed from its position give every change once', async () => {
    const server = new ModelServer();
    server.commit(insert(1, 'a'), insert(2, 'b', 'DE'));
    const made = setup({ server });
    made.follower.start();
    await made.follower.ready;
    server.commit(update(1, 'z'), insert(3, 'c'));
    await until(
      'the change is applied',
      () => made.files.store?.identity.position === server.upper,
    );
    expectEqual(made);
    expect(states(made).slice(0, 3)).toEqual(['bootstrapping', 'connecting', 'live']);
    expect(last(made, 'progress')).toMatchObject({ receivedBytes: expect.any(Number) });
    expect(made.files.leftOver).toBe(0);
  });

  test('P19: a broken download leaves nothing and starts again', async () => {
    const made = setup();
    made.server.commit(insert(1, 'a'));
    let tries = 0;
    made.server.mangle = (path, body) =>
      path === '/v1/snapshot' && tries++ < 3 ? cutAfter(body, 20) : body;
    made.follower.start();
    for (let round = 0; round < 3; round += 1) {
      await until('it waits', () => made.follower.state.kind === 'waiting');
      expect(made.files.store).toBeNull();
      expect(made.files.leftOver).toBe(0);
      made.clock.advance(BACKOFF_MAX_MS);
    }
    await caughtUp(made);
    expectEqual(made);
  });

  test('ready waits for the copy and rejects when it can never come', async () => {
    const made = setup();
    made.server.fault = () => failureAnswer(403, 'TOKEN_FORBIDS');
    made.follower.start();
    await expect(made.follower.ready).rejects.toMatchObject({ code: 'TOKEN_FORBIDS' });
    expect(made.follower.state.kind).toBe('failed');
  });
});

describe('following', () => {
  test('P1: a connection that breaks after every number of bytes loses and doubles nothing', async () => {
    const made = await live();
    let bytesMax = 1;
    made.server.mangle = (path, body) => (path === '/v1/feed' ? cutAfter(body, bytesMax) : body);
    made.clock.advance(20_000); // the first connection, which has no end, is taken for dead
    for (let round = 0; round < 60; round += 1) {
      await until('the connection breaks', () => made.follower.state.kind === 'waiting');
      made.server.commit(insert(round, 'x'), remove(round - 5));
      bytesMax += 17;
      made.clock.advance(BACKOFF_MAX_MS);
    }
    await until('the connection breaks', () => made.follower.state.kind === 'waiting');
    made.server.mangle = null;
    made.clock.advance(BACKOFF_MAX_MS);
    await caughtUp(made);
    expectEqual(made);
    const { commits = [] } = made.files.store ?? {};
    expect(commits).toEqual([...commits].sort((a, b) => a - b));
  });

  test('P27: a half-open connection is noticed after three heartbeats and replaced', async () => {
    const made = await live();
    made.clock.advance(14_000);
    expect(made.follower.state.kind).toBe('live');
    made.clock.advance(7_000);
    await until('it waits', () => made.follower.state.kind === 'waiting');
    expect(last(made, 'error')?.error).toMatchObject({ code: 'TIMEOUT' });
    made.server.commit(insert(1, 'a'));
    made.clock.advance(1_000);
    await caughtUp(made);
    expectEqual(made);
  });

  test('heartbeats keep a quiet connection', async () => {
    const made = await live();
    for (let round = 0; round < 20; round += 1) {
      made.clock.advance(5_000);
      made.server.say(heartbeat(made.server.idle()));
      await until(
        'the heartbeat is noted',
        () => made.files.store?.identity.position === made.server.upper,
      );
    }
    expect(states(made).filter((kind) => kind === 'waiting')).toEqual([]);
  });

  test.each([
    ['a proxy without server', () => textAnswer(502, '<html>Bad Gateway</html>')],
    ['a proxy that forbids', () => textAnswer(403, 'no')],
    ['a captive portal', () => textAnswer(200, '<html>Welcome</html>')],
    ['an empty success', () => textAnswer(200, '')],
    ['a busy server', () => failureAnswer(503, 'BUSY')],
    ['an unknown code', () => failureAnswer(500, 'WHATEVER')],
    ['an expired token', () => failureAnswer(401, 'TOKEN_INVALID')],
    ['nonsense of the right type', () => ndjson(once(new TextEncoder().encode('hello\n')))],
    ['a feed that ends at once', () => ndjson(once(new Uint8Array()))],
  ])('P27: %s is waited out, visibly', async (_name, answer) => {
    const store = new MemoryStore();
    const made = setup({ store });
    made.server.commit(insert(1, 'a'));
    made.server.fault = failing(1, answer);
    made.follower.start();
    await until('it waits', () => made.follower.state.kind === 'waiting');
    expect(last(made, 'error')).toBeDefined();
    made.clock.advance(BACKOFF_MAX_MS);
    await caughtUp(made);
    expectEqual(made);
  });

  test('a failed write keeps the position, shows why, and is tried again', async () => {
    const made = await live();
    const failure = new TidelockError({ code: 'REPLICA_WRITE_FAILED', message: 'disk full' });
    if (made.files.store !== null) made.files.store.failure = failure;
    made.server.commit(insert(1, 'a'));
    await until('it waits', () => made.follower.state.kind === 'waiting');
    expect(made.follower.position).toBe(100);
    made.clock.advance(1_000);
    await caughtUp(made);
    expectEqual(made);
  });

  test('a listener that throws does not stop the replica', async () => {
    const made = await live();
    const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
    const push = made.events.push.bind(made.events);
    made.events.push = (event) => {
      made.events.push = push;
      throw new Error(`listener of ${event.kind}`);
    };
    made.server.commit(insert(1, 'a'));
    await until('it is applied', () => made.files.store?.identity.position === made.server.upper);
    await expect(thrown).resolves.toMatchObject({ message: 'listener of applied' });
  });
});

describe('waiting for a position', () => {
  test('P9: resolves when the change is applied', async () => {
    const made = await live();
    const waiting = made.follower.waitFor(lsn(110), 1000);
    made.server.commit(insert(1, 'a'));
    await waiting;
    expect(made.files.store?.dump()).toHaveLength(1);
  });

  test('P24: resolves at once where nothing happens, without waiting for a heartbeat', async () => {
    const made = await live();
    const ts = made.server.idle();
    await made.follower.waitFor(lsn(ts), 1000);
    expect(made.follower.position).toBe(ts);
    expect(made.server.requests.slice(-2)).toEqual(['GET /v1/wait', 'GET /v1/feed']);
  });

  test('a change on its way is not overtaken by the question', async () => {
    const made = await live();
    const [first] = [made.server.idle(), made.server.commit(insert(1, 'a'))];
    await made.follower.waitFor(lsn(made.server.upper), 1000);
    expect(first).toBeLessThan(made.follower.position);
    expectEqual(made);
  });

  test('ends with TIMEOUT when the position does not come', async () => {
    const made = await live();
    made.server.fault = (_request, url) =>
      url.pathname === '/v1/wait' ? failureAnswer(503, 'SOURCE_DOWN') : undefined;
    const waiting = made.follower.waitFor(lsn(9999), 1000);
    made.clock.advance(1000);
    await expect(waiting).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('ends when the replica is closed', async () => {
    const made = await live();
    const waiting = made.follower.waitFor(lsn(9999), 1000);
    const rejected = expect(waiting).rejects.toMatchObject({ message: 'the replica is closed' });
    await made.follower.close();
    await rejected;
    await expect(made.follower.waitFor(lsn(1), 1)).rejects.toMatchObject({ code: 'NOT_READY' });
  });
});

describe('leases', () => {
  test('a moving replica reports at most every ten seconds, one that stands still does not', async () => {
    const made = await live();
    made.clock.advance(LEASE_REPORT_MS);
    made.server.leases.length = 0;
    for (let second = 0; second < 30; second += 1) {
      made.server.commit(insert(second, 'x'));
      await until('it is applied', () => made.follower.position === made.server.upper);
      made.clock.advance(LEASE_REPORT_MS / 10);
    }
    expect(made.server.leases.length).toBeGreaterThanOrEqual(2);
    expect(made.server.leases.length).toBeLessThanOrEqual(3);
    made.clock.advance(LEASE_REPORT_MS);
    const count = made.server.leases.length;
    made.clock.advance(LEASE_REPORT_MS - 1);
    expect(made.server.leases).toHaveLength(count);
  });

  test('a report that fails is a warning, not trouble', async () => {
    const made = await live();
    made.server.fault = (request) =>
      request.method === 'PUT' ? failureAnswer(503, 'NOT_READY') : undefined;
    made.clock.advance(LEASE_REPORT_MS);
    await until('there is a warning', () => last(made, 'warning') !== undefined);
    expect(made.follower.state).toEqual({ kind: 'live', isCaughtUp: true });
  });
});

test('more waits than the limit are refused', async () => {
  const waiters = new Waiters(new ManualClock(), lsn(1));
  const waiting = Array.from({ length: WAITERS_MAX }, () => waiters.wait(lsn(9), 1000));
  await expect(waiters.wait(lsn(9), 1000)).rejects.toMatchObject({ code: 'BUSY' });
  await expect(waiters.wait(lsn(1), 1000)).resolves.toBeUndefined();
  waiters.moved(lsn(9));
  await Promise.all(waiting);
});

test('closing at any moment leaves no timer, no lock and no open transaction', async () => {
  for (let turns = 0; turns < 25; turns += 1) {
    const made = setup();
    made.server.commit(insert(1, 'a'));
    made.follower.start();
    for (let turn = 0; turn < turns; turn += 1)
      await new Promise((resolve) => setImmediate(resolve));
    await made.follower.close();
    await made.follower.close();
    expect(made.follower.state.kind).toBe('closed');
    expect([made.clock.timers, made.files.isLocked, made.files.leftOver]).toEqual([0, false, 0]);
    expect(made.files.store?.isInTransaction ?? false).toBe(false);
    expect(made.files.store?.isClosed ?? true).toBe(true);
  }
});

test('P19: every crash point is passed on some way', async () => {
  const made = await live();
  made.server.commit(insert(1, 'a'));
  await until('it is applied', () => made.follower.position === made.server.upper);
  const large = Array.from({ length: 3 }, (_, id) => insert(id, 'x'.repeat(OPEN_BYTES_MAX / 2)));
  for (const line of large) made.server.say(line);
  await until('it is streamed', () => made.passed.has('stream: inside a large transaction'));
  made.server.say({ type: 'commit', ts: at(115), txid: '1', micros: 1 });
  await until('it is applied', () => made.follower.position === 115);
  made.server.commit({ type: 'resync', table: CITIES.name, reason: 'test' });
  made.server.upper = 120;
  await until('it is repaired', () => last(made, 'resync') !== undefined);
  await caughtUp(made);
  made.clock.advance(10_000);
  expect([...CRASH_POINTS].filter((point) => !made.passed.has(point))).toEqual([]);
});
