import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import type { StreamRequest } from '../../src/lockstep/api.ts';
import { timerClock } from '../../src/lockstep/clock.ts';
import { PollingRowStreams } from '../../src/lockstep/row-streams.ts';
import { Collector, type LockstepObject } from '../support/lockstep/collector.ts';
import { TestDatabase } from '../support/source-recorder.ts';
import { until } from '../support/stack.ts';

let db: TestDatabase;

// `stuck` gives no row until its query is ended from outside: nobody ever waits for the hour.
beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await db.sql.query(`
    CREATE TABLE public.item (id serial, n int, txid bigint NOT NULL DEFAULT txid_current());
    CREATE VIEW public.quotient AS SELECT id, 1 / n AS value, txid FROM public.item;
    CREATE VIEW public.stuck AS SELECT id, txid, pg_sleep(3600)::text AS nothing FROM public.item;
    INSERT INTO public.item (n) VALUES (1)`);
});

afterAll(() => db.close());

const REQUEST: StreamRequest = {
  ...{ relation: 'item', mode: 'lockstep', since: 0, isFollowing: true },
  ...{ heartbeatMs: 10_000, heartbeatFormat: 'control' },
};

function open(copiesMax = 8): PollingRowStreams {
  const streams = new PollingRowStreams({
    ...{ url: db.url, clock: timerClock, allowed: null, pollMs: 25, wakeMs: 5, copiesMax },
  });
  onTestFinished(() => streams.close());
  return streams;
}

async function follow(
  streams: PollingRowStreams,
  request: Partial<StreamRequest> = {},
  sink = new Collector(),
): Promise<Collector> {
  (await streams.open({ ...REQUEST, ...request })).run(sink);
  return sink;
}

const copied = (reader: Collector): Promise<void> =>
  until('the copy is complete', () => reader.has('snapshot_completed'));

const isHeartbeat = ({ type }: LockstepObject): boolean => type === 'heartbeat';

/** Sessions of this database besides the test's own. */
async function sessions(condition = 'true'): Promise<number> {
  const { count } = await db.sql.queryOne(`SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND ${condition}`);
  return Number(count);
}

test('a reader in line for its copy, and one whose copy has no row yet, gets heartbeats', async () => {
  const streams = open(1);
  const copying = await follow(streams, { relation: 'stuck', heartbeatMs: 50 });
  const waiting = await follow(streams, { heartbeatMs: 50, since: 3 });
  await until('both had two', () => [copying, waiting].every(({ objects }) => objects.length >= 2));
  expect(copying.objects[1]).toMatchObject({ type: 'heartbeat', since: 0 });
  expect(waiting.objects[1]).toMatchObject({ type: 'heartbeat', since: 3 });
  copying.leave();
  await copied(waiting);
  expect(waiting.rows).toHaveLength(1);
});

test('a reader that leaves in line or in its copy makes room at once, and its query ends', async () => {
  const streams = open(1);
  const copying = await follow(streams, { relation: 'stuck' });
  const left = await follow(streams);
  const last = await follow(streams);
  await until('the view is read', async () => (await sessions(`query ~ 'stuck'`)) > 0);
  left.leave();
  copying.leave();
  await copied(last);
  await until(
    'Postgres has stopped reading',
    async () => (await sessions(`state = 'active' AND query ~ 'COPY.*stuck'`)) === 0,
  );
});

test('positions in heartbeats never go back, also in the middle of a copy', async () => {
  const streams = open();
  await db.sql.query('CREATE TABLE public.many (id serial, txid bigint DEFAULT txid_current())');
  for (let index = 0; index < 5; index += 1) {
    await db.sql.query(
      `INSERT INTO public.many (txid) SELECT txid_current() FROM generate_series(1, 3000)`,
    );
  }
  const reader = new Collector();
  const heartbeats = (): number => reader.objects.filter(isHeartbeat).length;
  // It takes the next rows when a heartbeat has come between.
  reader.room = () => {
    const before = heartbeats();
    return until('a heartbeat comes while it takes nothing', () => heartbeats() > before);
  };
  await follow(streams, { relation: 'many', heartbeatMs: 5 }, reader);
  await copied(reader);
  const positions = reader.objects.map(({ since }) => since ?? -1);
  expect(heartbeats()).toBeGreaterThan(0);
  expect(positions).toEqual([...positions].sort((a, b) => a - b));
});

