/** Postgres is killed, frozen, cut off and rewound under a running engine. */
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import { type OwnPostgres, startOwnPostgres } from '../../src/bench/script/own-postgres.ts';
import type { Policy } from '../../src/coordinator/types.ts';
import { parseLsn } from '../../src/core/lsn.ts';
import { DEFAULT_POLICY, type EngineOptions } from '../../src/engine/engine.ts';
import type { Replica } from '../../src/replica.ts';
import { Stack, until } from '../support/stack.ts';
import {
  COUNTRIES,
  WORKLOAD_LIMITS,
  WORKLOAD_SCHEMA,
  WORKLOAD_TABLES,
  Workload,
} from '../support/workload.ts';
import { Writers } from '../support/writers.ts';

const SEED = 90_125;

let own: OwnPostgres;
let stack: Stack;
let resyncs: string[];
let replica: Replica;

beforeAll(async () => {
  // Nothing is saved by the way: only what a crash leaves is there afterwards.
  own = await startOwnPostgres({ checkpoint_timeout: '1h' });
});
afterAll(() => own?.end());
afterEach(() => stack?.close());

/** A stack with one replica of everything. */
async function begin(
  policy: Partial<Policy> = {},
  options: Partial<EngineOptions> = {},
): Promise<void> {
  resyncs = [];
  stack = await Stack.open({
    ...{ postgresUrl: own.postgres.url, tables: WORKLOAD_TABLES, schema: WORKLOAD_SCHEMA },
    engine: {
      limits: WORKLOAD_LIMITS,
      policy: { ...DEFAULT_POLICY, reconnectMsMax: 500, ...policy },
      ...options,
    },
  });
  replica = await stack.replica('all', COUNTRIES);
  replica.on('resync', ({ reason }) => resyncs.push(reason));
}

async function expectEqual(): Promise<void> {
  await stack.settle(replica);
  const where = `country IN ('FR', 'DE', 'IT')`;
  for (const [table, rule] of Object.entries(WORKLOAD_TABLES)) {
    const condition = rule === '*' ? 'true' : where;
    expect(await stack.differences(stack.file('all'), table, condition)).toEqual([]);
  }
}

