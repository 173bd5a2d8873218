import { afterEach, describe, expect, test } from 'vitest';
import { CRASH_POINTS } from '../../../src/client/crash-points.ts';
import type { ReplicaEvent, ReplicaEventOf } from '../../../src/client/events.ts';
import { Follower } from '../../../src/client/follower.ts';
import { BACKOFF_MAX_MS } from '../../../src/client/machine.ts';
import { ServerApi } from '../../../src/client/server-api.ts';
import { TidelockError } from '../../../src/core/errors.ts';
import { at, heartbeat, insert, progress, remove, update } from './feed-lines.ts';
import { ManualClock, until } from './manual-clock.ts';
import { MemoryFiles } from './memory-files.ts';
import { CITIES, digestsOf, lsn, MemoryStore } from './memory-store.ts';
import { failureAnswer, ModelServer, ndjson, once, textAnswer } from './model-server.ts';

type Setup = {
  readonly server: ModelServer;
  readonly files: MemoryFiles;
  readonly clock: ManualClock;
  readonly events: ReplicaEvent[];
  readonly passed: Set<string>;
  readonly follower: Follower;
};

const open: Follower[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((follower) => follower.close()));
});

function setup(
  options: { store?: MemoryStore; selectors?: string[]; server?: ModelServer } = {},
): Setup {
  const server = options.server ?? new ModelServer();
  const files = new MemoryFiles(options.store ?? null);
  const clock = new ManualClock();
  const events: ReplicaEvent[] = [];
  const passed = new Set<string>();
  const follower = new Follower({
    ...{ files, clock, api: new ServerApi(server), server: 'http://model' },
    random: () => 0.5,
    newId: () => 'r1',
    selectors: options.selectors ?? ['FR'],
    onEvent: (event) => events.push(event),
    crashPoint: (point) => passed.add(point),
  });
  open.push(follower);
  return { server, files, clock, events, passed, follower };
}

/** A follower that has its first copy and is caught up. */
async function live(options: Parameters<typeof setup>[0] = {}): Promise<Setup> {
  const made = setup(options);
  made.follower.start();
  await caughtUp(made);
  return made;
}

async function caughtUp({ follower }: Setup): Promise<void> {
  await until('the replica is caught up', () => {
    const { state } = follower;
    return state.kind === 'live' && state.isCaughtUp;
  });
}

function last<K extends ReplicaEvent['kind']>(made: Setup, kind: K): ReplicaEventOf<K> | undefined {
  return made.events.findLast((event) => event.kind === kind) as ReplicaEventOf<K> | undefined;
}

function states(made: Setup): string[] {
  return made.events.flatMap((event) => (event.kind === 'state' ? [event.state.kind] : []));
}

/** Postgres and the replica hold the same for these selectors. */
function expectEqual({ files, server }: Setup, selectors = ['FR']): void {
  const theirs = server.content(selectors).rows.get(CITIES.name)?.values() ?? [];
  expect(files.store?.dump()).toEqual([...theirs].map((row) => JSON.stringify(row.cells)).sort());
}

/** A network that fails a number of times, then works. */
function failing(times: number, make: () => ReturnType<typeof textAnswer>): ModelServer['fault'] {
  let left = times;
  return () => (left-- > 0 ? make() : undefined);
}

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

