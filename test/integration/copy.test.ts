import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { parseSelectorRule } from '../../src/core/selector.ts';
import type { TableDef } from '../../src/core/table.ts';
import { isInSnapshot } from '../../src/core/txid-snapshot.ts';
import type { Cell } from '../../src/core/value.ts';
import { describeTables } from '../../src/postgres/catalog.ts';
import { type CopyChunk, copyRows } from '../../src/postgres/copy.ts';
import type { PgSession } from '../../src/postgres/session.ts';
import { openSnapshot, widenXid } from '../../src/postgres/snapshot-transaction.ts';
import { TestDatabase } from '../support/source-recorder.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await db.sql.query(`
    CREATE COLLATION public.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TABLE public.city (id int PRIMARY KEY, country text, region int, loose text COLLATE public.any_case, name char(6));
    ALTER TABLE public.city REPLICA IDENTITY FULL;
    INSERT INTO public.city SELECT g, (ARRAY['FR', 'DE', NULL, 'it''s'])[1 + g % 4], g % 10,
      (ARRAY['a', 'A'])[1 + g % 2], 'c' || g FROM generate_series(1, 1000) g;
    CREATE TABLE public.wide (id int PRIMARY KEY, t text);
    ALTER TABLE public.wide ALTER t SET STORAGE EXTERNAL;
    INSERT INTO public.wide SELECT g, repeat('x', 200000) FROM generate_series(1, 200) g;
    CREATE TABLE public.root (country text, id int, PRIMARY KEY (country, id)) PARTITION BY LIST (country);
    CREATE TABLE public.leaf PARTITION OF public.root DEFAULT;
    INSERT INTO public.root VALUES ('FR', 1);
    CREATE TABLE public.parent (id int PRIMARY KEY);
    CREATE TABLE public.heir () INHERITS (public.parent);
    INSERT INTO public.parent VALUES (1);
    INSERT INTO public.heir VALUES (2);`);
});

afterAll(() => db.close());

async function definition(name: string, rule: string): Promise<TableDef> {
  const declarations = [{ name, selector: parseSelectorRule(rule) }];
  const found = (await describeTables(db.sql, declarations)).find((one) => one.name === name);
  if (found?.kind !== 'table') throw new Error(JSON.stringify(found));
  return found.table;
}

async function collect(
  session: PgSession,
  table: TableDef,
  selectors: readonly string[],
): Promise<{ rows: Cell[][]; selectors: string[] }> {
  const all: CopyChunk = { rows: [], selectors: [] };
  for await (const chunk of copyRows({ session, table, selectors, chunkRows: 100 })) {
    all.rows.push(...chunk.rows);
    all.selectors.push(...chunk.selectors);
  }
  return all;
}

test('only rows of the wanted selectors come, each with its selector', async () => {
  const table = await definition('public.city', 'country');
  const one = await collect(db.sql, table, ['FR']);
  expect([one.rows.length, new Set(one.selectors)]).toEqual([250, new Set(['FR'])]);
  const two = await collect(db.sql, table, ['FR', "it's", 'nowhere']);
  expect(two.rows).toHaveLength(500);
  expect(two.rows.map((row) => row[1])).toEqual(two.selectors);
  expect((await collect(db.sql, table, [])).rows).toEqual([]);
});

test('a selector of literals, integers and padded texts is computed as the stream prints it', async () => {
  const table = await definition(
    'public.city',
    "coalesce(country, 'none') || '/' || region || name",
  );
  const { rows, selectors } = await collect(db.sql, table, ['FR/4c4    ', 'none/2c2    ']);
  expect(rows.map((row) => row[0]).sort()).toEqual([2, 4]);
  expect(selectors.toSorted()).toEqual(['FR/4c4    ', 'none/2c2    ']);
});

test('selectors are equal only byte by byte, whatever the collation says', async () => {
  const table = await definition('public.city', 'loose');
  expect((await collect(db.sql, table, ['a'])).rows).toHaveLength(500);
});

test('a table for everyone comes whole; partitions with their root, heirs on their own', async () => {
  const root = await collect(db.sql, await definition('public.root', '*'), []);
  expect(root).toEqual({ rows: [['FR', 1]], selectors: ['*'] });
  expect((await collect(db.sql, await definition('public.parent', '*'), [])).rows).toEqual([[1]]);
});

test('P26: a slow reader makes Postgres wait instead of filling memory', async () => {
  const session = await db.session();
  const table = await definition('public.wide', '*');
  const copy = copyRows({ session, table, selectors: [], chunkRows: 10 });
  let rows = (await copy.next()).value?.rows.length ?? 0;
  const { pid } = await db.sql.queryOne(
    `SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY%wide%' AND pid <> pg_backend_pid()`,
  );
  const isWaiting = async (): Promise<boolean> => {
    const row = await db.sql.queryOne(`SELECT wait_event FROM pg_stat_activity WHERE pid = ${pid}`);
    return row.wait_event === 'ClientWrite';
  };
  const deadline = performance.now() + 10_000;
  while (!(await isWaiting())) {
    if (performance.now() > deadline) throw new Error('Postgres never waited for us');
  }
  for await (const chunk of copy) rows += chunk.rows.length;
  expect(rows).toBe(200);
});