/** The slot as Postgres has it now. */
async function slot(): Promise<{ readonly confirmed: string; readonly pid: number | null }> {
  const { rows } = await stack.sql.query<{ confirmed: string; pid: number | null }>(
    'SELECT confirmed_flush_lsn::text AS confirmed, active_pid AS pid FROM pg_replication_slots WHERE slot_name = $1',
    [stack.name],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('there is no slot');
  return row;
}

async function isBehind(lsn: string, other: string): Promise<boolean> {
  const { rows } = await stack.sql.query<{ is: boolean }>('SELECT $1::pg_lsn < $2::pg_lsn AS is', [
    lsn,
    other,
  ]);
  return rows[0]?.is === true;
}

async function crash(): Promise<void> {
  own.postgres.kill();
  await own.postgres.restart();
  await stack.reconnect();
}

/** Writes until Postgres dies under it. */
async function writeUntilDeath(client: pg.Client, seed: number): Promise<void> {
  const workload = new Workload(new SeededRandom(seed), 20_000 + (seed % 100) * 200);
  for (;;) {
    try {
      await client.query(workload.step());
    } catch (error) {
      const { code = '' } = error as { code?: string };
      if (/^(?!40P01)[0-9A-Z]{5}$/.test(code) && !code.startsWith('57')) throw error;
      return;
    }
  }
}

test(`P1, P2, P18, F1, F4: Postgres killed under load takes the slot back, and nothing of that shows, seed ${SEED}`, async () => {
  await begin();
  const { timeline } = stack.engine.status();
  let wentBack = 0;
  for (let round = 0; round < 4; round += 1) {
    const writing = writeUntilDeath(await stack.client(), SEED + round);
    const { transactions } = stack.engine.status().counters;
    await until('the log grows', () => {
      return stack.engine.status().counters.transactions > transactions + 20;
    });
    // With the engine alive it connects by itself; without, the slot can be looked at in peace.
    const isAlive = round % 2 === 0;
    const { confirmed } = await slot();
    own.postgres.kill();
    await writing;
    if (!isAlive) await stack.stop();
    await own.postgres.restart();
    await stack.reconnect();
    if (await isBehind((await slot()).confirmed, confirmed)) wentBack += 1;
    if (!isAlive) await stack.start();
    await expectEqual();
  }
  expect(wentBack, 'the slot never went back: nothing was exercised').toBeGreaterThan(0);
  // In the last round the engine was started after the crash.
  expect(stack.engine.status().counters.redelivered, 'nothing was sent again').toBeGreaterThan(0);
  expect(resyncs).toEqual([]);
  expect(stack.engine.status().timeline).toBe(timeline);
});

test('P1, P27, F1: a crash in the middle of a large transaction leaves nothing of it', async () => {
  await begin();
  const open = await stack.client();
  await open.query(`BEGIN; ${new Workload(new SeededRandom(SEED)).large()}`);
  const position = await stack.position();
  await stack.sql.query('INSERT INTO unpublished VALUES (1)');
  await until('pieces of it are in the staging area', async () => {
    const { rows } = await stack.sql.query<{ is: boolean }>(
      'SELECT sent_lsn >= $2::pg_lsn AS is FROM pg_stat_replication WHERE pid = $1',
      [(await slot()).pid, position],
    );
    return rows[0]?.is === true;
  });
  await crash();
  await stack.sql.query(`INSERT INTO city (id, country, people) VALUES (900, 'FR', 1)`);
  await expectEqual();
  expect(resyncs).toEqual([]);
});

test('P26, P27, F2: while the walsender is frozen readers are served, and then everything arrives', async () => {
  await begin();
  const { pid } = await slot();
  if (pid === null) throw new Error('nobody reads the slot');
  process.kill(pid, 'SIGSTOP');
  try {
    // What the walsender sent before is still on its way.
    const { rows } = await stack.sql.query('SELECT pg_current_wal_lsn() AS lsn');
    const frozenAt = parseLsn(String(rows[0]?.lsn), 'the position of Postgres');
    const writers = new Writers([await stack.client()], SEED);
    await writers.wrote(50);
    await writers.stop();
    // The effect: Postgres goes on, the log does not, and the replica still hears of its server.
    expect(stack.engine.upper).toBeLessThanOrEqual(frozenAt);
    const status = await (await fetch(`${stack.server}/v1/status`)).json();
    expect(status).toMatchObject({ source: { state: 'streaming' }, subscribers: 1 });
    expect(replica.status.state.kind).toBe('live');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await expectEqual();
  expect(resyncs).toEqual([]);
});

test(`P1, P2, F3: the stream cut again and again under load, seed ${SEED}`, async () => {
  await begin();
  const writers = new Writers([await stack.client(), await stack.client()], SEED);
  const random = new SeededRandom(SEED);
  const cut = new Set<number>();
  for (let round = 0; round < 8; round += 1) {
    await writers.wrote(random.between(1, 60));
    await until('the stream runs', async () => (await slot()).pid !== null);
    const { pid } = await slot();
    if (pid === null) continue;
    await stack.sql.query('SELECT pg_terminate_backend($1)', [pid]);
    cut.add(pid);
  }
  await writers.stop();
  await expectEqual();
  expect(cut.size, 'connections that were cut').toBeGreaterThan(5);
  expect(resyncs).toEqual([]);
});

test('P18, P20, F9: an older copy that has written more than was lost is found out by its transactions', async () => {
  await begin();
  const { timeline } = stack.engine.status();
  await own.postgres.stop();
  own.keepCopy();
  await own.postgres.restart();
  await stack.reconnect();
  const workload = new Workload(new SeededRandom(SEED));
  for (let turn = 0; turn < 30; turn += 1) await stack.sql.query(workload.step());
  await expectEqual();
  await stack.stop();
  await own.postgres.stop();
  own.goBack();
  await own.postgres.restart();
  await stack.reconnect();
  await stack.sql.query(`INSERT INTO city (id, country, people) VALUES (901, 'FR', 1)`);
  await stack.sql.query('INSERT INTO unpublished SELECT generate_series(1, 3000)');
  await stack.start();
  expect(stack.notices.join()).toContain("it does not have the log's last transaction");
  expect(stack.engine.status().timeline).not.toBe(timeline);
  await until('the replica was re-synchronised', () => resyncs.length > 0);
  await expectEqual();
});

test('P18, P20, F9: an older copy of the data folder starts a new timeline, and replicas follow it by difference', async () => {
  // Time to look before the engine finds out.
  await begin({ reconnectMsMin: 3000, reconnectMsMax: 3000 }, { snapshotWaitMsMax: 500 });
  const workload = new Workload(new SeededRandom(SEED));
  const { timeline } = stack.engine.status();
  await own.postgres.stop();
  own.keepCopy();
  await own.postgres.restart();
  await stack.reconnect();
  for (let turn = 0; turn < 30; turn += 1) await stack.sql.query(workload.step());
  await expectEqual();
  await own.postgres.stop();
  own.goBack();
  await own.postgres.restart();
  await stack.reconnect();
  await stack.sql.query(`INSERT INTO city (id, country, people) VALUES (901, 'FR', 1)`);
  expect(stack.engine.status()).toMatchObject({ timeline, source: { state: 'down' } });
  const request = { selectors: COUNTRIES, replica: undefined, signal: AbortSignal.timeout(5000) };
  await expect(stack.engine.snapshotFile(request)).rejects.toMatchObject({ code: 'SOURCE_DOWN' });
  await expect(stack.engine.digest(request)).rejects.toMatchObject({ code: 'SOURCE_DOWN' });
  await until('a new timeline begins', () => {
    const now = stack.engine.status().timeline;
    return now !== null && now !== timeline;
  });
  expect(stack.notices.join()).toContain('Postgres went back');
  await until('the replica was re-synchronised', () => resyncs.length > 0);
  await expectEqual();
});
