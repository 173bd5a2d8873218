/** P21: what the event triggers put into the stream, for every kind of change that matters. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { parseSelectorRule } from '../../src/core/selector.ts';
import type { LogicalMessage } from '../../src/core/source.ts';
import {
  BARRIER_SQL,
  type DdlEvent,
  hasTriggers,
  installTriggers,
  parseDdlMessage,
  uninstallTriggers,
} from '../../src/postgres/ddl.ts';
import { reconcilePublication } from '../../src/postgres/publication.ts';
import type { SlotReader } from '../../src/postgres/slot-reader.ts';
import { Recorder, TestDatabase } from '../support/source-recorder.ts';

const DECLARATIONS = [{ name: 'declared', selector: parseSelectorRule('*') }];
const INSTALL = { publication: 'p', declarations: DECLARATIONS, replicaIdentity: 'leave' } as const;

let db: TestDatabase;
let recorder: Recorder;
let reader: SlotReader;
const events: DdlEvent[] = [];

/** Reads the messages as the engine does, while they are valid. */
class DdlRecorder extends Recorder {
  override message(message: LogicalMessage): undefined {
    events.push(...(parseDdlMessage(message, DECLARATIONS) ?? []));
    return super.message(message);
  }
}

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await db.sql.query(`
    CREATE TABLE public.city (id int PRIMARY KEY, _change_selector text);
    ALTER TABLE public.city REPLICA IDENTITY FULL;
    CREATE TABLE public.part (id int PRIMARY KEY, _change_selector text) PARTITION BY RANGE (id);
    ALTER TABLE public.part REPLICA IDENTITY FULL;
    CREATE TABLE public.low PARTITION OF public.part FOR VALUES FROM (0) TO (100);
    ALTER TABLE public.low REPLICA IDENTITY FULL;
    INSERT INTO public.part VALUES (1, 'a');`);
  await installTriggers(db.sql, INSTALL);
  ({ recorder, reader } = await db.stream(['public.city', 'public.part'], {
    handler: new DdlRecorder(),
  }));
});

afterAll(() => db.close());

/** Runs `sql` and returns what the stream said about tables because of it. */
async function eventsOf(sql: string): Promise<readonly DdlEvent[]> {
  const before = events.length;
  await db.sql.query(sql);
  await db.sql.query(BARRIER_SQL);
  await recorder.until(() => isBarrier(recorder), sql);
  recorder.committed.length = 0;
  return events.slice(before);
}

function isBarrier({ committed }: Recorder): boolean {
  const last = committed.at(-1)?.changes.at(-1);
  return last?.kind === 'message' && last.prefix === 'tidelock.barrier';
}

const published = async (): Promise<string[]> => {
  const rows = await db.sql.query(
    `SELECT tablename AS t FROM pg_publication_tables WHERE pubname = 'p'`,
  );
  return rows.map((row) => row.t ?? '').sort();
};

const FULL = (table: string): string => `ALTER TABLE ${table} REPLICA IDENTITY FULL`;

test('a new table with the selector column is published before its first row', async () => {
  const before = recorder.inserted('public.born').length;
  const said = await eventsOf(`BEGIN;
    CREATE TABLE public.born (id int PRIMARY KEY, _change_selector text); ${FULL('public.born')};
    SELECT pg_logical_emit_message(true, 'x', 'y'); INSERT INTO public.born VALUES (1, 'a'); COMMIT`);
  expect(said.map(({ name, isNew, description }) => [name, isNew, description.kind])).toEqual([
    ['public.born', true, 'unfit'],
    ['public.born', true, 'table'],
  ]);
  expect(before).toBe(0);
  expect(await published()).toContain('born');
});

test('rows written right after the table was created are in the stream', async () => {
  const seen: string[] = [];
  recorder.onCommit = ({ changes }) => seen.push(...changes.map(({ kind }) => kind));
  await eventsOf(`BEGIN; CREATE TABLE public.declared (id int PRIMARY KEY);
    INSERT INTO public.declared VALUES (1); COMMIT; INSERT INTO public.declared VALUES (2)`);
  recorder.onCommit = undefined;
  // Postgres files a message under its end, where the next record begins: when that is a row of another
  // subtransaction, which it is while others change the schema too, either of them may come first.
  expect(seen.slice(0, 2).sort()).toEqual(['insert', 'message']);
  expect(seen.slice(2)).toEqual(['insert', 'message']);
});

test('a table made from a query has rows that were not sent, and says so', async () => {
  await eventsOf(`CREATE TABLE public.made AS SELECT 1 AS id, 'a' AS _change_selector`);
  const said = await eventsOf('ALTER TABLE public.made ADD PRIMARY KEY (id)');
  expect(said).toMatchObject([{ name: 'public.made', isNew: false }]);
  expect(await published()).toContain('made');
});