test('a reader that takes nothing is cut from the round, the others get all of it', async () => {
  const streams = open();
  await db.sql.query('CREATE TABLE public.round (id int, txid bigint DEFAULT txid_current())');
  const stalled = new Collector();
  const reader = await follow(streams, { relation: 'round' });
  await follow(streams, { relation: 'round' }, stalled);
  // Who has copied joins the others soon after.
  await until('both follow', () => streams.status.some(({ readers }) => readers === 2));
  stalled.objectsMax = 100;
  // More than the server takes from the socket at once: there are several turns, however late it reads.
  await db.sql.query('INSERT INTO public.round SELECT generate_series(1, 100000)');
  await until('the other has all rows', () => reader.rows.length >= 100_000, 15_000);
  await until('the stalled one is cut', () => stalled.error !== null);
  expect(stalled.error).toMatchObject({ code: 'BUSY' });
  expect(stalled.rows.length).toBeLessThan(100_000);
});

test('P2: a round that breaks in the middle repeats nothing in strict mode, and loses nothing in lockstep mode', async () => {
  const streams = open();
  await db.sql.query('CREATE TABLE public.broken (id int, txid bigint DEFAULT txid_current())');
  const strict = await follow(streams, { relation: 'broken', mode: 'strict' });
  const lockstep = await follow(streams, { relation: 'broken' });
  await until('both follow', () => streams.status.some(({ readers }) => readers === 2));
  let isCut = false;
  strict.room = async () => {
    if (isCut) return;
    isCut = true;
    await db.sql.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND query ~ 'COPY.*broken' AND pid <> pg_backend_pid()`);
  };
  strict.objectsMax = 0;
  await db.sql.query(`INSERT INTO public.broken SELECT generate_series(1, 200000)`);
  const idsOf = ({ rows }: Collector): readonly unknown[] => rows.map(({ data }) => data?.id);
  await until('lockstep has all', () => new Set(idsOf(lockstep)).size === 200_000, 60_000);
  expect(isCut).toBe(true);
  // It was ended; coming back it begins behind what it may store.
  expect(strict.isOpen).toBe(false);
  expect(new Set(idsOf(strict)).size).toBe(idsOf(strict).length);
});

test('a view that fails while it is followed ends the stream with an error that says why', async () => {
  const streams = open();
  const reader = await follow(streams, { relation: 'quotient' });
  await copied(reader);
  await db.sql.query('INSERT INTO public.item (n) VALUES (0)');
  await until('the stream has failed', () => reader.error !== null);
  expect(reader.error).toMatchObject({ code: 'RELATION_UNFIT' });
  expect(String(reader.error)).toContain('division by zero');
  const again = await follow(streams, { relation: 'quotient' });
  await until('so does the next one', () => again.error !== null);
  await db.sql.query('DELETE FROM public.item WHERE n = 0');
});

test('a right that is revoked while the relation is followed ends the stream with the GRANT that is missing', async () => {
  const role = `r_${process.pid}`;
  await db.sql.query(
    `CREATE ROLE ${role} LOGIN PASSWORD 'p'; GRANT SELECT ON public.item TO ${role}`,
  );
  const url = new URL(db.url);
  [url.username, url.password] = [role, 'p'];
  const streams = new PollingRowStreams({
    ...{ url: url.href, clock: timerClock, allowed: null, pollMs: 25, wakeMs: 5, copiesMax: 8 },
  });
  const reader = await follow(streams);
  await copied(reader);
  await db.sql.query(`REVOKE SELECT ON public.item FROM ${role}`);
  await until('the stream has failed', () => reader.error !== null);
  expect(reader.error).toMatchObject({ code: 'RELATION_UNFIT' });
  expect((reader.error as { hint?: string }).hint).toContain('GRANT SELECT');
  await streams.close();
  await until(
    'its connections are gone',
    async () => (await sessions(`usename = '${role}'`)) === 0,
  );
  await db.sql.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

test('a round that took a minute, because Postgres stood still, is not followed by minutes of silence', async () => {
  let aheadMs = 0;
  const streams = new PollingRowStreams({
    ...{ url: db.url, allowed: null, pollMs: 25, wakeMs: 5, copiesMax: 8 },
    clock: { ...timerClock, now: () => timerClock.now() + aheadMs },
  });
  onTestFinished(() => streams.close());
  const reader = await follow(streams);
  await copied(reader);
  reader.onObject = () => {
    aheadMs = 60_000;
  };
  const has = (n: number): boolean => reader.rows.some(({ data }) => data?.n === n);
  await db.sql.query('INSERT INTO public.item (n) VALUES (65)');
  await until('the row of the slow round came', () => has(65));
  await db.sql.query('INSERT INTO public.item (n) VALUES (66)');
  await until('the next one came', () => has(66));
});

test('a clock of the machine that is set back holds up nobody', async () => {
  let backMs = 0;
  const streams = new PollingRowStreams({
    ...{ url: db.url, allowed: null, pollMs: 25, wakeMs: 5, copiesMax: 8 },
    clock: { ...timerClock, wallMs: () => Date.now() - backMs },
  });
  onTestFinished(() => streams.close());
  const reader = await follow(streams, { heartbeatMs: 20 });
  await copied(reader);
  backMs = 3_600_000;
  await db.sql.query('INSERT INTO public.item (n) VALUES (55)');
  await until('the row came', () => reader.rows.some(({ data }) => data?.n === 55));
  const { length } = reader.objects;
  await until('a heartbeat came', () => reader.objects.slice(length).some(isHeartbeat));
});

test('Postgres ends every connection: readers stay, and get what is written afterwards', async () => {
  const streams = open();
  const reader = await follow(streams);
  await copied(reader);
  await db.sql.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`);
  await db.sql.query('INSERT INTO public.item (n) VALUES (77)');
  await until('the row came', () => reader.rows.some(({ data }) => data?.n === 77));
  expect(reader.error).toBeNull();
});

