/** Slots, publications, the catalog, the start-up check and the doctor on a real Postgres. */
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { parseSelectorRule } from '../../src/core/selector.ts';
import { describeTable, describeTables } from '../../src/postgres/catalog.ts';
import { examineSource } from '../../src/postgres/doctor.ts';
import { requireFit } from '../../src/postgres/fit.ts';
import {
  dropBlindSlot,
  reconcilePublication,
  waitForOpenTransactions,
} from '../../src/postgres/publication.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { createSlot, dropSlot, type SlotWait, takeOverSlot } from '../../src/postgres/slot.ts';
import { readSlot, readSourceFacts } from '../../src/postgres/source-facts.ts';
import { TestDatabase } from '../support/source-recorder.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await db.sql.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, v text);
    CREATE TABLE public.auto (_change_selector text, id int, PRIMARY KEY (_change_selector, id));
    CREATE TABLE public.loose (id int PRIMARY KEY, _change_selector text);
    CREATE UNLOGGED TABLE public.fast (id int PRIMARY KEY, _change_selector text);
    CREATE TABLE public.parts (_change_selector text PRIMARY KEY) PARTITION BY LIST (_change_selector);
    CREATE TABLE public.part_a PARTITION OF public.parts FOR VALUES IN ('a');
    CREATE VIEW public.seen AS SELECT id, v FROM public.t;`);
});

afterEach(() => db.endStreams());
afterAll(() => db.close());

const declare = (name: string, rule = '*') => ({ name, selector: parseSelectorRule(rule) });

test('the source tells its identity and the state of the slot', async () => {
  const slot = await db.slot();
  const session = await db.session({ isReplication: true });
  const facts = await readSourceFacts(session, slot);
  expect(facts).toMatchObject({
    systemId: expect.stringMatching(/^\d{15,}$/),
    walTimeline: 1,
    switchedAt: undefined,
    slot: { isLost: false, activePid: null, lostReason: null },
  });
  expect(facts.slot?.confirmed).toBeLessThanOrEqual(facts.flushed);
  expect((await readSourceFacts(session, 'nowhere')).slot).toBeNull();
});

test('P20: a slot of another plugin or another database is not taken for ours', async () => {
  const name = `x_${db.name}`;
  await db.sql.query(`SELECT pg_create_logical_replication_slot('${name}', 'test_decoding')`);
  expect(await readSlot(db.sql, name)).toMatchObject({
    ...{ isLost: true, lostReason: expect.stringContaining('test_decoding') },
  });
  await dropSlot(db.sql, name, 'me');
  const slot = await db.slot();
  const elsewhere = await PgSession.connect({ url: inject('postgresUrl') });
  expect(await readSlot(elsewhere, slot)).toMatchObject({
    lostReason: 'it belongs to another database',
  });
  await elsewhere.end();
});

test('F7: creating a slot names the transaction that it waits for', async () => {
  const [writer, session, observer] = await Promise.all([
    db.session(),
    db.session({ isReplication: true }),
    db.session(),
  ]);
  await writer.query('BEGIN; INSERT INTO public.t VALUES (1)');
  const slot = `w_${db.name}`;
  const seen = Promise.withResolvers<readonly SlotWait[]>();
  const made = createSlot({ session, slot, observer, onWait: seen.resolve });
  const { pid } = await writer.queryOne('SELECT pg_backend_pid() AS pid');
  expect(await seen.promise).toMatchObject([
    { pid: Number(pid), state: 'idle in transaction', applicationName: 'tidelock' },
  ]);
  await writer.query('COMMIT');
  expect(await made).toBeGreaterThan(0);
  await expect(createSlot({ session, slot })).rejects.toMatchObject({ code: 'SLOT_BUSY' });
  await dropSlot(db.sql, slot, 'me');
  await dropSlot(db.sql, slot, 'me');
});

test('a slot is taken over from our own earlier connection, not from a living server of ours', async () => {
  const { reader, slot } = await db.stream(['public.t']);
  await expect(takeOverSlot(db.sql, slot, 'another')).rejects.toMatchObject({
    code: 'SLOT_BUSY',
    message: expect.stringContaining('alive'),
  });
  await takeOverSlot(db.sql, slot, slot);
  expect(await readSlot(db.sql, slot)).toMatchObject({ activePid: null });
  expect(await reader.closed).toMatchObject({ code: 'SOURCE_DOWN' });
});

test('a slot that a stranger reads is left alone', async () => {
  const slot = await db.slot();
  const stranger = await db.session({ isReplication: true });
  const options = `(proto_version '1', publication_names 'p')`;
  const taken = stranger.takeOver(
    `START_REPLICATION SLOT ${slot} LOGICAL 0/0 ${options}`,
    () => undefined,
  );
  for (let tries = 0; (await readSlot(db.sql, slot))?.activePid === null; tries += 1) {
    if (tries > 1000) throw new Error('the stranger never held the slot');
  }
  await expect(takeOverSlot(db.sql, slot, slot)).rejects.toMatchObject({ code: 'SLOT_BUSY' });
  taken.socket.destroy();
  for (let tries = 0; (await readSlot(db.sql, slot))?.activePid !== null; tries += 1) {
    if (tries > 10_000) throw new Error('the stranger never let go');
  }
});

test('the publication is made, altered and mended, and keeps its name', async () => {
  const publish = (tables: readonly string[]) => reconcilePublication(db.sql, 'p2', tables);
  expect(await publish(['public.t'])).toEqual({ added: ['public.t'], removed: [] });
  const { oid } = await db.sql.queryOne(`SELECT oid FROM pg_publication WHERE pubname = 'p2'`);
  expect(await publish(['public.auto'])).toEqual({ added: ['public.auto'], removed: ['public.t'] });
  expect(await publish(['public.auto'])).toEqual({ added: [], removed: [] });
  await db.sql.query(`ALTER PUBLICATION p2 SET (publish = 'insert', publish_via_partition_root = false);
    ALTER PUBLICATION p2 SET TABLE public.auto WHERE (id > 1);
    ALTER PUBLICATION p2 ADD TABLES IN SCHEMA public`);
  expect(await publish(['public.auto'])).toEqual({ added: ['public.auto'], removed: [] });
  const rows = await db.sql.query(
    `SELECT tablename, rowfilter FROM pg_publication_tables WHERE pubname = 'p2'`,
  );
  expect(rows).toEqual([{ tablename: 'auto', rowfilter: null }]);
  const row = await db.sql.queryOne(
    `SELECT oid, pubdelete, pubviaroot, pubgencols FROM pg_publication WHERE pubname = 'p2'`,
  );
  expect(row).toEqual({ oid, pubdelete: 't', pubviaroot: 't', pubgencols: 's' });
  await db.sql.query('CREATE PUBLICATION everything FOR ALL TABLES');
  await expect(reconcilePublication(db.sql, 'everything', [])).rejects.toMatchObject({
    code: 'SOURCE_UNFIT',
  });
  await db.sql.query('DROP PUBLICATION everything; DROP PUBLICATION p2');
});

test('P20: a slot whose publication was dropped is dropped too, before the publication is made anew', async () => {
  const slot = await db.slot();
  const names = { publication: 'p3', slot, instance: slot };
  await reconcilePublication(db.sql, 'p3', ['public.t']);
  expect(await dropBlindSlot(db.sql, names)).toBe(false);
  await db.sql.query('DROP PUBLICATION p3');
  expect(await dropBlindSlot(db.sql, names)).toBe(true);
  expect(await readSlot(db.sql, slot)).toBeNull();
  expect(await dropBlindSlot(db.sql, names)).toBe(false);
});

test('the wait for open transactions ends with them, and with its signal', async () => {
  const writer = await db.session();
  await writer.query('BEGIN; INSERT INTO public.t VALUES (2)');
  await expect(waitForOpenTransactions(db.sql, AbortSignal.timeout(150))).rejects.toThrow();
  const done = waitForOpenTransactions(db.sql, AbortSignal.timeout(10_000));
  await writer.query('COMMIT');
  await done;
});

test('every table that is declared or has the column is described; the unfit ones say why', async () => {
  const declarations = [
    declare('t'),
    declare('public.part_a'),
    declare('seen'),
    declare('nowhere'),
  ];
  const found = await describeTables(db.sql, declarations);
  expect(found.map(({ name, kind }) => [name, kind])).toEqual([
    ['public.auto', 'table'],
    ['public.fast', 'unfit'],
    ['public.loose', 'unfit'],
    ['public.part_a', 'unfit'],
    ['public.parts', 'table'],
    ['public.seen', 'unfit'],
    ['public.t', 'table'],
    ['public.nowhere', 'missing'],
  ]);
  expect(await describeTable(db.sql, 'public.auto', [])).toEqual(
    found.find(({ name }) => name === 'public.auto'),
  );
  expect(await describeTable(db.sql, 'public.t', [])).toEqual({
    kind: 'missing',
    name: 'public.t',
  });
  expect(await describeTable(db.sql, 'public.part_a', [])).toMatchObject({ kind: 'missing' });
});

test('the statement named for an unfit table makes it fit', async () => {
  for (;;) {
    const [next] = (await describeTables(db.sql, [])).filter(({ kind }) => kind === 'unfit');
    if (next?.kind !== 'unfit') break;
    await db.sql.query(next.remedy);
  }
  const kinds = (await describeTables(db.sql, [])).map(({ kind }) => kind);
  expect(kinds).toEqual(['table', 'table', 'table', 'table']);
});

test('a server that is fit passes; a role that may not replicate is told the statement', async () => {
  await requireFit(db.sql);
  const role = `q_${db.name}`;
  await db.sql.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
  const session = await db.session({ url: db.url.replace(/\/\/[^@]*@/, `//${role}:x@`) });
  await expect(requireFit(session)).rejects.toMatchObject({
    ...{ code: 'SOURCE_UNFIT', hint: `run as a superuser: ALTER ROLE "${role}" REPLICATION` },
  });
  await session.end();
  await db.sql.query(`DROP ROLE ${role}`);
});