test('an added column comes with the value of older rows', async () => {
  const [event] = await eventsOf('ALTER TABLE public.city ADD COLUMN people int DEFAULT 7');
  expect(event).toMatchObject({
    isRewritten: false,
    description: { kind: 'table', fills: { people: 'constant' } },
  });
  expect(event?.description.kind === 'table' && event.description.table.columns.at(-1)).toEqual({
    ...{ name: 'people', type: 'integer', kind: 'int', missing: 7 },
  });
});

test('the definition in a message is the one at its place, not the present one', async () => {
  const said = await eventsOf(`BEGIN; ALTER TABLE public.city ADD COLUMN a int;
    ALTER TABLE public.city ADD COLUMN b int; COMMIT`);
  const names = said.map(({ description }) =>
    description.kind === 'table' ? description.table.columns.length : 0,
  );
  expect(names).toEqual([4, 5]);
});

test.each([
  ['a default for each row', 'ALTER TABLE public.city ADD COLUMN r float DEFAULT random()'],
  [
    'a type that prints differently',
    'ALTER TABLE public.city ALTER people TYPE text USING people || $$!$$',
  ],
  [
    'a stored generated column',
    'ALTER TABLE public.city ADD COLUMN g int GENERATED ALWAYS AS (id) STORED',
  ],
])('rows rewritten by %s are reported', async (_, sql) => {
  expect(await eventsOf(sql)).toMatchObject([{ name: 'public.city', isRewritten: true }]);
});

test('dropped columns, new indexes and renames are reported', async () => {
  expect(await eventsOf('ALTER TABLE public.city DROP COLUMN r')).toMatchObject([
    { name: 'public.city', isRewritten: false },
  ]);
  const [indexed] = await eventsOf('CREATE INDEX city_people ON public.city (people)');
  expect(indexed?.description).toMatchObject({
    table: { indexes: [{ name: 'city_people', columns: ['people'] }] },
  });
  const said = await eventsOf('ALTER TABLE public.city RENAME TO town');
  expect(said.map(({ name, description }) => [name, description.kind])).toEqual([
    ['public.city', 'missing'],
    ['public.town', 'table'],
  ]);
  await eventsOf('ALTER TABLE public.town RENAME TO city');
});

test('a table that loses its key leaves the publication, so that the application can go on', async () => {
  const [event] = await eventsOf('ALTER TABLE public.city DROP CONSTRAINT city_pkey');
  expect(event?.description).toMatchObject({ kind: 'unfit' });
  expect(await published()).not.toContain('city');
  const [back] = await eventsOf('ALTER TABLE public.city ADD PRIMARY KEY (id)');
  expect(back?.description.kind).toBe('table');
  expect(await published()).toContain('city');
});

test('P20: a table taken out of the publication, or published only in part, is put back', async () => {
  await eventsOf('ALTER PUBLICATION p DROP TABLE public.city');
  expect(await published()).toContain('city');
  await eventsOf('ALTER PUBLICATION p SET TABLE public.city WHERE (id > 5), public.part');
  const rows = await db.sql.query(
    `SELECT rowfilter FROM pg_publication_tables WHERE pubname = 'p' AND tablename = 'city'`,
  );
  expect(rows).toEqual([{ rowfilter: null }]);
  await eventsOf(`ALTER PUBLICATION p SET (publish = 'insert')`);
  const { pubdelete } = await db.sql.queryOne(
    `SELECT pubdelete FROM pg_publication WHERE pubname = 'p'`,
  );
  expect(pubdelete).toBe('t');
});

test('partitions with rows that come, go or are emptied on their own are reported for their root', async () => {
  expect(
    await eventsOf(
      'CREATE TABLE public.mid PARTITION OF public.part FOR VALUES FROM (100) TO (200)',
    ),
  ).toMatchObject([{ name: 'public.part', isRewritten: false }]);
  await eventsOf(`CREATE TABLE public.high (id int NOT NULL, _change_selector text);
    INSERT INTO public.high VALUES (201, 'b')`);
  const attach =
    'ALTER TABLE public.part ATTACH PARTITION public.high FOR VALUES FROM (200) TO (300)';
  const attached = await eventsOf(attach);
  expect(attached.at(-1)).toMatchObject({ name: 'public.part', isRewritten: true });
  expect(await eventsOf('TRUNCATE public.high')).toMatchObject([
    { name: 'public.part', isRewritten: true },
  ]);
  expect(await eventsOf('TRUNCATE public.low')).toHaveLength(1);
  expect(await eventsOf('TRUNCATE public.part')).toEqual([]);
  expect(await eventsOf('BEGIN; TRUNCATE public.part; TRUNCATE public.low; COMMIT')).toHaveLength(
    1,
  );
  const detached = await eventsOf('ALTER TABLE public.part DETACH PARTITION public.high');
  expect(detached.map(({ name }) => name)).toEqual(['public.high', 'public.part']);
  expect(await eventsOf('DROP TABLE public.mid')).toMatchObject([{ name: 'public.part' }]);
});

