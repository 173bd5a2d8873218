/** What the triggers of a two-way table note in its companion, for every way in which SQL writes rows. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import { sqlStateOf } from '../../src/postgres/pg-errors.ts';
import type { PgSession } from '../../src/postgres/session.ts';
import { enableTwoway } from '../../src/postgres/twoway/enable.ts';
import { TestDatabase } from '../support/source-recorder.ts';
import { versionsOf } from '../support/twoway.ts';

let db: TestDatabase;
let sql: PgSession;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  sql = db.sql;
});

afterAll(() => db.close());

/** A table of its own for one test: `name(id text, owner text, note text, n int)`, unless columns are given. */
async function twoway(
  name: string,
  columns = 'id text PRIMARY KEY, owner text, note text, n int',
): Promise<void> {
  await sql.query(`CREATE TABLE public.${name}(${columns})`);
  await enableTwoway(sql, { table: name });
}

test('rows that were there, and plain inserts, leave nothing in the companion', async () => {
  await sql.query(
    `CREATE TABLE public.plain(id text PRIMARY KEY, note text); INSERT INTO public.plain VALUES ('old', 'a')`,
  );
  await enableTwoway(sql, { table: 'plain' });
  await sql.query(`INSERT INTO public.plain VALUES ('new', 'b')`);
  await sql.query(`COPY public.plain FROM PROGRAM 'printf "copied\\tc\\n"'`);
  expect(await versionsOf(sql, 'plain')).toEqual([]);
  await sql.query(`UPDATE public.plain SET note = 'x'`);
  expect(await versionsOf(sql, 'plain')).toEqual(['copied: 1 {2}', 'new: 1 {2}', 'old: 1 {2}']);
});

test('an update raises the versions of the columns that differ, and of no others', async () => {
  await twoway('edited');
  await sql.query(
    `INSERT INTO public.edited VALUES ('a', 'u', 'x', 1), ('b', 'u', NULL, 2), ('c', NULL, NULL, NULL)`,
  );
  await sql.query(`UPDATE public.edited SET n = n + 1, owner = owner WHERE id <> 'c'`);
  await sql.query(`UPDATE public.edited SET note = 'y', n = n`);
  await sql.query(`UPDATE public.edited SET note = note, owner = 'u'`);
  await sql.query(`UPDATE public.edited SET n = NULL WHERE id = 'a'`);
  expect(await versionsOf(sql, 'edited')).toEqual(['a: 1 {1,2,3}', 'b: 1 {1,2,2}', 'c: 1 {2,2,1}']);
});

test('upserts and MERGE count as what they do to each row', async () => {
  await twoway('merged');
  await sql.query(`INSERT INTO public.merged VALUES ('a', 'u', 'x', 1), ('b', 'u', 'x', 2)`);
  await sql.query(`INSERT INTO public.merged VALUES ('a', 'u', 'y', 9), ('new', 'u', 'y', 1)
    ON CONFLICT (id) DO UPDATE SET note = excluded.note`);
  await sql.query(`INSERT INTO public.merged VALUES ('a', 'u', 'z', 9) ON CONFLICT DO NOTHING`);
  expect(await versionsOf(sql, 'merged')).toEqual(['a: 1 {1,2,1}']);
  await sql.query(`MERGE INTO public.merged t USING (VALUES ('a'), ('b'), ('m')) s(id) ON t.id = s.id
    WHEN MATCHED AND t.id = 'a' THEN UPDATE SET n = 5 WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id)`);
  expect(await versionsOf(sql, 'merged')).toEqual(['a: 1 {1,2,2}', 'b: 2 -']);
});

test('a row lives on odd causal lengths and is dead on even ones', async () => {
  await twoway('lives');
  const life = `INSERT INTO public.lives VALUES ('a', 'u', 'x', 1)`;
  await sql.query(life);
  await sql.query(`UPDATE public.lives SET n = 2`);
  await sql.query('DELETE FROM public.lives');
  expect(await versionsOf(sql, 'lives')).toEqual(['a: 2 -']);
  await sql.query(life);
  await sql.query(`UPDATE public.lives SET note = 'y'`);
  expect(await versionsOf(sql, 'lives')).toEqual(['a: 3 {1,2,1}']);
  await sql.query('DELETE FROM public.lives');
  await sql.query(life);
  await sql.query('TRUNCATE public.lives');
  expect(await versionsOf(sql, 'lives')).toEqual(['a: 6 -']);
});

