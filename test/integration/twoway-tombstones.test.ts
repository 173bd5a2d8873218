/** Tombstones go when every lease has certainly passed them, and not before (P13). */
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import type { CoordinatorView } from '../../src/coordinator/inspect.ts';
import { formatLsn, type Lsn, parseLsn } from '../../src/core/lsn.ts';
import { Tombstones } from '../../src/engine/tombstones.ts';
import type { PgSession } from '../../src/postgres/session.ts';
import { enableTwoway } from '../../src/postgres/twoway/enable.ts';
import { COLLECTED_ROWS_MAX } from '../../src/postgres/twoway/tombstones.ts';
import { SCHEMA, smallStack } from '../support/small-world.ts';
import { TestDatabase } from '../support/source-recorder.ts';
import { until } from '../support/stack.ts';
import { versionsOf } from '../support/twoway.ts';

let db: TestDatabase;
let sql: PgSession;
let tombstones: Tombstones;
/** How far the only lease is; the log is ahead of everything. */
let lease: Lsn;

const view = (): CoordinatorView =>
  ({
    timeline: 't',
    log: { upper: Number.MAX_SAFE_INTEGER },
    holds: [
      { kind: 'lease', owner: 'r', ts: lease, state: 'held' },
      { kind: 'lease', owner: 'gone', ts: 0, state: 'broken' },
      { kind: 'policy', owner: 'policy', ts: 0, state: 'held' },
    ],
  }) as unknown as CoordinatorView;

const look = (): Promise<void> => tombstones.look(sql);

/** Transactions of other databases of this Postgres hold marks back too: looks, with a lease that keeps up, until it is done. */
const lookUntil = (what: string, condition: () => Promise<boolean> | boolean): Promise<void> =>
  until(what, async () => {
    lease = await here();
    await look();
    return condition();
  });

const isGone = async (): Promise<boolean> =>
  (await versionsOf(sql, 'note')).every((one) => !one.includes(': 2'));

const here = async (): Promise<Lsn> => {
  const { at } = await sql.queryOne('SELECT pg_current_wal_insert_lsn() AS at');
  return parseLsn(at ?? '', 'position');
};

const horizon = async (): Promise<string | undefined> =>
  (await sql.query('SELECT position FROM tidelock.horizon'))[0]?.position ?? undefined;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  sql = db.sql;
  await sql.query('CREATE TABLE public.note(id text PRIMARY KEY, owner text)');
  await enableTwoway(sql, { table: 'note', rule: 'owner' });
});

afterAll(() => db.close());

beforeEach(async () => {
  await sql.query(
    'TRUNCATE public.note, tidelock.versions_public_note, tidelock.horizon, tidelock.sites',
  );
  await sql.query('TRUNCATE tidelock.versions_public_note');
  await sql.query(`INSERT INTO public.note VALUES ('a', 'ann'), ('b', 'bob')`);
  tombstones = new Tombstones({ view, onNotice: (notice) => expect.unreachable(notice) });
  lease = await here();
});

test('P13: a tombstone stays while a lease has not passed it, and goes afterwards', async () => {
  await sql.query(`DELETE FROM public.note WHERE id = 'a'; UPDATE public.note SET owner = 'eve'`);
  for (let looks = 0; looks < 3; looks += 1) await look();
  expect(await versionsOf(sql, 'note')).toEqual(['a: 2 - owner=ann', 'b: 1 {2} owner=eve']);
  expect([tombstones.collected, tombstones.horizon, await horizon()]).toEqual([0, null, undefined]);
  await lookUntil('it is collected', isGone);
  expect(await versionsOf(sql, 'note')).toEqual(['b: 1 {2} owner=eve']);
  expect(tombstones.collected).toBe(1);
  expect(tombstones.horizon).toBeLessThanOrEqual(lease);
  expect(await horizon()).toBe(formatLsn(tombstones.horizon ?? lease));
});

test('P13: a tombstone of a transaction that was open for long is not collected early', async () => {
  const slow = await db.session();
  await slow.query(`BEGIN; SAVEPOINT part; DELETE FROM public.note WHERE id = 'a'`);
  await sql.query(`DELETE FROM public.note WHERE id = 'b'`);
  await look();
  lease = await here(); // past that mark, and past the commit of the other delete
  await slow.query('COMMIT');
  await look();
  await look();
  expect(await versionsOf(sql, 'note'), 'the lease is before the commit').toContain(
    'a: 2 - owner=ann',
  );
  await lookUntil('both are collected', isGone);
});

test('P13: an upload under way holds the collection, also the first one of a timeline', async () => {
  await sql.query(`INSERT INTO tidelock.sites VALUES (gen_random_uuid(), 'ann', 1, 'n')`);
  await sql.query(`DELETE FROM public.note WHERE id = 'a'`);
  const upload = await db.session();
  await upload.query('BEGIN; SELECT FROM tidelock.sites FOR UPDATE');
  lease = Number.MAX_SAFE_INTEGER as Lsn;
  await look();
  expect(await versionsOf(sql, 'note')).toEqual(['a: 2 - owner=ann']);
  await upload.query('COMMIT');
  await lookUntil('it is collected', isGone);
  await sql.query(`DELETE FROM public.note WHERE id = 'b'`);
  await upload.query(`BEGIN; SELECT FROM tidelock.horizon WHERE timeline = 't' FOR SHARE`);
  lease = Number.MAX_SAFE_INTEGER as Lsn;
  await look();
  expect(await versionsOf(sql, 'note')).toEqual(['b: 2 - owner=bob']);
  await upload.query('COMMIT');
  await lookUntil('that one too', isGone);
});

test('a look collects no more than a batch, and the next one goes on', async () => {
  const count = COLLECTED_ROWS_MAX + 10;
  await sql.query(
    `INSERT INTO public.note SELECT 'k' || g, 'u' FROM pg_catalog.generate_series(1, ${count}) g; DELETE FROM public.note`,
  );
  await lookUntil('a batch is collected', () => tombstones.collected > 0);
  expect(tombstones.collected).toBe(COLLECTED_ROWS_MAX);
  await look();
  expect(tombstones.collected).toBe(count + 2);
});

test('a row that lives under a tombstone gets its next life instead of losing its history', async () => {
  await sql.query(`INSERT INTO tidelock.versions_public_note VALUES ('a', 4, NULL, 'bob')`);
  await lookUntil(
    'it is mended',
    async () => (await versionsOf(sql, 'note'))[0]?.startsWith('a: 5') === true,
  );
  await look();
  expect(await versionsOf(sql, 'note')).toEqual(['a: 5 - owner=ann']);
});

test('P13: the server collects by itself once its last lease has passed', async () => {
  const stack = await smallStack({
    schema: `${SCHEMA} CREATE TABLE note(id text PRIMARY KEY)`,
    engine: { measureMs: 50 },
  });
  const session = await db.session({ url: stack.url });
  await enableTwoway(session, { table: 'note' });
  await stack.sql.query(`INSERT INTO note VALUES ('a')`);
  stack.engine.lease('held', stack.engine.upper);
  await stack.sql.query('DELETE FROM note');
  const { at } = await session.queryOne('SELECT pg_current_wal_insert_lsn() AS at');
  const deleted = parseLsn(at ?? '', 'position');
  await stack.engine.waitFor(deleted, 10_000, AbortSignal.timeout(10_000));
  expect(await versionsOf(session, 'note')).toEqual(['a: 2 -']);
  stack.engine.endLease('held');
  await until(
    'the tombstone is collected',
    async () => (await versionsOf(session, 'note')).length === 0,
  );
  await until('it is counted', () => stack.engine.status().counters.tombstones === 1);
});
