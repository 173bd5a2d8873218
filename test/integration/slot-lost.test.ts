/** The slot is invalidated because Postgres kept no more WAL for it (F5): nothing is lost, and it is told. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type OwnPostgres, startOwnPostgres } from '../../src/bench/script/own-postgres.ts';
import { DEFAULT_POLICY } from '../../src/engine/engine.ts';
import type { Replica } from '../../src/replica.ts';
import { verifyReplica } from '../../src/verify.ts';
import { expectEqual, SCHEMA, TABLES } from '../support/small-world.ts';
import { Stack, until } from '../support/stack.ts';

let own: OwnPostgres;
let stack: Stack;
let replica: Replica;
let resyncs: { readonly reason: string; readonly rows: number }[];

beforeAll(async () => {
  own = await startOwnPostgres({ max_slot_wal_keep_size: '1MB', min_wal_size: '32MB' });
});
afterAll(() => own?.end());
afterEach(() => stack?.close());

async function begin(): Promise<void> {
  resyncs = [];
  stack = await Stack.open({
    ...{ postgresUrl: own.postgres.url, schema: SCHEMA, tables: TABLES },
    engine: { policy: { ...DEFAULT_POLICY, reconnectMsMax: 500 } },
  });
  replica = await stack.replica('r', ['FR', 'DE']);
  replica.on('resync', ({ reason, inserted, updated, deleted }) =>
    resyncs.push({ reason, rows: inserted + updated + deleted }),
  );
}

/** What the replica would have got by the stream. */
async function writeUnseen(): Promise<void> {
  await stack.sql.query(`INSERT INTO city VALUES (5000, 'missed', 'FR', 1);
    DELETE FROM city WHERE id = 3; UPDATE city SET country = 'DE' WHERE id = 6`);
}

/** WAL until Postgres has given the slot up. */
async function burst(): Promise<void> {
  await until('the slot is given up', async () => {
    await stack.sql.query(
      'CREATE TABLE burst AS SELECT g, md5(g::text) FROM generate_series(1, 200000) g',
    );
    await stack.sql.query('DROP TABLE burst');
    await stack.sql.query('SELECT pg_switch_wal()');
    await stack.sql.query('SET statement_timeout = 2000');
    // It waits for a holder that does not answer.
    await stack.sql.query('CHECKPOINT').catch(() => undefined);
    await stack.sql.query('RESET statement_timeout');
    return isLost();
  });
}

async function isLost(): Promise<boolean> {
  const { rows } = await stack.sql.query<{ status: string }>(
    'SELECT wal_status AS status FROM pg_replication_slots WHERE slot_name = $1',
    [stack.name],
  );
  return rows[0]?.status === 'lost' || rows[0]?.status === 'unreserved';
}

async function expectRecovered(before: string | null): Promise<void> {
  await until('a new history streams', () => {
    const { source, timeline } = stack.engine.status();
    return source.state === 'streaming' && timeline !== before;
  });
  await until('the replica was re-synchronised', () => resyncs.length > 0);
  await stack.settle(replica);
  await expectEqual(stack, 'r', ['FR', 'DE']);
  const signal = AbortSignal.timeout(30_000);
  const report = await verifyReplica({
    ...{ server: stack.server, file: stack.file('r'), limit: 20, signal },
  });
  expect(report).toMatchObject({ isEqual: true, wrongDigests: [] });
  expect(resyncs[0]?.reason).toContain('history');
  expect(resyncs[0]?.rows, 'only what differs was sent').toBeLessThan(10);
}

test('P20, F5: invalidated while the server is down: a new history, and replicas follow by difference', async () => {
  await begin();
  const { timeline } = stack.engine.status();
  await stack.stop();
  await writeUnseen();
  await burst();
  await stack.start();
  expect(stack.notices.join('\n')).toContain('starting history 2: the slot was invalidated');
  await expectRecovered(timeline);
});

test('P20, F5: invalidated while the server runs: it says why, and replicas follow by difference', async () => {
  await begin();
  const { timeline } = stack.engine.status();
  const { rows } = await stack.sql.query<{ pid: number }>(
    'SELECT active_pid AS pid FROM pg_replication_slots WHERE slot_name = $1',
    [stack.name],
  );
  const pid = rows[0]?.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  try {
    await writeUnseen();
    await burst();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await expectRecovered(timeline);
  expect(stack.notices.join('\n')).toContain('the source is lost');
  expect(stack.notices.join('\n')).toContain('starting history 2: the slot was invalidated');
});
