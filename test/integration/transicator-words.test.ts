/** Tables of names that the adapter carries, against the Postgres that they were taken from. */
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { changeTableName } from '../../src/protocol/transicator/names.ts';
import { typeOidOf } from '../../src/protocol/transicator/types.ts';
import { timestampMicros } from '../../src/protocol/transicator/values.ts';

let sql: pg.Client;

beforeAll(async () => {
  sql = new pg.Client(inject('postgresUrl'));
  await sql.connect();
  await sql.query("SET TimeZone = 'UTC'");
});

afterAll(async () => {
  await sql.end();
});

test('the OID of every type that a column can have, with modifiers and as an array', async () => {
  await sql.query(`CREATE TEMP TABLE modified (a varchar(9), b numeric(9, 2)[], c timestamp(3) with time zone,
    d timestamp(2)[], e interval day to second(3), f interval year, g interval(1)[], h char(4), i bit(3), j varbit(7)[],
    k time(2) with time zone, l numeric(5, -2), m interval second(2)[])`);
  const { rows } = await sql.query<{ name: string; oid: number }>(`
    SELECT pg_catalog.format_type(oid, NULL) AS name, oid::int AS oid FROM pg_type t
    WHERE oid < 10000 AND typtype IN ('b', 'r', 'm')
      AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typtype IN ('c', 'p'))
      AND typname !~ '^_?(pg_(node_tree|ndistinct|dependencies|brin|mcv)|gtsvector)'
    UNION ALL SELECT pg_catalog.format_type(atttypid, atttypmod), atttypid::int FROM pg_attribute
    WHERE attrelid = 'modified'::regclass AND attnum > 0`);
  expect(rows.length).toBeGreaterThan(150);
  const wrong = rows.filter(
    ({ name, oid }) => typeOidOf({ name: 'c', type: name, kind: 'text' }) !== oid,
  );
  expect(wrong).toEqual([]);
});

test('types of others are what their values read as', () => {
  expect(typeOidOf({ name: 'c', type: 'mood', kind: 'text' })).toBe(25);
  expect(typeOidOf({ name: 'c', type: 'positive', kind: 'bigint' })).toBe(20);
});

test('names are quoted where Postgres quotes them', async () => {
  const { rows } = await sql.query<{ name: string; quoted: string }>(`
    SELECT w AS name, quote_ident('s') || '.' || quote_ident(w) AS quoted FROM (
      SELECT word AS w FROM pg_get_keywords() UNION ALL
      SELECT unnest(ARRAY['item', 'Item', 'a b', 'a"b', '1a', 'a1', '_x', 'a$b', 'é', 'a-b', 'a.b', ''])) x`);
  expect(rows.length).toBeGreaterThan(400);
  const wrong = rows.filter(({ name, quoted }) => changeTableName(`s.${name}`) !== quoted);
  expect(wrong).toEqual([]);
});

test('timestamps have the microseconds that Postgres counts', async () => {
  const { rows } = await sql.query<{ text: string; micros: string }>(`
    SELECT t::text AS text, ((extract(epoch FROM t) - 946684800) * 1000000)::numeric(30, 0)::text AS micros
    FROM generate_series(timestamp '4713-01-01 BC', timestamp '294000-01-01', interval '1234 days 7 hours 11.123457 seconds') t`);
  expect(rows.length).toBeGreaterThan(50_000);
  const wrong = rows.filter(({ text, micros }) => String(timestampMicros(text)) !== micros);
  expect(wrong.slice(0, 3)).toEqual([]);
});
