/** What clients are told when the log no longer reaches back to them. */
import { afterEach, beforeEach, expect, inject, onTestFinished, test } from 'vitest';
import type { Ts } from '../../src/core/lsn.ts';
import {
  formatSequence,
  NO_SEQUENCE,
  parseSequence,
} from '../../src/protocol/transicator/sequence.ts';
import { type Stack, until } from '../support/stack.ts';
import { HoldingProxy } from '../support/transicator/holding-proxy.ts';
import { getChanges, openTransicator, refusal, settled } from '../support/transicator-world.ts';

let stack: Stack;

beforeEach(async () => {
  stack = await openTransicator({
    postgresUrl: inject('postgresUrl'),
    schema: 'CREATE TABLE item (id int PRIMARY KEY, _change_selector text);',
    engine: { policy: { keepS: 2, leaseS: 1 }, limits: { partBytesMax: 4096 } },
  });
});

afterEach(async () => {
  await stack.close();
});

const TOO_OLD = { status: 400, code: 'SNAPSHOT_TOO_OLD' };

const untilPurged = (): Promise<void> =>
  until('everything is purged', () => stack.engine.status().log.groups === 0);

async function write(sql: string): Promise<void> {
  await stack.sql.query(sql);
  await settled(stack);
}

test('an old position works at first and is refused after the purge; all purged, first and last are the newest', async () => {
  await write("INSERT INTO item VALUES (1, 'foo')");
  const first = await getChanges(stack, 'scope=foo');
  await write("INSERT INTO item VALUES (2, 'foo')");
  const { changes, lastSequence } = await getChanges(
    stack,
    `scope=foo&since=${first.lastSequence}`,
  );
  expect(changes).toHaveLength(1);
  await untilPurged();
  expect(await refusal(stack, `/changes?scope=foo&since=${first.lastSequence}`)).toMatchObject(
    TOO_OLD,
  );
  const none = { changes: null, firstSequence: lastSequence, lastSequence };
  expect(await getChanges(stack, 'scope=foo')).toEqual(none);
  expect(await getChanges(stack, `scope=foo&since=${lastSequence}`)).toEqual(none);
  await write("INSERT INTO item VALUES (3, 'foo')");
  expect((await getChanges(stack, `scope=foo&since=${lastSequence}`)).changes).toHaveLength(1);
});

test.each([5, 2000])(
  'of a purged transaction of %i rows only the end is a position that lacks nothing',
  async (rows) => {
    await getChanges(stack, 'scope=foo');
    await write(`INSERT INTO item SELECT g, 'foo' FROM generate_series(1, ${rows}) g`);
    const { changes, lastSequence } = await getChanges(stack, `scope=foo&limit=100000`);
    expect(changes).toHaveLength(rows);
    const inside = changes?.at(-2)?.sequence;
    expect((await getChanges(stack, `scope=foo&since=${inside}`)).changes).toHaveLength(1);
    await untilPurged();
    expect(await refusal(stack, `/changes?scope=foo&since=${inside}`)).toMatchObject(TOO_OLD);
    expect(await getChanges(stack, `scope=foo&since=${lastSequence}`)).toEqual({
      ...{ changes: null, firstSequence: lastSequence, lastSequence },
    });
    await stack.stop();
    await stack.start();
    expect(await refusal(stack, `/changes?scope=foo&since=${inside}`)).toMatchObject(TOO_OLD);
    expect((await getChanges(stack, `scope=foo&since=${lastSequence}`)).lastSequence).toBe(
      lastSequence,
    );
  },
);

async function now(): Promise<string> {
  const { rows } = await stack.sql.query<{ s: string }>('SELECT pg_current_snapshot()::text AS s');
  return rows[0]?.s ?? '';
}

test('a snapshot of before a purge, or of before the slot, is refused; a new one is not', async () => {
  const xmax = Number((await now()).split(':')[1]);
  await settled(stack);
  const beforeSlot = `/changes?scope=foo&snapshot=${xmax - 20}:${xmax - 20}:`;
  expect(await refusal(stack, beforeSlot)).toMatchObject(TOO_OLD);
  const before = await now();
  expect((await getChanges(stack, `scope=foo&snapshot=${before}`)).changes).toBeNull();
  await write("INSERT INTO item VALUES (1, 'foo')");
  expect((await getChanges(stack, `scope=foo&snapshot=${before}`)).changes).toHaveLength(1);
  await untilPurged();
  expect(await refusal(stack, `/changes?scope=foo&snapshot=${before}`)).toMatchObject(TOO_OLD);
  expect((await getChanges(stack, `scope=foo&snapshot=${await now()}`)).changes).toBeNull();
});