test('many that come at once share the connection for questions, and none is left open', async () => {
  const streams = open();
  await Promise.all(Array.from({ length: 40 }, () => streams.open(REQUEST)));
  expect(await sessions()).toBe(1);
  await streams.close();
  await until('none is left', async () => (await sessions()) === 0);
});

test('many followed relations share a few connections', async () => {
  const streams = open();
  const names = Array.from({ length: 30 }, (_, index) => `public.r${index}`);
  await db.sql.query(
    names
      .map((name) => `CREATE TABLE ${name} (id int, txid bigint DEFAULT txid_current())`)
      .join(';'),
  );
  const readers = await Promise.all(names.map((relation) => follow(streams, { relation })));
  await Promise.all(readers.map(copied));
  await db.sql.query(names.map((name) => `INSERT INTO ${name} VALUES (1)`).join(';'));
  await until('each has its row', () => readers.every(({ rows }) => rows.length === 1));
  expect(await sessions()).toBeLessThan(10);
});

test('a reader that leaves late does not take away the poller of those who came after', async () => {
  const streams = open();
  const create = 'CREATE TABLE public.again (id int, txid bigint DEFAULT txid_current())';
  await db.sql.query(create);
  const [first, second] = [
    await follow(streams, { relation: 'again' }),
    await follow(streams, { relation: 'again' }),
  ];
  await Promise.all([copied(first), copied(second)]);
  await db.sql.query('DROP TABLE public.again');
  await until('both have failed', () => first.error !== null && second.error !== null);
  first.leave();
  await db.sql.query(create);
  const third = await follow(streams, { relation: 'again' });
  await copied(third);
  await until('it follows', () => streams.status.some(({ readers }) => readers === 1));
  second.leave();
  expect(streams.status.map(({ readers }) => readers)).toEqual([1]);
});

test('a position ahead of the database is refused: it belongs to another one', async () => {
  const streams = open();
  await expect(follow(streams, { since: 2 ** 40 })).rejects.toMatchObject({ code: 'BAD_POSITION' });
});

test('ids that no transaction has had come with the copy, as text beyond 2^53, and are not read again', async () => {
  const streams = open();
  await db.sql.query(`CREATE TABLE public.odd (id int, txid bigint);
    INSERT INTO public.odd VALUES (1, NULL), (2, 1::bigint << 40), (3, 9223372036854775807), (4, txid_current())`);
  const reader = await follow(streams, { relation: 'odd' });
  await copied(reader);
  expect(reader.rows.map(({ data, txid }) => [data?.id, txid]).sort()).toEqual([
    [2, 2 ** 40],
    [3, '9223372036854775807'],
    [4, expect.any(Number)],
  ]);
  await db.sql.query('INSERT INTO public.odd VALUES (5, txid_current())');
  await until('the new row came', () => reader.rows.length > 3);
  expect(reader.rows.at(-1)?.data?.id).toBe(5);
  expect(reader.rows).toHaveLength(4);
});

test('a relation that is rewritten, renamed or locked meanwhile is followed on, or its end is told', async () => {
  const streams = open();
  await db.sql.query(`CREATE TABLE public.moved (id int, txid bigint DEFAULT txid_current());
    INSERT INTO public.moved SELECT generate_series(1, 100)`);
  const reader = await follow(streams, { relation: 'moved' });
  await copied(reader);
  await db.sql.query('ALTER TABLE public.moved ALTER COLUMN id TYPE bigint');
  await db.sql.query('INSERT INTO public.moved VALUES (101)');
  await until('the row came', () => reader.rows.some(({ data }) => data?.id === 101));
  expect(reader.error).toBeNull();
  await db.sql.query('ALTER TABLE public.moved RENAME TO moved2');
  await until('the end is told', () => reader.error !== null);
  expect(reader.error).toMatchObject({ code: 'NOT_FOUND' });
});
