import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import type { StreamRequest } from '../../src/lockstep/api.ts';
import { timerClock } from '../../src/lockstep/clock.ts';
import { PollingRowStreams } from '../../src/lockstep/row-streams.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { Collector, type LockstepObject } from '../support/lockstep/collector.ts';
import { TestDatabase } from '../support/source-recorder.ts';
import { until } from '../support/stack.ts';

let db: TestDatabase;
let streams: PollingRowStreams;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await db.sql.query(`
    CREATE TABLE public.domains (name text PRIMARY KEY, deleted boolean, created_at timestamptz DEFAULT now(),
      txid bigint NOT NULL DEFAULT txid_current());
    CREATE VIEW public.domain_feed AS SELECT *, txid_snapshot_xmin(txid_current_snapshot()) AS current_xmin FROM public.domains;
    CREATE TABLE public.plain (id int);
    CREATE TABLE public.work (id int, writer int, txid bigint NOT NULL DEFAULT txid_current());
    CREATE INDEX ON public.work (txid);`);
  streams = new PollingRowStreams({
    ...{ url: db.url, clock: timerClock, allowed: null, pollMs: 25, wakeMs: 5, copiesMax: 200 },
  });
});

afterAll(async () => {
  await streams.close();
  await db.close();
});

const REQUEST: StreamRequest = {
  ...{ relation: 'domains', mode: 'lockstep', since: 0, isFollowing: true },
  ...{ heartbeatMs: 10_000, heartbeatFormat: 'control' },
};

async function follow(request: Partial<StreamRequest>, sink = new Collector()): Promise<Collector> {
  (await streams.open({ ...REQUEST, ...request })).run(sink);
  return sink;
}

test('a stream has the rows, then snapshot_completed, then each later row with a heartbeat behind it', async () => {
  await db.sql.query(
    `INSERT INTO public.domains (name, deleted) VALUES ('a.org', false), ('b.org', true)`,
  );
  const reader = await follow({ relation: 'domain_feed' });
  await until('the copy is complete', () => reader.has('snapshot_completed'));
  expect(reader.rows.map(({ data }) => data?.name)).toEqual(['a.org']); // b.org was deleted before
  await db.sql.query(`INSERT INTO public.domains (name) VALUES ('c.org')`);
  await until('the row and its heartbeat came', () => reader.has('heartbeat'));
  const row = reader.rows.at(-1);
  expect(row).toMatchObject({ deleted: false, data: { name: 'c.org' } });
  // Below its own id when an older transaction was open anywhere in the cluster.
  expect(row?.since).toBeLessThanOrEqual(row?.txid ?? 0);
  expect(row?.since).toBeGreaterThan(reader.rows[0]?.txid ?? Number.POSITIVE_INFINITY);
  expect(Object.keys(row?.data ?? {})).toEqual(['name', 'created_at']);
  reader.leave();
});

test('a column that is added or dropped while streaming does not break the stream', async () => {
  const reader = await follow({});
  await until('the copy is complete', () => reader.has('snapshot_completed'));
  await db.sql.query(`ALTER TABLE public.domains ADD COLUMN note text DEFAULT 'n'`);
  await db.sql.query(`INSERT INTO public.domains (name) VALUES ('d.org')`);
  await until('the row came', () => reader.rows.some(({ data }) => data?.name === 'd.org'));
  expect(reader.rows.at(-1)?.data?.note).toBe('n');
  await db.sql.query(`ALTER TABLE public.domains DROP COLUMN note`);
  await db.sql.query(`INSERT INTO public.domains (name) VALUES ('e.org')`);
  await until('the row came', () => reader.rows.some(({ data }) => data?.name === 'e.org'));
  expect(reader.rows.at(-1)?.data).not.toHaveProperty('note');
  reader.leave();
});