test('the doctor names what is wrong and the statement that mends it', async () => {
  const writer = await db.session();
  await writer.query('BEGIN; CREATE TABLE public.open (id int)');
  const role = `d_${db.name}`;
  await db.sql.query(
    `CREATE ROLE ${role} LOGIN PASSWORD 'x'; REVOKE CREATE ON DATABASE ${db.name} FROM PUBLIC`,
  );
  const findings = await examineSource({
    url: db.url.replace(/\/\/[^@]*@/, `//${role}:x@`),
    slot: 'doctor',
    publication: 'doctor',
    declarations: [declare('t'), declare('seen'), declare('nowhere')],
    replicaIdentity: 'leave',
  });
  await db.sql.query(`DROP ROLE ${role}`);
  const level = (check: string) => findings.find((finding) => finding.check === check)?.level;
  expect(level('version')).toBe('ok');
  expect(level('wal_level')).toBe('ok');
  expect(level('right to replicate')).toBe('fail');
  expect(level('right to publish')).toBe('fail');
  expect(level('event triggers')).toBe('warn');
  expect(level('publication')).toBe('warn');
  expect(level('table public.t')).toBe('fail');
  expect(level('table public.seen')).toBe('fail');
  expect(level('table public.nowhere')).toBe('warn');
  for (const { check, level: state, remedy, meaning } of findings) {
    if (state === 'fail') expect([remedy, meaning], check).not.toContain('');
  }
});

