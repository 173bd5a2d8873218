/** Making a table two-way and one-way again: rights, locks, changes of its columns, what stays and what goes. */
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { PgSession } from '../../src/postgres/session.ts';
import { disableTwoway, enableTwoway } from '../../src/postgres/twoway/enable.ts';
import { TWOWAY_EVENT_TRIGGER } from '../../src/postgres/twoway/event-sql.ts';
import { readTwowayTables } from '../../src/postgres/twoway/registry.ts';
import { readTwowayStatus } from '../../src/postgres/twoway/status.ts';
import { Command } from '../support/command.ts';
import { TestDatabase } from '../support/source-recorder.ts';
import { until } from '../support/stack.ts';
import { versionsOf } from '../support/twoway.ts';

let db: TestDatabase;
let sql: PgSession;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  sql = db.sql;
});

afterAll(() => db.close());

async function make(
  name: string,
  columns = 'id text PRIMARY KEY, owner text, note text',
): Promise<void> {
  await sql.query(`CREATE TABLE public.${name}(${columns})`);
}

async function command(...args: string[]): Promise<Command & { code: unknown }> {
  const started = new Command(['twoway', ...args, '--postgres', db.url]);
  return Object.assign(started, { code: await started.exit() });
}

/** Acts as a role that has these rights and no others, then takes it away. */
async function asRole(
  grants: string,
  job: (session: PgSession, role: string) => Promise<void>,
): Promise<void> {
  const role = `r_${db.name}_${Math.floor(performance.now())}`;
  await sql.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'; ${grants.replaceAll('ROLE', role)}`);
  const url = new URL(db.url);
  url.username = role;
  url.password = 'x';
  const session = await PgSession.connect({ url: url.href });
  try {
    await job(session, role);
  } finally {
    await session.end();
    await sql.query(
      `REASSIGN OWNED BY ${role} TO postgres; DROP OWNED BY ${role}; DROP ROLE ${role}`,
    );
  }
}