test('a delete and an insert of one key in one statement, or in one transaction, is a new life', async () => {
  await twoway('again');
  await sql.query(`INSERT INTO public.again VALUES ('a', 'u', 'x', 1), ('b', 'u', 'x', 1)`);
  await sql.query(
    `WITH gone AS (DELETE FROM public.again RETURNING *) INSERT INTO public.again SELECT id, owner, 'z', n FROM gone`,
  );
  expect(await versionsOf(sql, 'again')).toEqual(['a: 3 -', 'b: 3 -']);
  await sql.query(
    `BEGIN; DELETE FROM public.again WHERE id = 'a'; INSERT INTO public.again VALUES ('a'); COMMIT`,
  );
  expect(await versionsOf(sql, 'again')).toEqual(['a: 5 -', 'b: 3 -']);
});

test('a changed key is the death of the old row and the birth of the new one', async () => {
  await twoway('moved', 'part text, id int, note text, PRIMARY KEY (part, id)');
  await sql.query(`INSERT INTO public.moved VALUES ('p', 1, 'x'), ('p', 3, 'y'), ('p', 4, 'z')`);
  await sql.query(`UPDATE public.moved SET id = 2, note = 'moved' WHERE id = 1`);
  expect(await versionsOf(sql, 'moved')).toEqual(['p/1: 2 -']);
  await sql.query(`UPDATE public.moved SET id = 1 WHERE id = 2`);
  expect(await versionsOf(sql, 'moved')).toEqual(['p/1: 3 -', 'p/2: 2 -']);
  // A key that another row takes in the same statement lives on, with that row's values.
  await sql.query(`DELETE FROM public.moved WHERE id = 1; UPDATE public.moved SET id = id - 1`);
  expect(await versionsOf(sql, 'moved')).toEqual([
    'p/1: 4 -',
    'p/2: 3 -',
    'p/3: 1 {2}',
    'p/4: 2 -',
  ]);
});

test('cascades are versioned, also a row that two foreign keys write in one statement', async () => {
  await sql.query('CREATE TABLE public.person(id text PRIMARY KEY)');
  await twoway(
    'doc',
    `id text PRIMARY KEY, author text REFERENCES public.person ON DELETE SET NULL ON UPDATE CASCADE,
    editor text REFERENCES public.person ON DELETE SET NULL ON UPDATE CASCADE, box text REFERENCES public.person ON DELETE CASCADE`,
  );
  await sql.query(`INSERT INTO public.person VALUES ('p'), ('q'), ('r');
    INSERT INTO public.doc VALUES ('both', 'p', 'p', NULL), ('one', 'q', 'p', NULL), ('boxed', 'p', NULL, 'q')`);
  await sql.query(`UPDATE public.person SET id = 'p2' WHERE id = 'p'`);
  expect(await versionsOf(sql, 'doc')).toEqual([
    'both: 1 {2,2,1}',
    'boxed: 1 {2,1,1}',
    'one: 1 {1,2,1}',
  ]);
  await sql.query(`DELETE FROM public.person WHERE id IN ('p2', 'q')`);
  expect(await versionsOf(sql, 'doc')).toEqual(['both: 1 {3,3,1}', 'boxed: 2 -', 'one: 1 {2,3,1}']);
});

test("rows that the application's own triggers write, delete and bring back end as they are", async () => {
  await twoway('kept');
  await sql.query(`
    CREATE FUNCTION public.bring_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF OLD.note = 'keep' THEN INSERT INTO public.kept VALUES (OLD.id, OLD.owner, 'kept', OLD.n); END IF; RETURN NULL; END $$;
    CREATE TRIGGER bring_back AFTER DELETE ON public.kept FOR EACH ROW EXECUTE FUNCTION public.bring_back();
    CREATE FUNCTION public.spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.note = 'spoiled' THEN DELETE FROM public.kept WHERE id = NEW.id; END IF; RETURN NULL; END $$;
    CREATE TRIGGER spoil AFTER INSERT OR UPDATE ON public.kept FOR EACH ROW EXECUTE FUNCTION public.spoil();
    INSERT INTO public.kept VALUES ('a', 'u', 'keep', 1), ('b', 'u', 'x', 1), ('c', 'u', 'x', 1)`);
  await sql.query('DELETE FROM public.kept WHERE id < $1', ['c']);
  await sql.query(`UPDATE public.kept SET note = 'spoiled' WHERE id = 'c'`);
  await sql.query(`INSERT INTO public.kept VALUES ('d', 'u', 'spoiled', 1)`);
  const lives = (await versionsOf(sql, 'kept')).map((one) => {
    const [, key, length] = /^(\w): (\d+)/.exec(one) ?? [];
    return `${key} ${Number(length) % 2 === 1 ? 'alive' : 'dead'}`;
  });
  expect(lives).toEqual(['a alive', 'b dead', 'c dead', 'd dead']);
});