test('the doctor knows what the server itself mends: a replica identity that lacks the selector', async () => {
  await db.sql.query('CREATE TABLE public.half (id int PRIMARY KEY, who text)');
  const examine = (replicaIdentity: 'full' | 'leave') =>
    examineSource({
      ...{ url: db.url, slot: 'doctor', publication: 'doctor', replicaIdentity },
      declarations: [declare('half', 'who')],
    });
  const levelOf = (findings: Awaited<ReturnType<typeof examine>>) =>
    findings.find(({ check }) => check === 'table public.half')?.level;
  expect(levelOf(await examine('leave'))).toBe('fail');
  expect(levelOf(await examine('full'))).toBe('warn');
});

test('the doctor reports an unreachable Postgres instead of failing', async () => {
  const options = {
    slot: 's',
    publication: 'p',
    declarations: [],
    replicaIdentity: 'leave',
  } as const;
  const url = 'postgres://a:secret@127.0.0.1:1/x';
  const [finding, ...others] = await examineSource({ url, ...options });
  expect(finding).toMatchObject({ check: 'connection', level: 'fail' });
  expect(others).toEqual([]);
  expect(JSON.stringify(finding)).not.toContain('secret');
});

test('values print the same in every session, whatever the database is set to', async () => {
  await db.sql.query(`ALTER DATABASE ${db.name} SET datestyle = 'German'; ALTER DATABASE ${db.name} SET timezone = 'Asia/Tokyo';
    ALTER DATABASE ${db.name} SET extra_float_digits = -5; ALTER DATABASE ${db.name} SET bytea_output = 'escape'`);
  const sql = `SELECT '2026-01-02 03:04:05+00'::timestamptz AS t, 0.1::float4 AS f, '\\x00'::bytea AS b`;
  const row = { t: '2026-01-02 03:04:05+00', f: '0.1', b: '\\x00' };
  const url = `${db.url}?application_name=other&options=-c%20statement_timeout%3D50`;
  for (const options of [{}, { isReplication: true }, { url }]) {
    const session = await db.session(options);
    expect(await session.queryOne(sql)).toEqual(row);
    const { name } = await session.queryOne(`SELECT current_setting('application_name') AS name`);
    expect(name).toBe('tidelock');
    expect(
      await session.queryOne('SELECT $1 AS a, $2::int4 AS b, $3 AS c', ["it's", '5', null]),
    ).toEqual({
      ...{ a: "it's", b: '5', c: null },
    });
  }
});

test('a wrong URL is a mistake in the configuration', async () => {
  const attempt = PgSession.connect({ url: 'postgres://[broken' });
  await expect(attempt).rejects.toMatchObject({ code: 'BAD_CONFIG' });
});