test('a role that --role names and nobody knows is told: it may be a slip', async () => {
  await make('slipped');
  const role = `slip_${db.name}`;
  const options = { table: 'slipped', role };
  const told = expect.stringContaining(`there was no role ${role}`);
  expect((await enableTwoway(sql, { ...options, isDry: true })).warnings).toEqual([told]);
  await enableTwoway(sql, options);
  expect((await enableTwoway(sql, options)).warnings).toEqual([]);
  await disableTwoway(sql, { table: 'slipped' });
  await sql.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

test('the command prints the SQL first, does it, and finds nothing to do the second time', async () => {
  await make('noted');
  const dry = await command('enable', 'noted', '--dry-run');
  expect([dry.code, dry.stdout]).toEqual([0, expect.stringContaining('nothing was changed')]);
  expect(await readTwowayTables(sql)).toEqual([]);
  const done = await command('enable', 'noted');
  expect(done.stdout).toContain(
    'CREATE TRIGGER tidelock_twoway_insert AFTER INSERT ON public.noted',
  );
  expect(done.stdout).toContain('done: public.noted is two-way; rule: *');
  const again = await command('enable', 'public.noted', '--json');
  expect(JSON.parse(again.stdout)).toMatchObject({
    statements: [],
    enabled: true,
    role: 'tidelock_user',
  });
  const status = await command('status', '--json');
  expect(JSON.parse(status.stdout)).toMatchObject({
    tables: [{ table: 'public.noted', state: 'ok', versions: 0 }],
  });
});

test('install makes what policies call before there is a table, says so first, and once; enable goes on from there', async () => {
  const other = await TestDatabase.create(inject('postgresUrl'));
  onTestFinished(() => other.close());
  const install = async (...args: string[]): Promise<string> => {
    const done = new Command(['twoway', 'install', ...args, '--postgres', other.url]);
    expect([await done.exit(), done.stderr]).toEqual([0, '']);
    return done.stdout;
  };
  const hasSchema = async (): Promise<unknown> =>
    (await other.sql.queryOne("SELECT to_regnamespace('tidelock') IS NOT NULL AS is_there"))
      .is_there;
  const dry = await install('--dry-run');
  expect(dry).toContain('CREATE OR REPLACE FUNCTION tidelock.auth_userid()');
  expect(dry).toContain('-- nothing was changed');
  expect(await hasSchema()).toBe('f');
  const done = await install();
  expect(done.split('-- done')[0]).toBe(dry.split('-- nothing')[0]);
  await other.sql.query(`CREATE TABLE public.own (id text PRIMARY KEY, user_id text);
    ALTER TABLE public.own ENABLE ROW LEVEL SECURITY;
    CREATE POLICY mine ON public.own USING (user_id = tidelock.auth_userid())`);
  expect(JSON.parse(await install('--json'))).toMatchObject({ statements: [], installed: true });
  const enabled = await enableTwoway(other.sql, { table: 'own' });
  expect(enabled.rule).toContain('\'user:\' || "user_id"');
  expect(enabled.statements.join()).not.toContain(
    'CREATE OR REPLACE FUNCTION tidelock.auth_userid',
  );
  expect(await install()).toContain('nothing to do');
  expect(JSON.parse(await install('--json', '--role', `w_${db.name}`)).statements).not.toEqual([]);
  await other.sql.query(`DROP OWNED BY w_${db.name}; DROP ROLE w_${db.name}`);
});

test('disable removes what is ours of the table and leaves its rows', async () => {
  await make('gone');
  await enableTwoway(sql, { table: 'gone' });
  await sql.query(`INSERT INTO public.gone VALUES ('a'), ('b'); UPDATE public.gone SET note = 'x'`);
  const done = await command('disable', 'gone');
  expect(done.stdout).toContain('replicas are one-way for public.gone');
  expect(await sql.query('SELECT id FROM public.gone')).toHaveLength(2);
  const left =
    await sql.query(`SELECT tgname AS name FROM pg_trigger WHERE tgrelid = 'public.gone'::regclass
    UNION ALL SELECT relname FROM pg_class WHERE relname LIKE 'versions_public_gone%'
    UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'versions_public_gone%'`);
  expect(left).toEqual([]);
  expect((await command('disable', 'gone')).stdout).toContain('nothing to do');
});

test('tidelock_user reads and writes the table, and nothing of versions, sites, registry or horizon', async () => {
  await make('shared');
  await enableTwoway(sql, { table: 'shared' });
  const user = await db.session();
  await user.query('SET ROLE tidelock_user');
  await user.query(
    `INSERT INTO public.shared VALUES ('a', 'u', 'x'); UPDATE public.shared SET note = 'y'`,
  );
  for (const table of ['versions_public_shared', 'sites', 'twoway_tables', 'horizon']) {
    for (const statement of [`SELECT FROM tidelock.${table}`, `DELETE FROM tidelock.${table}`]) {
      await expect(user.query(statement), statement).rejects.toThrow('permission denied');
    }
  }
  for (const call of [
    'twoway_refresh(0::oid)',
    `twoway_columns(0::oid, '{}')`,
    'versions_public_shared_insert()',
  ]) {
    await expect(user.query(`SELECT tidelock.${call}`), call).rejects.toThrow('permission denied');
  }
  await user.query(
    `BEGIN; SET LOCAL tidelock.userid = 'ann'; SET LOCAL tidelock.claims = '{"team": "red"}'`,
  );
  expect(
    await user.queryOne(
      `SELECT tidelock.auth_userid() AS a, tidelock.claim('team') AS b, tidelock.claim('x') AS c`,
    ),
  ).toEqual({ a: 'ann', b: 'red', c: null });
  await user.query('ROLLBACK');
  expect(
    await user.queryOne(`SELECT tidelock.auth_userid() AS a, tidelock.claim('team') AS b`),
  ).toEqual({ a: null, b: null });
  expect(await versionsOf(sql, 'shared')).toEqual(['a: 1 {1,2}']);
});

test('an application role without any right in schema tidelock writes to the table as before', async () => {
  await make('open');
  await enableTwoway(sql, { table: 'open' });
  await asRole('GRANT ALL ON public.open TO ROLE', async (session) => {
    await session.query(
      `INSERT INTO public.open VALUES ('a'), ('b'); UPDATE public.open SET note = 'x'; DELETE FROM public.open WHERE id = 'b'`,
    );
    await session.query('TRUNCATE public.open');
    await expect(session.query('SELECT FROM tidelock.versions_public_open')).rejects.toThrow(
      'permission denied',
    );
  });
  expect(await versionsOf(sql, 'open')).toEqual(['a: 2 -', 'b: 2 -']);
});

test('a role that lacks rights is told every statement that an administrator has to run', async () => {
  await make('closed');
  await asRole('', async (session, role) => {
    const missing = [
      `GRANT "postgres" TO "${role}"`,
      `CREATE ROLE "nobody_${role}" NOLOGIN`,
      `GRANT "nobody_${role}" TO "${role}"`,
    ];
    const attempt = enableTwoway(session, { table: 'closed', role: `nobody_${role}` });
    await expect(attempt).rejects.toMatchObject({ code: 'SOURCE_UNFIT', details: { missing } });
  });
});

test('an owner that is no superuser enables its table, acts as the role, and is told what it may not', async () => {
  const other = await TestDatabase.create(inject('postgresUrl'));
  const owner = `r_${other.name}`;
  const writer = `w_${other.name}`;
  try {
    await other.sql.query(`CREATE ROLE ${owner} LOGIN CREATEROLE PASSWORD 'x'; GRANT CREATE ON DATABASE ${other.name} TO ${owner};
      CREATE TABLE public.mine(id text PRIMARY KEY, note text); ALTER TABLE public.mine OWNER TO ${owner}`);
    const url = other.url.replace(/\/\/[^@]*@/, `//${owner}:x@`);
    const session = await other.session({ url });
    const done = await enableTwoway(session, { table: 'mine', role: writer });
    expect(done.warnings).toEqual([
      expect.stringContaining(`there was no role ${writer}`),
      expect.stringContaining('may not make event triggers'),
    ]);
    expect((await enableTwoway(session, { table: 'mine' })).statements).toEqual([]);
    await session.query(
      `BEGIN; SET LOCAL ROLE ${writer}; INSERT INTO public.mine VALUES ('a'); UPDATE public.mine SET note = 'x'; COMMIT`,
    );
    expect(await versionsOf(session, 'mine')).toEqual(['a: 1 {2}']);
    await session.query('ALTER TABLE public.mine ADD extra text');
    expect((await readTwowayStatus(session))[0]).toMatchObject({ state: 'stale' });
    await enableTwoway(session, { table: 'mine' });
    expect((await readTwowayStatus(session))[0]).toMatchObject({
      state: 'ok',
      columns: ['note', 'extra'],
    });
    await disableTwoway(session, { table: 'mine' });
    await session.end();
    await other.sql.query(`DROP OWNED BY ${owner}, ${writer}; DROP ROLE ${writer}, ${owner}`);
  } finally {
    await other.close();
  }
});

test('writers that are in the middle are waited for, and whoever writes after that is versioned', async () => {
  await make('busy');
  await sql.query(`INSERT INTO public.busy VALUES ('a', 'u', 'x'), ('b', 'u', 'x')`);
  const [early, late] = [await db.session(), await db.session()];
  await early.query(`BEGIN; UPDATE public.busy SET note = 'early' WHERE id = 'a'`);
  const enabled = enableTwoway(sql, { table: 'busy' });
  const watcher = await db.session();
  const waiting = async (count: number): Promise<boolean> => {
    const rows = await watcher.query(
      `SELECT FROM pg_locks WHERE relation = 'public.busy'::regclass AND NOT granted`,
    );
    return rows.length === count;
  };
  await until('enable waits for the writer', () => waiting(1));
  const written = late.query(`UPDATE public.busy SET note = 'late'`);
  await until('the next writer waits for enable', () => waiting(2));
  await early.query('COMMIT');
  await Promise.all([enabled, written]);
  expect(await versionsOf(sql, 'busy')).toEqual(['a: 1 {1,2}', 'b: 1 {1,2}']);
});

const CHANGES = `ALTER TABLE public.TABLE RENAME COLUMN note TO remark; ALTER TABLE public.TABLE DROP COLUMN spare, ADD COLUMN extra text`;

test('added, dropped and renamed columns are versioned in the same transaction, each at its place', async () => {
  await make('grown', 'id text PRIMARY KEY, spare int, note text');
  await enableTwoway(sql, { table: 'grown' });
  await sql.query(
    `INSERT INTO public.grown VALUES ('a', 1, 'x'); UPDATE public.grown SET spare = 2, note = 'y'`,
  );
  await sql.query(
    `BEGIN; ${CHANGES.replaceAll('TABLE public.TABLE', 'TABLE public.grown')}; UPDATE public.grown SET remark = 'z', extra = 'e'; COMMIT`,
  );
  expect(await versionsOf(sql, 'grown')).toEqual(['a: 1 {2,3,2}']);
  const [entry] = (await readTwowayTables(sql)).filter(({ name }) => name === 'public.grown');
  expect(entry).toMatchObject({ columns: ['', 'remark', 'extra'] });
  await sql.query(`ALTER TABLE public.grown RENAME COLUMN id TO code; ALTER TABLE public.grown ALTER COLUMN code TYPE varchar(50);
    ALTER TABLE public.grown RENAME TO grown_up; ALTER TABLE public.grown_up SET SCHEMA public`);
  await sql.query(
    `UPDATE public.grown_up SET code = 'b'; DELETE FROM public.grown_up; ALTER TABLE public.grown_up ADD spare int`,
  );
  expect(await versionsOf(sql, 'grown_up')).toEqual(['a: 2 -', 'b: 2 -']);
  expect(
    (await readTwowayStatus(sql)).find(({ table }) => table === 'public.grown_up'),
  ).toMatchObject({
    ...{ state: 'ok', columns: ['remark', 'extra', 'spare'] },
  });
});

test('without the event trigger no change of columns fails a write, and enable mends what differs', async () => {
  await make('blind', 'id text PRIMARY KEY, spare int, note text, owner text');
  await enableTwoway(sql, { table: 'blind', rule: 'owner' });
  await sql.query(`ALTER EVENT TRIGGER ${TWOWAY_EVENT_TRIGGER} DISABLE`);
  const write = `INSERT INTO public.blind(KEY) VALUES ('#'), ('#2'); UPDATE public.blind SET KEY = KEY; DELETE FROM public.blind WHERE KEY::text = '#2'`;
  const change = async (ddl: string, key = 'id', value = 'k'): Promise<void> => {
    await sql.query(ddl);
    await sql.query(write.replaceAll('KEY', key).replaceAll('#', value));
  };
  try {
    await sql.query(`INSERT INTO public.blind VALUES ('a', 1, 'x', 'ann')`);
    await change(CHANGES.replaceAll('TABLE public.TABLE', 'TABLE public.blind'), 'id', 'k1');
    await sql.query(`UPDATE public.blind SET remark = 'y', extra = 'z' WHERE id = 'a'`);
    await change('ALTER TABLE public.blind RENAME COLUMN owner TO keeper', 'id', 'k2');
    await change('ALTER TABLE public.blind RENAME COLUMN id TO code', 'code', 'k3');
    const state = async (): Promise<unknown> =>
      (await readTwowayStatus(sql)).find(({ table }) => table === 'public.blind')?.state;
    expect(await state()).toBe('stale');
    await enableTwoway(sql, { table: 'blind', rule: 'keeper' });
    expect(await state()).toBe('ok');
    await sql.query(`UPDATE public.blind SET extra = 'e', remark = 'r' WHERE code = 'a'`);
    expect(await versionsOf(sql, 'blind')).toContain('a: 1 {1,2,1,2} keeper=ann');
    await change('ALTER TABLE public.blind DROP COLUMN keeper', 'code', 'k4');
    await change(
      'ALTER TABLE public.blind DROP COLUMN code, ADD COLUMN number serial PRIMARY KEY',
      'number',
      '7',
    );
  } finally {
    await sql.query(`ALTER EVENT TRIGGER ${TWOWAY_EVENT_TRIGGER} ENABLE ALWAYS`);
  }
  await expect(enableTwoway(sql, { table: 'blind', rule: '*' })).rejects.toMatchObject({
    code: 'TABLE_UNFIT',
  });
});

test('a dropped table is shown, and disable clears what it left', async () => {
  await make('lost');
  await enableTwoway(sql, { table: 'lost' });
  await sql.query('DROP TABLE public.lost');
  expect((await readTwowayStatus(sql)).find(({ table }) => table === 'public.lost')?.state).toBe(
    'dropped',
  );
  await disableTwoway(sql, { table: 'lost' });
  expect((await readTwowayTables(sql)).map(({ name }) => name)).not.toContain('public.lost');
});