describe('re-synchronisation by difference', () => {
  async function away(): Promise<Setup> {
    const server = new ModelServer();
    for (let id = 0; id < 50; id += 1) server.commit(insert(id, 'x'));
    const made = await live({ server });
    await made.follower.close();
    server.commit(update(7, 'y'), remove(8), insert(99, 'n'));
    return made;
  }

  test('P25: a replica older than the log gets the difference, not a copy', async () => {
    const before = await away();
    before.server.cut();
    before.server.requests.length = 0;
    const made = await live({ server: before.server, ...storeOf(before) });
    expectEqual(made);
    expect(last(made, 'resync')).toMatchObject({
      inserted: 1,
      updated: 1,
      deleted: 1,
      ts: at(made.server.upper),
    });
    expect(last(made, 'resync')?.reason).toContain('TOO_OLD');
    expect(made.server.requests).not.toContain('GET /v1/snapshot');
  });

  test('P18: another timeline gets the difference, and its lower positions are taken', async () => {
    const before = await away();
    Object.assign(before.server, { timeline: 'T2', snapshotTs: 20 });
    const server = new ModelServer();
    Object.assign(server, { timeline: 'T2', upper: 0, since: 0 });
    server.commit(insert(1, 'x'), insert(2, 'x'));
    const made = await live({ server, ...storeOf(before) });
    expectEqual(made);
    expect(made.files.store?.identity).toMatchObject({ timeline: 'T2', position: 10 });
    expect(last(made, 'resync')).toMatchObject({ timeline: 'T2', deleted: 48 });
  });

  test('other selectors in the request than in the file get the difference', async () => {
    const before = await away();
    before.server.commit(insert(500, 'd', 'DE'));
    const made = await live({ server: before.server, ...storeOf(before), selectors: ['DE', 'FR'] });
    expectEqual(made, ['FR', 'DE']);
    expect(made.files.store?.identity.selectors).toEqual(['DE', 'FR']);
    await made.follower.close();
    const fewer = await live({ server: before.server, ...storeOf(made), selectors: ['DE'] });
    expectEqual(fewer, ['DE']);
  });

  test('a digest that does not agree is repaired, and only the wrong rows are touched', async () => {
    const made = await live();
    for (let id = 0; id < 50; id += 1) made.server.commit(insert(id, 'x'));
    await until('all is applied', () => made.follower.position === made.server.upper);
    const rows = made.files.store?.content.rows.get(CITIES.name);
    rows?.set('[7]', { selector: 'FR', cells: [7, 'wrong', 'FR'] });
    rows?.delete('[8]');
    await made.follower.close();
    const again = await live({ server: made.server, ...storeOf(made) });
    again.server.say(progress(again.server.upper, digestsOf(again.server.content(['FR']))));
    await until('it is repaired', () => last(again, 'resync') !== undefined);
    await caughtUp(again);
    expectEqual(again);
    expect(last(again, 'mismatch')?.differences).toHaveLength(1);
    expect(last(again, 'resync')).toMatchObject({ inserted: 1, updated: 1, deleted: 0 });
  });

  test('P8: a snapshot older than the replica is refused and asked for again', async () => {
    const before = await away();
    const made = await live({ server: before.server, ...storeOf(before) });
    const held = made.follower.position;
    made.server.snapshotTs = 200;
    made.server.say({ type: 'resync', table: CITIES.name, reason: 'test' });
    await until('it waits', () => made.follower.state.kind === 'waiting');
    expect(last(made, 'error')?.error.message).toContain("before the replica's own");
    expect(made.follower.position).toBe(held);
    made.server.snapshotTs = null;
    made.clock.advance(BACKOFF_MAX_MS);
    await caughtUp(made);
    expectEqual(made);
  });

  test('P5: a difference that breaks off at any byte changes nothing', async () => {
    const before = await away();
    before.server.cut();
    const made = setup({ server: before.server, ...storeOf(before) });
    const dump = made.files.store?.dump();
    let bytesMax = 1;
    made.server.mangle = (path, body) =>
      path === '/v1/snapshot' ? cutAfter(body, bytesMax) : body;
    made.follower.start();
    for (; bytesMax < 700; bytesMax += 53) {
      await until('it waits', () => made.follower.state.kind === 'waiting');
      expect(made.files.store?.dump()).toEqual(dump);
      made.clock.advance(BACKOFF_MAX_MS);
      await until('it tries again', () => made.follower.state.kind !== 'resyncing');
    }
    made.server.mangle = null;
    made.clock.advance(BACKOFF_MAX_MS);
    await caughtUp(made);
    expectEqual(made);
  });

  test('a difference that does not lead to the stated digest is not taken', async () => {
    const before = await away();
    before.server.cut();
    const made = setup({ server: before.server, ...storeOf(before) });
    const dump = made.files.store?.dump();
    made.server.mangle = (path, body) =>
      path === '/v1/snapshot' ? replaced(body, '"n"', '"m"') : body;
    made.follower.start();
    await until('it waits', () => made.follower.state.kind === 'waiting');
    expect(last(made, 'error')?.error.message).toContain("server's digest");
    expect(made.files.store?.dump()).toEqual(dump);
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
    made.clock.advance(10_000);
    made.server.leases.length = 0;
    for (let second = 0; second < 30; second += 1) {
      made.server.commit(insert(second, 'x'));
      await until('it is applied', () => made.follower.position === made.server.upper);
      made.clock.advance(1_000);
    }
    expect(made.server.leases.length).toBeGreaterThanOrEqual(2);
    expect(made.server.leases.length).toBeLessThanOrEqual(3);
    made.clock.advance(10_000);
    const count = made.server.leases.length;
    made.clock.advance(4_000);
    expect(made.server.leases).toHaveLength(count);
  });
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
  const large = Array.from({ length: 3 }, (_, id) => insert(id, 'x'.repeat(600_000)));
  for (const line of large) made.server.say(line);
  await until('it is streamed', () => made.passed.has('stream: inside a large transaction'));
  made.server.say({ type: 'commit', ts: at(115), txid: '1', micros: 1 });
  await until('it is applied', () => made.follower.position === 115);
  made.server.say({ type: 'resync', table: CITIES.name, reason: 'test' });
  made.server.upper = 120;
  await until('it is repaired', () => last(made, 'resync') !== undefined);
  await caughtUp(made);
  made.clock.advance(10_000);
  expect([...CRASH_POINTS].filter((point) => !made.passed.has(point))).toEqual([]);
});

function storeOf({ files }: Setup): { store: MemoryStore } {
  if (files.store === null) throw new Error('there is no store yet');
  return { store: files.store };
}

/** Passes so many bytes, then breaks. */
async function* cutAfter(
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<Uint8Array> {
  let left = bytesMax;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.byteLength;
    if (left <= 0) throw new Error('ECONNRESET');
  }
}

async function* replaced(
  body: AsyncIterable<Uint8Array>,
  from: string,
  to: string,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    yield new TextEncoder().encode(new TextDecoder().decode(chunk).replaceAll(from, to));
  }
}