test('a renamed value of an enum changes what rows print, a new one does not', async () => {
  await eventsOf(`CREATE TYPE public.mood AS ENUM ('a');
    CREATE TABLE public.feeling (id int PRIMARY KEY, _change_selector text, moods public.mood[])`);
  expect(await eventsOf(`ALTER TYPE public.mood ADD VALUE 'b'`)).toMatchObject([
    { name: 'public.feeling', isRewritten: false },
  ]);
  expect(await eventsOf(`ALTER TYPE public.mood RENAME VALUE 'a' TO 'A'`)).toMatchObject([
    { name: 'public.feeling', isRewritten: true },
  ]);
});

test('dropped tables and schemas are reported by name', async () => {
  await eventsOf(`CREATE SCHEMA s; CREATE TABLE s.a (id int PRIMARY KEY, _change_selector text)`);
  const renamed = await eventsOf('ALTER SCHEMA s RENAME TO s2');
  expect(renamed.map(({ name }) => name)).toEqual(['s.a', 's2.a']);
  expect(await eventsOf('DROP SCHEMA s2 CASCADE')).toMatchObject([
    { name: 's2.a', description: { kind: 'missing' } },
  ]);
});

test('changes of tables that nobody replicates, and temporary tables, say nothing', async () => {
  expect(
    await eventsOf(`CREATE TABLE public.private (id int); ALTER TABLE public.private ADD x int;
      CREATE TEMP TABLE t (id int PRIMARY KEY, _change_selector text); DROP TABLE public.private, t`),
  ).toEqual([]);
});

test('an ordinary role creates replicated tables without rights on ours', async () => {
  const role = `r_${db.name}`;
  await db.sql.query(`CREATE ROLE ${role}; GRANT CREATE ON SCHEMA public TO ${role}`);
  const said = await eventsOf(`SET ROLE ${role};
    CREATE TABLE public.theirs (id int PRIMARY KEY, _change_selector text); RESET ROLE`);
  expect(said).toMatchObject([{ name: 'public.theirs', isNew: true }]);
  await db.sql.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

test('the application’s statement does not fail when ours does', async () => {
  await db.sql.query('ALTER TABLE tidelock.seen RENAME TO hidden');
  await eventsOf(`CREATE TABLE public.unlucky (id int PRIMARY KEY, _change_selector text);
    DROP TABLE public.unlucky`);
  await db.sql.query('ALTER TABLE tidelock.hidden RENAME TO seen');
  expect(await eventsOf('ALTER TABLE public.city ADD COLUMN after_all int')).toHaveLength(1);
});

test('installing again changes nothing; a changed program installs anew; uninstalling leaves nothing', async () => {
  const oid = async () =>
    (await db.sql.queryOne(`SELECT oid FROM pg_event_trigger WHERE evtname = 'tidelock_ddl'`)).oid;
  const before = await oid();
  expect(await installTriggers(db.sql, INSTALL)).toEqual({ kind: 'installed' });
  expect(await oid()).toBe(before);
  await db.sql.query(`UPDATE tidelock.installation SET stamp = 'older'`);
  await installTriggers(db.sql, INSTALL);
  expect(await oid()).not.toBe(before);
  expect(await eventsOf('ALTER TABLE public.city ADD COLUMN once_more int')).toHaveLength(1);
  await uninstallTriggers(db.sql);
  expect(await hasTriggers(db.sql)).toBe(false);
  const { triggers } = await db.sql.queryOne(
    `SELECT count(*) AS triggers FROM pg_trigger WHERE tgname LIKE 'tidelock%'`,
  );
  expect(triggers).toBe('0');
  expect(reader.confirmed).toBe(0);
});

test('a role that may not install is told so, and replication goes on without', async () => {
  const role = `l_${db.name}`;
  await db.sql.query(
    `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'x'; GRANT CREATE ON DATABASE ${db.name} TO ${role}`,
  );
  const url = db.url.replace(/\/\/[^@]*@/, `//${role}:x@`);
  const session = await db.session({ url });
  expect(await installTriggers(session, INSTALL)).toMatchObject({ kind: 'skipped' });
  expect(await hasTriggers(session)).toBe(false);
  expect(await reconcilePublication(session, 'theirs', [])).toEqual({ added: [], removed: [] });
  await session.query('DROP PUBLICATION theirs');
  await session.end();
  await db.sql.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

test('messages of strangers say nothing', () => {
  const message = (prefix: string, content: string, isTransactional = true): LogicalMessage => ({
    ...{ prefix, content: Buffer.from(content), isTransactional },
    ...{ xid: 1, subxid: 1, lsn: 0 as LogicalMessage['lsn'] },
  });
  expect(parseDdlMessage(message('other', '{}'), [])).toBeNull();
  expect(parseDdlMessage(message('tidelock.ddl', '{}', false), [])).toBeNull();
  for (const content of ['', '{', '{}', '[]', 'null', '{"name":"x","facts":{"columns":3}}']) {
    expect(parseDdlMessage(message('tidelock.ddl', content), []), content).toEqual([]);
  }
});
