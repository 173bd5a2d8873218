import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Change, type Recorder, TestDatabase, UNCHANGED } from '../support/source-recorder.ts';

let db: TestDatabase;
let recorder: Recorder;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await db.sql.query(`
    CREATE TABLE public.plain (id int PRIMARY KEY, name text);
    CREATE TABLE public.entire (id int PRIMARY KEY, name text, big text);
    ALTER TABLE public.entire REPLICA IDENTITY FULL;
    CREATE TABLE public.indexed (id int PRIMARY KEY, code int NOT NULL, name text);
    CREATE UNIQUE INDEX indexed_code ON public.indexed (code);
    ALTER TABLE public.indexed REPLICA IDENTITY USING INDEX indexed_code;
    CREATE TABLE public.keyless (name text);
    CREATE TABLE public.large (id int PRIMARY KEY, note int, big text);
    CREATE TABLE public.parent (id int PRIMARY KEY);
    CREATE TABLE public.child (id int PRIMARY KEY, parent int REFERENCES public.parent ON DELETE CASCADE);
    CREATE TABLE public.part (country text, id int, PRIMARY KEY (country, id)) PARTITION BY LIST (country);
    CREATE TABLE public.part_fr PARTITION OF public.part FOR VALUES IN ('FR');
    CREATE TABLE public.part_de PARTITION OF public.part FOR VALUES IN ('DE');
  `);
  const tables = 'plain entire indexed keyless large parent child part'.split(' ');
  ({ recorder } = await db.stream(tables.map((table) => `public.${table}`)));
});

afterAll(() => db.close());

/** Runs `sql` in one transaction and returns what the stream says it did. */
async function changesOf(sql: string): Promise<readonly Change[]> {
  const before = recorder.committed.length;
  await db.sql.query(sql);
  await recorder.until(() => recorder.committed.length > before, sql);
  return recorder.committed[before]?.changes ?? [];
}

const table = 'public.plain';

test('P23: inserts, updates and deletes come with their values', async () => {
  const changes = await changesOf(`
    INSERT INTO public.plain VALUES (1, 'a'), (2, ''), (3, NULL);
    UPDATE public.plain SET name = 'b' WHERE id = 1;
    DELETE FROM public.plain WHERE id = 2;`);
  expect(changes).toEqual([
    { kind: 'insert', table, row: ['1', 'a'] },
    { kind: 'insert', table, row: ['2', ''] },
    { kind: 'insert', table, row: ['3', null] },
    { kind: 'update', table, old: null, row: ['1', 'b'] },
    { kind: 'delete', table, old: { whole: false, row: ['2', null] } },
  ]);
});

test('P23: a changed key comes with the old key', async () => {
  const changes = await changesOf('UPDATE public.plain SET id = 10 WHERE id = 1');
  expect(changes).toEqual([
    { kind: 'update', table, old: { whole: false, row: ['1', null] }, row: ['10', 'b'] },
  ]);
});

test('P23: with identity FULL every update and delete comes with the whole old row', async () => {
  const changes = await changesOf(`
    INSERT INTO public.entire VALUES (1, 'a', NULL);
    UPDATE public.entire SET name = 'b';
    DELETE FROM public.entire;`);
  expect(changes.slice(1)).toEqual([
    {
      kind: 'update',
      table: 'public.entire',
      old: { whole: true, row: ['1', 'a', null] },
      row: ['1', 'b', null],
    },
    { kind: 'delete', table: 'public.entire', old: { whole: true, row: ['1', 'b', null] } },
  ]);
});

test('P23: with an identity index the old row has the columns of that index', async () => {
  const changes = await changesOf(`
    INSERT INTO public.indexed VALUES (1, 100, 'a');
    UPDATE public.indexed SET id = 2;
    UPDATE public.indexed SET code = 101;
    DELETE FROM public.indexed;`);
  expect(changes.slice(1)).toMatchObject([
    { kind: 'update', old: null, row: ['2', '100', 'a'] },
    { kind: 'update', old: { row: [null, '100', null] }, row: ['2', '101', 'a'] },
    { kind: 'delete', old: { whole: false, row: [null, '101', null] } },
  ]);
});

test('P23: a table without a key refuses updates in Postgres itself, so it must not be published', async () => {
  await changesOf(`INSERT INTO public.keyless VALUES ('a')`);
  await expect(db.sql.query(`UPDATE public.keyless SET name = 'b'`)).rejects.toThrow(/identity/);
});

test('P23: COPY, upsert and cascaded deletes come as plain changes', async () => {
  const changes = await changesOf(`
    INSERT INTO public.parent VALUES (1), (2);
    INSERT INTO public.child VALUES (1, 1), (2, 1), (3, 2);
    INSERT INTO public.child VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET parent = excluded.parent;
    DELETE FROM public.parent WHERE id = 1;`);
  expect(changes.slice(5)).toMatchObject([
    { kind: 'update', table: 'public.child', row: ['1', '2'] },
    { kind: 'delete', table: 'public.parent', old: { row: ['1'] } },
    { kind: 'delete', table: 'public.child', old: { row: ['2', null] } },
  ]);
  const copied = await changesOf(`COPY public.parent FROM PROGRAM 'printf "7\\n8\\n"'`);
  expect(copied).toMatchObject([{ row: ['7'] }, { row: ['8'] }]);
});

test('P23: TRUNCATE names every table it empties', async () => {
  const changes = await changesOf('TRUNCATE public.parent, public.child');
  expect(changes).toEqual([{ kind: 'truncate', tables: ['public.parent', 'public.child'] }]);
});

test('P23: rows of partitions come as rows of their root, a move between partitions as delete and insert', async () => {
  const changes = await changesOf(`
    INSERT INTO public.part VALUES ('FR', 1), ('DE', 2);
    UPDATE public.part SET country = 'DE' WHERE id = 1;
    TRUNCATE public.part;`);
  expect(changes).toEqual([
    { kind: 'insert', table: 'public.part', row: ['FR', '1'] },
    { kind: 'insert', table: 'public.part', row: ['DE', '2'] },
    { kind: 'delete', table: 'public.part', old: { whole: false, row: ['FR', '1'] } },
    { kind: 'insert', table: 'public.part', row: ['DE', '1'] },
    { kind: 'truncate', tables: ['public.part'] },
  ]);
});

test('P22: an unchanged out-of-line value is left out, and with FULL stands in the old row', async () => {
  const big = `(SELECT string_agg(md5(g::text), '') FROM generate_series(1, 400) g)`;
  const changes = await changesOf(`
    INSERT INTO public.large VALUES (1, 0, ${big});
    UPDATE public.large SET note = 1;
    INSERT INTO public.entire VALUES (5, 'a', ${big});
    UPDATE public.entire SET name = 'b';`);
  expect(changes[1]).toMatchObject({ kind: 'update', old: null, row: ['1', '1', UNCHANGED] });
  const full = changes[3];
  const text = changes[2]?.kind === 'insert' ? changes[2].row[2] : null;
  expect(text).toHaveLength(12_800);
  expect(full).toMatchObject({ old: { whole: true, row: ['5', 'a', text] } });
  expect(full?.kind === 'update' && [UNCHANGED, text].includes(full.row[2] ?? null)).toBe(true);
});

test('P26: a value that spans hundreds of socket reads comes whole', async () => {
  const changes = await changesOf(
    `INSERT INTO public.large SELECT 9, 0, repeat('0123456789', 2000000)`,
  );
  const row = changes[0]?.kind === 'insert' ? changes[0].row : [];
  expect(row[2]).toHaveLength(20_000_000);
});