test('columns of types without an equality are compared by their bytes', async () => {
  await twoway(
    'typed',
    'id uuid PRIMARY KEY, j json, p point, x xml, f float8, a text[], d numeric',
  );
  const [{ has_xml } = { has_xml: 'f' }] = await sql.query(
    `SELECT EXISTS (SELECT FROM pg_config() WHERE name = 'CONFIGURE' AND setting LIKE '%libxml%') AS has_xml`,
  );
  const xml = has_xml === 't' ? "'<a/>'" : 'NULL';
  await sql.query(
    `INSERT INTO public.typed VALUES ('00000000-0000-0000-0000-000000000001', '{"a": 1}', '(1,2)', ${xml}, 0, '{a}', 1.0)`,
  );
  await sql.query(
    `UPDATE public.typed SET j = '{"a": 1}', p = '(1,2)', x = x, f = 0, a = '{a}', d = 1.0`,
  );
  expect(await versionsOf(sql, 'typed')).toEqual([]);
  await sql.query(`UPDATE public.typed SET j = '{"a":1}', p = '(1,3)', f = '-0', d = 1.00`);
  expect(await versionsOf(sql, 'typed')).toEqual([
    '00000000-0000-0000-0000-000000000001: 1 {2,2,1,2,1,2}',
  ]);
});

test("a domain's check runs for the application's write only, never as the owner of the triggers", async () => {
  await sql.query(`
    CREATE TABLE public.callers(name text);
    CREATE FUNCTION public.note_caller(value text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO public.callers VALUES (current_user); RETURN true; END $$;
    CREATE DOMAIN public.code AS varchar(20) CHECK (public.note_caller(VALUE));
    CREATE TABLE public.coded(id public.code PRIMARY KEY, owner public.code, note text);
    GRANT ALL ON public.coded, public.callers TO tidelock_user`);
  await enableTwoway(sql, { table: 'coded', rule: 'owner' });
  await sql.query(`SET ROLE tidelock_user; INSERT INTO public.coded VALUES ('a', 'u', 'x');
    UPDATE public.coded SET note = 'y'; DELETE FROM public.coded; RESET ROLE`);
  expect(await versionsOf(sql, 'coded')).toEqual(['a: 2 - owner=u']);
  expect(await sql.query('SELECT DISTINCT name FROM public.callers')).toEqual([
    { name: 'tidelock_user' },
  ]);
});

test('odd names, a table of keys only, and long names work', async () => {
  await sql.query(
    `CREATE TABLE public."Odd @keys@ 'n"(" id""x" text PRIMARY KEY, "@keys@" text, "found" int, "d'$$" text)`,
  );
  const long = 'a'.repeat(63);
  await sql.query(`CREATE TABLE public.${long}(id text PRIMARY KEY)`);
  await enableTwoway(sql, { table: `public.Odd @keys@ 'n`, rule: '"@keys@"' });
  await enableTwoway(sql, { table: long });
  await sql.query(
    `INSERT INTO public.${long} VALUES ('a'); UPDATE public.${long} SET id = id; DELETE FROM public.${long}`,
  );
  expect(await versionsOf(sql, long)).toEqual(['a: 2 -']);
  await sql.query(
    `INSERT INTO public."Odd @keys@ 'n" VALUES ('a', 'u', 1, 'x'); UPDATE public."Odd @keys@ 'n" SET found = 2, "@keys@" = 'v'`,
  );
  expect(await versionsOf(sql, `Odd @keys@ 'n`)).toEqual(['a: 1 {2,2,1} @keys@=v']);
});

test('the companion has the columns that the rule reads, as the row had them last', async () => {
  await sql.query('CREATE TABLE public.owned(id text PRIMARY KEY, owner text, note text)');
  await enableTwoway(sql, { table: 'owned', rule: 'owner' });
  await sql.query(`INSERT INTO public.owned VALUES ('a', 'ann', 'x'), ('b', 'bob', 'x')`);
  await sql.query(`UPDATE public.owned SET owner = 'eve' WHERE id = 'a'`);
  await sql.query(`DELETE FROM public.owned`);
  expect(await versionsOf(sql, 'owned')).toEqual(['a: 2 - owner=eve', 'b: 2 - owner=bob']);
  await sql.query(`INSERT INTO public.owned VALUES ('a', 'ann', 'y')`);
  expect(await versionsOf(sql, 'owned')).toEqual(['a: 3 - owner=ann', 'b: 2 - owner=bob']);
});

