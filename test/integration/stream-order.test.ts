import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { BARRIER_SQL } from '../../src/postgres/ddl.ts';
import { type Recorder, TestDatabase } from '../support/source-recorder.ts';

let db: TestDatabase;
let recorder: Recorder;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await db.sql.query(`CREATE TABLE public.t (id int PRIMARY KEY, v text)`);
  // Small enough that pieces of open transactions are sent.
  await db.sql.query(`ALTER DATABASE ${db.name} SET logical_decoding_work_mem = '64kB'`);
  ({ recorder } = await db.stream(['public.t']));
});

afterAll(() => db.close());

const rows = (from: number, to: number): string =>
  `INSERT INTO public.t SELECT g, repeat('x', 50) FROM generate_series(${from}, ${to}) g`;

function lastIds(): (string | symbol | null | undefined)[] {
  const last = recorder.committed.at(-1);
  return (last?.changes ?? []).map((change) => (change.kind === 'insert' ? change.row[0] : null));
}

/** Everything that committed before has arrived. */
async function settle(): Promise<void> {
  const before = recorder.committed.length;
  await db.sql.query(BARRIER_SQL);
  await recorder.until(
    () => recorder.committed.slice(before).some(({ changes }) => changes[0]?.kind === 'message'),
    'the barrier',
  );
}

test('P4: a transaction with a lower id that commits last comes last, with the higher timestamp', async () => {
  const slow = await db.session();
  await slow.query(`BEGIN; INSERT INTO public.t VALUES (1, 'slow')`);
  await db.sql.query(`INSERT INTO public.t VALUES (2, 'fast')`);
  await slow.query('COMMIT');
  await recorder.until(() => recorder.inserted('public.t').length === 2, 'both rows');
  const [first, second] = recorder.committed.slice(-2);
  expect(first?.changes).toMatchObject([{ row: ['2', 'fast'] }]);
  expect(second?.changes).toMatchObject([{ row: ['1', 'slow'] }]);
  expect(first?.xid).toBeGreaterThan(second?.xid ?? 0);
  expect(first?.ts).toBeLessThan(second?.ts ?? 0);
});

test('the timestamp is the position that a reader of the insert position gets after the commit', async () => {
  await db.sql.query(`INSERT INTO public.t VALUES (3, 'x')`);
  const { lsn } = await db.sql.queryOne(
    `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS lsn`,
  );
  await recorder.until(() => recorder.inserted('public.t').length === 3, 'the row');
  expect(recorder.committed.at(-1)?.ts).toBeLessThanOrEqual(Number(lsn));
  expect(recorder.committed.at(-1)?.commitLsn).toBeLessThan(recorder.committed.at(-1)?.ts ?? 0);
});

test('P3, P26: a large transaction comes in pieces before its commit, without what was rolled back', async () => {
  const seen = recorder.calls.length;
  const writer = await db.session();
  await writer.query(`BEGIN; ${rows(1000, 3000)};
    SAVEPOINT a; ${rows(5000, 7000)}; ROLLBACK TO a;
    SAVEPOINT b; ${rows(8000, 9000)}; RELEASE b`);
  await recorder.until(
    () => recorder.calls.slice(seen).includes('streamStop'),
    'a piece of the open transaction',
  );
  expect(recorder.calls.slice(seen)).not.toContain('commit');
  await writer.query(`INSERT INTO public.t VALUES (9001, 'last'); COMMIT`);
  await settle();
  expect(recorder.calls.slice(seen)).toContain('streamAbortSub');
  const ids = recorder.committed
    .at(-2)
    ?.changes.map((change) => (change.kind === 'insert' ? Number(change.row[0]) : 0));
  expect(ids).toHaveLength(2001 + 1001 + 1);
  expect(ids?.filter((id) => id >= 5000 && id <= 7000)).toEqual([]);
});

test('P3: a large transaction that is rolled back leaves nothing', async () => {
  const before = recorder.committed.length;
  const seen = recorder.calls.length;
  const writer = await db.session();
  await writer.query(`BEGIN; ${rows(20_000, 22_000)}`);
  // Postgres 18 sends nothing of a transaction that it already knows to be rolled back.
  await recorder.until(() => recorder.calls.slice(seen).includes('streamStop'), 'a piece of it');
  await writer.query('ROLLBACK');
  await settle();
  expect(recorder.committed.length).toBe(before + 1);
  expect(recorder.calls).toContain('streamAbort');
});

test('small transactions that commit between the pieces of a large one are delivered at once', async () => {
  const writer = await db.session();
  await writer.query(`BEGIN; ${rows(30_000, 32_000)}`);
  await db.sql.query(`INSERT INTO public.t VALUES (29999, 'between')`);
  await settle();
  expect(recorder.inserted('public.t').at(-1)).toEqual(['29999', 'between']);
  await writer.query(`${rows(33_000, 35_000)}; COMMIT`);
  await settle();
  expect(recorder.committed.at(-2)?.changes).toHaveLength(4002);
});

test('P21: rows before and after a change of layout come with the layout they were written with', async () => {
  const writer = await db.session();
  await writer.query(`BEGIN; ${rows(40_000, 42_000)};
    ALTER TABLE public.t ADD COLUMN extra int; INSERT INTO public.t VALUES (42001, 'y', 7); COMMIT`);
  await db.sql.query(`INSERT INTO public.t VALUES (42002, 'z', 8)`);
  await recorder.until(
    () => recorder.inserted('public.t').at(-1)?.[0] === '42002',
    'the row after the change',
  );
  const wide = recorder.inserted('public.t').filter((row) => row.length === 3);
  expect(wide).toEqual([
    ['42001', 'y', '7'],
    ['42002', 'z', '8'],
  ]);
  expect(recorder.relations.at(-1)?.columns.map(({ name }) => name)).toEqual(['id', 'v', 'extra']);
});

test('P3: a layout that was rolled back with its transaction does not count for the next one', async () => {
  const writer = await db.session();
  await writer.query(`BEGIN; ALTER TABLE public.t ADD COLUMN lost int; ${rows(50_000, 52_000)};
    ROLLBACK`);
  await db.sql.query(`INSERT INTO public.t VALUES (52001, 'z', 9)`);
  await recorder.until(() => lastIds()[0] === '52001', 'the row after the rollback');
  expect(recorder.inserted('public.t').at(-1)).toEqual(['52001', 'z', '9']);
});

test('without pieces, the server keeps a large transaction until its commit', async () => {
  const whole = await db.stream(['public.t'], { streaming: false });
  await db.sql.query(rows(60_000, 62_000));
  await whole.recorder.until(() => whole.recorder.committed.length === 1, 'the transaction');
  expect(whole.recorder.calls).not.toContain('streamStart');
  expect(whole.recorder.committed[0]?.changes).toHaveLength(2001);
});
