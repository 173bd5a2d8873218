import { describe, expect, test } from 'vitest';
import { BACKOFF_MAX_MS } from '../../../src/client/machine.ts';
import { bucketCountFor } from '../../../src/client/resync.ts';
import { at, insert, progress, remove, update } from './feed-lines.ts';
import {
  caughtUp,
  cutAfter,
  expectEqual,
  last,
  live,
  replaced,
  type Setup,
  setup,
  storeOf,
} from './follower-setup.ts';
import { until } from './manual-clock.ts';
import { CITIES, digestsOf, lsn, MemoryStore } from './memory-store.ts';
import { ModelServer } from './model-server.ts';

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
    made.server.snapshotTs = 200;
    const held = made.server.commit({ type: 'resync', table: CITIES.name, reason: 'test' });
    await until('it waits', () => made.follower.state.kind === 'waiting');
    expect(last(made, 'error')?.error.message).toContain("before the replica's own");
    expect(made.follower.position).toBe(held);
    made.server.snapshotTs = null;
    made.clock.advance(BACKOFF_MAX_MS);
    await caughtUp(made);
    expectEqual(made);
  });

  test('P9: a wait for a position ends when no table waits for its rows any more', async () => {
    const before = await away();
    const made = await live({ server: before.server, ...storeOf(before) });
    made.server.snapshotTs = 200;
    const held = made.server.commit({ type: 'resync', table: CITIES.name, reason: 'test' });
    await until('it waits', () => made.follower.state.kind === 'waiting');
    expect(made.follower.position).toBe(held);
    let isReached = false;
    const reached = made.follower.waitFor(lsn(held), 10 * BACKOFF_MAX_MS).then(() => {
      isReached = true;
    });
    await new Promise(setImmediate);
    expect(isReached).toBe(false);
    made.server.snapshotTs = null;
    made.clock.advance(BACKOFF_MAX_MS);
    await reached;
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

describe('the number of buckets', () => {
  const count = (rows: number, tables: number): number => {
    const names = Array.from({ length: tables }, (_, index) => ({ ...CITIES, name: `t${index}` }));
    const store = new MemoryStore({}, names);
    store.digests = () => [{ table: 't0', selector: 'FR', digest: '0', rows }];
    return bucketCountFor(store);
  };

  test.each([
    [0, 1, 16],
    [1_000, 1, 16],
    [10_000, 1, 256],
    [1_000_000, 1, 4096],
    [1_000_000, 100, 512],
    [1_000_000, 100_000, 1],
  ])('%i rows in the largest of %i tables: %i', (rows, tables, expected) => {
    expect(count(rows, tables)).toBe(expected);
  });
});

test('a repair that was asked for comes before following, and only once', async () => {
  const server = new ModelServer();
  server.commit(insert(1, 'a'), insert(2, 'b'));
  const first = await live({ server });
  await first.follower.close();
  first.files.store?.content.rows.get(CITIES.name)?.delete('[1]');
  const made = await live({ server, ...storeOf(first), repair: true });
  expectEqual(made);
  expect(last(made, 'resync')).toMatchObject({ inserted: 1, reason: 'a repair was asked for' });
  expect(server.requests.filter((request) => request === 'POST /v1/snapshot')).toHaveLength(1);
});
