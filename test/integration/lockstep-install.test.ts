import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Finding } from '../../src/postgres/findings.ts';
import { checkRelation } from '../../src/postgres/lockstep-check.ts';
import { install, installSql } from '../../src/postgres/lockstep-install.ts';
import { TestDatabase } from '../support/source-recorder.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await db.sql.query(`
    CREATE TABLE public."Odd name" ("select" int PRIMARY KEY, note text);
    INSERT INTO public."Odd name" VALUES (1, 'a'), (2, 'b');
    CREATE TABLE public.bare (id int);
    CREATE TABLE public.stale (id int PRIMARY KEY, txid bigint DEFAULT txid_current());
    INSERT INTO public.stale VALUES (1, NULL), (2, 1::bigint << 50);
    CREATE TABLE public.a (id int PRIMARY KEY, txid bigint NOT NULL DEFAULT txid_current());
    CREATE TABLE public.b (id int PRIMARY KEY, txid bigint NOT NULL DEFAULT txid_current());
    CREATE VIEW public.joined AS SELECT a.id, a.txid FROM public.a JOIN public.b USING (id);
    CREATE VIEW public.greater AS SELECT a.id, greatest(a.txid, b.txid) AS txid FROM public.a JOIN public.b USING (id);
    CREATE VIEW public.grouped AS SELECT max(txid) AS txid, id % 2 AS half FROM public.a GROUP BY id % 2;`);
});

afterAll(() => db.close());

const levels = (findings: readonly Finding[]): Record<string, string> =>
  Object.fromEntries(findings.map(({ check, level }) => [check, level]));

test('install gives a table what it needs, twice without harm, and check then finds nothing wrong', async () => {
  const options = { table: 'Odd name', isSoftDelete: true, hasView: true };
  for (const _ of [1, 2]) await install(db.sql, await installSql(db.sql, options));
  const findings = await checkRelation(db.sql, 'Odd name');
  expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
  expect(levels(await checkRelation(db.sql, 'Odd name_lockstep')).fields).toBe('ok');
});

test('an update renews txid whatever the writer says, and a delete leaves a mark', async () => {
  const before = await db.sql.queryOne('SELECT txid FROM public."Odd name" WHERE "select" = 1');
  await db.sql.query(`UPDATE public."Odd name" SET note = 'c', txid = 1 WHERE "select" = 1`);
  await db.sql.query('DELETE FROM public."Odd name" WHERE "select" = 2');
  const rows = await db.sql.query('SELECT * FROM public."Odd name" ORDER BY "select"');
  expect(Number(rows[0]?.txid)).toBeGreaterThan(Number(before.txid));
  expect(rows.map(({ deleted }) => deleted)).toEqual(['f', 't']);
  await db.sql.query('DELETE FROM public."Odd name" WHERE deleted');
  expect(await db.sql.query('SELECT FROM public."Odd name"')).toHaveLength(1);
});

test('a missing field, a default without an update trigger, empty and impossible ids are found', async () => {
  expect(levels(await checkRelation(db.sql, 'bare'))).toEqual({ fields: 'fail' });
  expect(levels(await checkRelation(db.sql, 'stale'))).toMatchObject({
    ...{ inserts: 'ok', updates: 'fail', index: 'warn', values: 'fail', deletes: 'warn' },
  });
  await expect(checkRelation(db.sql, 'nowhere')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a joined view without greatest() would lose changes; with it, it would not', async () => {
  expect(levels(await checkRelation(db.sql, 'joined')).txid).toBe('fail');
  expect(levels(await checkRelation(db.sql, 'greater')).txid).toBe('ok');
  expect(levels(await checkRelation(db.sql, 'grouped')).groups).toBe('warn');
});

test('install refuses a view, a missing table, and soft deletes without a key', async () => {
  const plain = { isSoftDelete: false, hasView: false };
  await expect(installSql(db.sql, { ...plain, table: 'joined' })).rejects.toMatchObject({
    code: 'RELATION_UNFIT',
  });
  await expect(installSql(db.sql, { ...plain, table: 'none' })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  const soft = { table: 'bare', isSoftDelete: true, hasView: false };
  await expect(installSql(db.sql, soft)).rejects.toMatchObject({ code: 'RELATION_UNFIT' });
});

test('materialised views, foreign and unlogged tables, and views that leave rows out are found', async () => {
  await db.sql.query(`
    CREATE MATERIALIZED VIEW public.stored AS SELECT * FROM public.a;
    CREATE VIEW public.over AS SELECT * FROM public.stored;
    CREATE VIEW public.above AS SELECT * FROM public.over;
    CREATE UNLOGGED TABLE public.light (id int, txid bigint DEFAULT txid_current());
    CREATE VIEW public.some AS SELECT * FROM public.a WHERE id > 5;`);
  for (const name of ['stored', 'over', 'above']) {
    expect(levels(await checkRelation(db.sql, name)).rows).toBe('fail');
  }
  expect(levels(await checkRelation(db.sql, 'light')).rows).toBe('warn');
  expect(levels(await checkRelation(db.sql, 'some')).filter).toBe('warn');
  expect(levels(await checkRelation(db.sql, 'greater'))).not.toHaveProperty('rows');
});

test('install refuses columns of the same name that mean something else, and fills those that are empty', async () => {
  await db.sql.query(`
    CREATE TABLE public.taken (id int PRIMARY KEY, txid text);
    CREATE TABLE public.taken2 (id int PRIMARY KEY, deleted timestamptz);
    CREATE TABLE public.bare_id (id int PRIMARY KEY, txid bigint);
    INSERT INTO public.bare_id VALUES (1, NULL);`);
  const plain = { isSoftDelete: false, hasView: false };
  for (const table of ['taken', 'taken2']) {
    await expect(installSql(db.sql, { ...plain, table })).rejects.toMatchObject({
      code: 'RELATION_UNFIT',
    });
  }
  await install(db.sql, await installSql(db.sql, { ...plain, table: 'bare_id' }));
  expect(levels(await checkRelation(db.sql, 'bare_id'))).toMatchObject({
    ...{ inserts: 'ok', updates: 'ok', index: 'ok', values: 'ok' },
  });
});

test('install with a view works again after the table got a column, and beside a relation with the name of an index', async () => {
  await db.sql.query(`
    CREATE TABLE public.grown (id int PRIMARY KEY);
    CREATE TABLE public.grown_txid (id int);`);
  const options = { table: 'grown', isSoftDelete: true, hasView: true };
  await install(db.sql, await installSql(db.sql, options));
  expect(levels(await checkRelation(db.sql, 'grown')).index).toBe('ok');
  await db.sql.query('ALTER TABLE public.grown ADD COLUMN note text');
  await install(db.sql, await installSql(db.sql, options));
  await db.sql.query(`INSERT INTO public.grown (id, note) VALUES (1, 'n')`);
  const row = await db.sql.queryOne('SELECT * FROM public.grown_lockstep');
  expect(row).toMatchObject({ note: 'n', deleted: 'f' });
});