test('after a lost slot, sequences and snapshots of before are refused, and new sequences are higher', async () => {
  await write("INSERT INTO item VALUES (1, 'foo')");
  const { lastSequence } = await getChanges(stack, 'scope=foo');
  const { rows } = await stack.sql.query<{ s: string }>('SELECT pg_current_snapshot()::text AS s');
  await stack.stop();
  await stack.sql.query('SELECT pg_drop_replication_slot($1)', [stack.name]);
  await stack.sql.query("INSERT INTO item VALUES (2, 'foo')");
  await stack.start();
  const queries = [`since=${lastSequence}`, `snapshot=${rows[0]?.s}`];
  for (const query of [...queries, queries.join('&')]) {
    expect(await refusal(stack, `/changes?scope=foo&${query}`)).toMatchObject(TOO_OLD);
  }
  await write("INSERT INTO item VALUES (3, 'foo')");
  const after = (await getChanges(stack, 'scope=foo')).lastSequence;
  const [before, now] = [parseSequence(lastSequence), parseSequence(after)];
  expect([before?.history, now?.history]).toEqual([0, 1]);
  const ahead = { ...NO_SEQUENCE, ...before, ts: ((now?.ts ?? 0) + 1000) as Ts };
  const query = `/changes?scope=foo&since=${formatSequence(ahead)}`;
  expect(await refusal(stack, query)).toMatchObject(TOO_OLD);
});

test('a transaction that stays open over a purge does not make new snapshots too old', async () => {
  const open = await stack.client();
  await open.query('BEGIN');
  await open.query("INSERT INTO item VALUES (100, 'foo')");
  await write("INSERT INTO item VALUES (1, 'foo')");
  await untilPurged();
  const { rows } = await stack.sql.query<{ s: string }>('SELECT pg_current_snapshot()::text AS s');
  const query = `scope=foo&snapshot=${rows[0]?.s}`;
  expect((await getChanges(stack, query)).changes).toBeNull();
  await open.query('COMMIT');
  await settled(stack);
  expect((await getChanges(stack, query)).changes).toHaveLength(1);
  await untilPurged();
  expect(await refusal(stack, `/changes?${query}`)).toMatchObject(TOO_OLD);
});

test('a snapshot that the database has not got to is of another one', async () => {
  expect(await refusal(stack, '/changes?scope=foo&snapshot=900000000:900000000:')).toMatchObject(
    TOO_OLD,
  );
});

/** The server is started anew behind a proxy: it has seen nothing of the database yet. */
async function restartBehindProxy(): Promise<HoldingProxy> {
  const proxy = await HoldingProxy.start(stack.url);
  onTestFinished(() => proxy.close());
  await stack.stop();
  stack.useUrl(proxy.url);
  await stack.start();
  return proxy;
}

test('W22: what is purged while Postgres is asked about a snapshot is not passed over', async () => {
  const proxy = await restartBehindProxy();
  proxy.hold('pg_snapshot_xmax');
  const asking = refusal(stack, `/changes?scope=foo&snapshot=${await now()}`);
  await until('Postgres is asked how far it is', () => proxy.isHolding);
  await write("INSERT INTO item VALUES (1, 'foo')");
  await untilPurged();
  proxy.release();
  expect(await asking).toMatchObject(TOO_OLD);
});

test('a transaction that was open in the snapshot, and is purged while Postgres is asked, is not passed over', async () => {
  const proxy = await restartBehindProxy();
  const open = await stack.client();
  await open.query('BEGIN');
  await open.query("INSERT INTO item VALUES (100, 'foo')");
  await write("INSERT INTO item VALUES (1, 'foo')");
  await untilPurged();
  const query = `/changes?scope=foo&snapshot=${await now()}`;
  expect(await refusal(stack, query)).toMatchObject({ status: 200 });
  proxy.hold('pg_xact_status');
  const asking = refusal(stack, query);
  await until('Postgres is asked what became of it', () => proxy.isHolding);
  await open.query('COMMIT');
  await settled(stack);
  await untilPurged();
  proxy.release();
  expect(await asking).toMatchObject(TOO_OLD);
});