test('after a copy the session goes on; leaving one early ends it', async () => {
  const session = await db.session();
  const table = await definition('public.wide', '*');
  await collect(session, table, []);
  expect(await session.queryOne('SELECT 1 AS one')).toEqual({ one: '1' });
  for await (const _ of copyRows({ session, table, selectors: [], chunkRows: 1 })) break;
  await expect(session.query('SELECT 1')).rejects.toMatchObject({ code: 'SOURCE_DOWN' });
});

test('a table that changed meanwhile, and a lost connection, are told apart', async () => {
  const table = await definition('public.city', '*');
  const gone = {
    ...table,
    columns: [...table.columns, { name: 'x', type: 'int', kind: 'int' } as const],
  };
  await expect(collect(db.sql, gone, [])).rejects.toMatchObject({ code: 'TABLE_UNFIT' });
  await expect(collect(db.sql, { ...table, name: 'public.no' }, [])).rejects.toMatchObject({
    code: 'TABLE_UNFIT',
  });
  const session = await db.session();
  const wide = await definition('public.wide', '*');
  const copy = copyRows({ session, table: wide, selectors: [], chunkRows: 1 });
  await copy.next();
  await db.sql.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%wide%' AND pid <> pg_backend_pid()`,
  );
  const rest = async (): Promise<void> => {
    for await (const _ of copy);
  };
  await expect(rest()).rejects.toMatchObject({ code: 'SOURCE_DOWN' });
});

test('P7: the snapshot has exactly the rows of the transactions that it says it has', async () => {
  await db.sql.query(
    'CREATE TABLE public.born (id int PRIMARY KEY, txid xid8 DEFAULT pg_current_xact_id())',
  );
  const table = await definition('public.born', '*');
  const sessions = await Promise.all(Array.from({ length: 5 }, () => db.session()));
  const [early, commits, aborts, nested, late] = sessions;
  await early?.query('INSERT INTO public.born VALUES (1)');
  await commits?.query('BEGIN; INSERT INTO public.born VALUES (2)');
  await aborts?.query('BEGIN; INSERT INTO public.born VALUES (3)');
  await nested?.query('BEGIN; SAVEPOINT a; INSERT INTO public.born VALUES (4); RELEASE a');
  const taken = await openSnapshot({ url: db.url, tables: [table.name] });
  await late?.query('INSERT INTO public.born VALUES (5)');
  for (const session of [commits, nested]) await session?.query('COMMIT');
  await aborts?.query('ROLLBACK');
  const seen = (await collect(taken.session, table, [])).rows.map((row) => row[0]);
  await taken.close();
  expect(seen).toEqual([1]);
  const all = (await collect(db.sql, table, [])).rows;
  expect(all.map((row) => row[0]).sort()).toEqual([1, 2, 4, 5]);
  for (const [id, txid] of all) {
    expect(isInSnapshot(taken.snapshot, Number(txid)), `row ${id}`).toBe(seen.includes(id ?? null));
    const narrow = Number(BigInt(String(txid)) % 2n ** 32n);
    expect(widenXid(narrow, taken.snapshot.xmax)).toBe(Number(txid));
  }
});

test('P7: a change of schema waits until a snapshot that has locked the table is closed', async () => {
  const taken = await openSnapshot({ url: db.url, tables: ['public.root', 'public.parent'] });
  await db.sql.query('SET lock_timeout = 100');
  await expect(db.sql.query('ALTER TABLE public.leaf ADD CHECK (id > 0)')).rejects.toThrow(/lock/);
  await db.sql.query('RESET lock_timeout');
  await taken.close();
  const missing = openSnapshot({ url: db.url, tables: ['public.nowhere'] });
  await expect(missing).rejects.toThrow(/nowhere/);
});