test('an insert over a tombstone that its snapshot does not show fails with 40001 and loses no life', async () => {
  await twoway('snapshots');
  await sql.query(`INSERT INTO public.snapshots VALUES ('a'), ('b')`);
  const late = await db.session();
  for (const level of ['REPEATABLE READ', 'SERIALIZABLE']) {
    await late.query(`BEGIN ISOLATION LEVEL ${level}; SELECT count(*) FROM public.snapshots`);
    await sql.query('DELETE FROM public.snapshots');
    await expect(late.query(`INSERT INTO public.snapshots VALUES ('a')`)).rejects.toThrow('40001');
    await late.query(
      `ROLLBACK; BEGIN ISOLATION LEVEL ${level}; INSERT INTO public.snapshots VALUES ('a'), ('b'); COMMIT`,
    );
  }
  expect(await versionsOf(sql, 'snapshots')).toEqual(['a: 5 -', 'b: 5 -']);
});

test('a hundred thousand rows in one statement are versioned as sets, behind a plan that was made for one row', async () => {
  await twoway('many');
  await sql.query(`SET statement_timeout = '60s'`);
  await sql.query(
    `INSERT INTO public.many VALUES ('one', 'u', 'x', 0); UPDATE public.many SET n = 1; DELETE FROM public.many`,
  );
  await sql.query(
    `INSERT INTO public.many SELECT 'k' || g, 'u', 'x', g FROM pg_catalog.generate_series(1, 100000) g`,
  );
  await sql.query(`UPDATE public.many SET note = 'y'`);
  await sql.query(`DELETE FROM public.many WHERE n > 50000`);
  await sql.query(`SET statement_timeout = 0`);
  const rows = await sql.query(
    `SELECT tidelock_cl, tidelock_versions, count(*) FROM tidelock.versions_public_many GROUP BY 1, 2 ORDER BY 1, 3`,
  );
  expect(rows.map((row) => Object.values(row).join(' '))).toEqual(['1 {1,2,1} 50000', '2  50001']);
});

test('a version never passes the largest integer: the application goes on writing', async () => {
  await twoway('old');
  await sql.query(`INSERT INTO public.old VALUES ('a'); UPDATE public.old SET n = 1;
    UPDATE tidelock.versions_public_old SET tidelock_versions = '{2147483647,2147483646,7}'`);
  await sql.query(`UPDATE public.old SET owner = 'x', note = 'x', n = 2`);
  expect(await versionsOf(sql, 'old')).toEqual(['a: 1 {2147483647,2147483647,8}']);
});

const WRITERS = 4;
const WRITES = 100;
const KEYS = 12;
const LEVELS = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'];

test('many writers at once, at every isolation level: each birth and each death is counted once', async () => {
  await twoway('raced');
  const ends = new Map<string, number>();
  const write = async (writer: number): Promise<void> => {
    const session = await db.session();
    const random = new SeededRandom(writer);
    for (let at = 0; at < WRITES; at += 1) {
      const key = `k${random.between(10, 9 + KEYS)}`;
      const statement = random.pick([
        `INSERT INTO public.raced VALUES ('${key}', 'u', 'x', 1) ON CONFLICT DO NOTHING RETURNING id`,
        `DELETE FROM public.raced WHERE id = '${key}' RETURNING id`,
        `WITH done AS (UPDATE public.raced SET n = n + 1 WHERE id = '${key}' RETURNING id) SELECT FROM done WHERE false`,
      ]);
      try {
        // Others write between the snapshot and our write.
        await session.query(
          `BEGIN ISOLATION LEVEL ${random.pick(LEVELS)}; SELECT count(*) FROM public.raced`,
        );
        const changed = await session.query(statement);
        await session.query('COMMIT');
        if (changed.length > 0) ends.set(key, (ends.get(key) ?? 0) + 1);
      } catch (error) {
        if (sqlStateOf(error) !== '40001') throw error;
        await session.query('ROLLBACK');
      }
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  const lengths = new Map(
    (await versionsOf(sql, 'raced')).map((one) => [
      one.slice(0, 3),
      Number(/: (\d+)/.exec(one)?.[1]),
    ]),
  );
  const alive = new Set((await sql.query('SELECT id FROM public.raced')).map(({ id }) => id));
  for (const [key, count] of ends) {
    const length = lengths.get(key) ?? 1;
    expect([key, length], 'births and deaths').toEqual([key, count]);
    expect([key, length % 2 === 1]).toEqual([key, alive.has(key)]);
  }
});