test('a relation that does not exist or lacks a field is refused before anything is written', async () => {
  await expect(follow({ relation: 'nowhere' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(follow({ relation: 'plain' })).rejects.toMatchObject({ code: 'RELATION_UNFIT' });
});

test('a relation that is dropped while it is streamed ends the stream with an error', async () => {
  await db.sql.query('CREATE TABLE public.gone (txid bigint DEFAULT txid_current())');
  const reader = await follow({ relation: 'gone' });
  await until('the copy is complete', () => reader.has('snapshot_completed'));
  await db.sql.query('DROP TABLE public.gone');
  await until('the stream has failed', () => reader.error !== null);
  expect(reader.error).toMatchObject({ code: 'NOT_FOUND' });
});

test('a relation that is dropped while a look waits for its lock is gone, not unfit', async () => {
  await db.sql.query('CREATE TABLE public.going (txid bigint DEFAULT txid_current())');
  const reader = await follow({ relation: 'going' });
  await until('the copy is complete', () => reader.has('snapshot_completed'));
  const dropper = await db.session();
  await dropper.query('BEGIN; DROP TABLE public.going');
  await until('a look waits', async () => {
    const waiting = await db.sql.query(
      `SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
       WHERE d.datname = current_database() AND NOT l.granted`,
    );
    return waiting.length > 0;
  });
  await dropper.query('COMMIT');
  await until('the stream has failed', () => reader.error !== null);
  expect(reader.error).toMatchObject({ code: 'NOT_FOUND' });
});

test('P19: a reader that leaves behind any line and comes back has everything, and in strict mode nothing twice', async () => {
  await db.sql.query('CREATE TABLE public.grouped (id serial, txid bigint DEFAULT txid_current())');
  for (const rows of [1, 3, 1, 1, 4, 2]) {
    await db.sql.query(
      `INSERT INTO public.grouped (txid) SELECT txid_current() FROM generate_series(1, ${rows})`,
    );
  }
  const read = async (mode: 'lockstep' | 'strict', since: number): Promise<Collector> => {
    const reader = await follow({ relation: 'grouped', mode, since, isFollowing: false });
    await until('the copy is complete', () => reader.has('snapshot_completed'));
    return reader;
  };
  const idsOf = (rows: readonly LockstepObject[]): unknown[] => rows.map(({ data }) => data?.id);
  for (const mode of ['lockstep', 'strict'] as const) {
    const all = (await read(mode, 0)).rows;
    expect(all).toHaveLength(12);
    for (let count = 0; count <= all.length; count += 1) {
      const processed = all.slice(0, count);
      const since = Math.max(0, ...processed.map((row) => row.since ?? 0));
      // What was processed behind the last position that could be stored is not stored either.
      const stored =
        mode === 'strict' ? processed.filter(({ txid }) => (txid ?? 0) < since) : processed;
      const again = await read(mode, since);
      const both = [...idsOf(stored), ...idsOf(again.rows)];
      expect(new Set(both).size).toBe(12);
      if (mode === 'strict') expect(both).toHaveLength(12);
    }
  }
});

test('many readers of one relation share its queries', async () => {
  await db.sql.query('CREATE TABLE public.shared (id int, txid bigint DEFAULT txid_current())');
  const readers: Collector[] = [];
  for (let index = 0; index < 100; index += 1) readers.push(await follow({ relation: 'shared' }));
  await until('all have copied', () => readers.every((reader) => reader.has('snapshot_completed')));
  const before = streams.rounds;
  await db.sql.query('INSERT INTO public.shared VALUES (1)');
  await until('all have the row', () => readers.every(({ rows }) => rows.length === 1));
  expect(streams.rounds - before).toBeLessThan(readers.length / 2);
  for (const reader of readers) reader.leave();
});

const WRITERS = 4;
const SESSIONS_PER_WRITER = 3;
const STEPS_MAX = 20_000;
/** How often a reader leaves and comes back while there are writers. */
const RESUMPTIONS = 30;

/**
 * Takes a step in one of its sessions, then in another: transactions stay open while others commit, and end in
 * another order than they began. Some are rolled back; returns what is committed.
 */
async function write(seed: number, isDone: () => boolean): Promise<readonly string[]> {
  const random = new SeededRandom(seed);
  const committed: string[] = [];
  const places: { session: PgSession; open: string | null }[] = [];
  for (let count = 0; count < SESSIONS_PER_WRITER; count += 1) {
    places.push({ session: await PgSession.connect({ url: db.url }), open: null });
  }
  const end = async (place: (typeof places)[number]): Promise<void> => {
    const isRolledBack = random.next() < 0.1;
    await place.session.query(isRolledBack ? 'ROLLBACK' : 'COMMIT');
    if (!isRolledBack && place.open !== null) committed.push(place.open);
    place.open = null;
  };
  for (let id = 0; id < STEPS_MAX && !isDone(); id += 1) {
    const place = random.pick(places);
    if (place.open !== null) {
      await end(place);
      continue;
    }
    await place.session.query('BEGIN');
    await place.session.query(`INSERT INTO public.work (id, writer) VALUES (${id}, ${seed})`);
    place.open = `${seed}/${id}`;
  }
  for (const place of places) {
    if (place.open !== null) await end(place);
    await place.session.end();
  }
  return committed;
}

/** The planted bug: a reader that resumes behind the largest id that it saw. */
class NaiveReader {
  readonly seen = new Set<string>();
  #largest = 0;

  async read(): Promise<void> {
    const rows = await db.sql.query(
      `SELECT id, writer, txid FROM public.work WHERE txid > ${this.#largest} ORDER BY txid`,
    );
    for (const { id, writer, txid } of rows) {
      this.seen.add(`${writer}/${id}`);
      this.#largest = Math.max(this.#largest, Number(txid));
    }
  }
}

const nameOf = ({ data }: { data?: Readonly<Record<string, unknown>> }): string =>
  `${data?.writer}/${data?.id}`;

test('P1 P2: with 12 transactions open at a time, lockstep loses nothing, strict neither loses nor repeats, a naive reader loses', async () => {
  const lockstep = await follow({ relation: 'work' });
  const strict = await follow({ relation: 'work', mode: 'strict' });
  // This one leaves at every few rows and comes back with what it has stored.
  const resumed = new Set<string>();
  let resuming = await follow({ relation: 'work' });
  const comeBack = async (): Promise<void> => {
    for (const row of resuming.rows) resumed.add(nameOf(row));
    resuming.leave();
    resuming = await follow({ relation: 'work', since: resuming.since });
  };
  const naive = new NaiveReader();
  let isDone = false;
  onTestFinished(() => {
    isDone = true;
  });
  const writers = Array.from({ length: WRITERS }, (_, index) => write(index + 1, () => isDone));
  for (let count = 0; count < RESUMPTIONS; count += 1) {
    await until('more rows came', () => resuming.rows.length >= 10);
    await comeBack();
    await naive.read();
  }
  isDone = true;
  const committed = (await Promise.all(writers)).flat().sort();
  await comeBack();
  await until('everything came', () => {
    return [lockstep, strict].every(
      (reader) => new Set(reader.rows.map(nameOf)).size >= committed.length,
    );
  });
  await until('the resumed reader has copied', () => resuming.has('snapshot_completed'));
  await comeBack();
  expect([...new Set(lockstep.rows.map(nameOf))].sort()).toEqual(committed);
  expect(strict.rows.map(nameOf).sort()).toEqual(committed);
  const ids = strict.rows.map(({ txid }) => txid ?? 0);
  expect(ids).toEqual([...ids].sort((a, b) => a - b));
  expect([...resumed].sort()).toEqual(committed);
  await naive.read();
  expect(committed.filter((name) => !naive.seen.has(name)).length).toBeGreaterThan(0);
  for (const reader of [lockstep, strict, resuming]) reader.leave();
});
