/** `pg_catalog`, `information_schema` and the functions of a session. */
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { loadPgParser } from '../../../../src/sql/pg-parser.ts';
import { Bed } from './bed.ts';

let bed: Bed;

beforeAll(() => loadPgParser());

beforeEach(() => {
  bed = new Bed();
  bed.run(
    `CREATE TABLE t (id int PRIMARY KEY, name varchar(20) NOT NULL DEFAULT 'x', n numeric(10, 2))`,
  );
  bed.run('CREATE VIEW v AS SELECT name, count(*) AS n FROM t GROUP BY name');
  bed.run('CREATE MATERIALIZED VIEW m AS SELECT id FROM t');
});

test('what is made is in pg_class at once, by its kind, and gone when it is dropped', () => {
  const kinds = `SELECT relname, relkind, pg_get_userbyid(relowner) FROM pg_catalog.pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'public' AND relkind <> 'i' ORDER BY 1`;
  expect(bed.run(kinds)).toBe(
    'relname | relkind | pg_get_userbyid\nm | m | tidelock\nt | r | tidelock\nv | v | tidelock',
  );
  bed.run('DROP VIEW m');
  expect(bed.run(kinds)).not.toContain('m | m');
});

test('a query of the catalog waits for nobody', () => {
  const waits = bed.start('SELECT count(*) FROM pg_class');
  expect(waits).toBeUndefined();
  bed.system.deliver(({ kind }) => kind === 'peekDone');
  expect(bed.isBusy()).toBe(false);
  bed.run('BEGIN');
  bed.run('SELECT count(*) FROM t');
  expect(
    bed.run(`SELECT count(*) FROM information_schema.views WHERE table_schema = 'public'`),
  ).toBe('count\n1');
  bed.run('COMMIT');
});

test('columns have their types, defaults and keys', () => {
  expect(
    bed.run(`SELECT attname, format_type(atttypid, atttypmod), attnotnull,
      (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef d WHERE d.adrelid = attrelid AND d.adnum = attnum) AS initial
      FROM pg_attribute WHERE attrelid = 't'::regclass ORDER BY attnum`),
  ).toBe(
    [
      'attname | format_type | attnotnull | initial',
      'id | integer | t | NULL',
      "name | character varying(20) | t | 'x'::text",
      'n | numeric(10,2) | f | NULL',
    ].join('\n'),
  );
  expect(
    bed.run(`SELECT column_name, data_type, is_nullable, character_maximum_length, numeric_scale
      FROM information_schema.columns WHERE table_name = 't' ORDER BY ordinal_position`),
  ).toBe(
    [
      'column_name | data_type | is_nullable | character_maximum_length | numeric_scale',
      'id | integer | NO | NULL | 0',
      'name | character varying | NO | 20 | NULL',
      'n | numeric | YES | NULL | 2',
    ].join('\n'),
  );
  expect(
    bed.run(
      `SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass`,
    ),
  ).toBe('conname | pg_get_constraintdef\nt_pkey | PRIMARY KEY (id)');
});

test('numbers become names and names numbers', () => {
  expect(
    bed.run(`SELECT oid::regclass, oid::regclass::text FROM pg_class WHERE oid = 't'::regclass`),
  ).toBe('oid | oid\nt | t');
  expect(bed.run(`SELECT 'nothing'::regclass`)).toContain('error: 42P01');
  expect(bed.run(`SELECT to_regclass('nothing') IS NULL AS gone`)).toBe('gone\nt');
  bed.run('CREATE SCHEMA s');
  bed.run('CREATE TABLE s."T" (i int)');
  expect(bed.run(`SELECT 's."T"'::regclass::text AS name`)).toBe('name\ns."T"');
  expect(bed.run(`SELECT pg_table_is_visible('s."T"'::regclass) AS seen`)).toBe('seen\nf');
});

test('a session knows who and where it is', () => {
  expect(bed.run('SELECT current_database(), current_schema, current_schemas(true)')).toBe(
    'current_database | current_schema | current_schemas\ntidelock | public | {pg_catalog,public}',
  );
  expect(bed.run('SELECT version()')).toContain('PostgreSQL 18.0 (Tidelock)');
  expect(bed.run('SHOW server_version')).toBe('server_version\n18.0');
  expect(bed.run(`SELECT current_setting('timezone'), current_setting('none', true)`)).toBe(
    'current_setting | current_setting\nUTC | NULL',
  );
  expect(bed.run(`SELECT current_setting('none')`)).toContain('error: 42704');
});

test('what moves with the session or the catalog is kept by no view and followed by nobody', () => {
  expect(bed.run('CREATE VIEW w AS SELECT current_user')).toContain('error: 0A000');
  expect(bed.run('CREATE VIEW w AS SELECT relname FROM pg_class')).toContain('error: 0A000');
  expect(bed.run('SUBSCRIBE (SELECT relname FROM pg_class)')).toContain('error: 0A000');
});

test('what there is none of here gives no rows, whatever is asked of it', () => {
  expect(
    bed.run(
      `SELECT polname, polroles = '{0}' AS all, pg_get_expr(polqual, polrelid) FROM pg_policy`,
    ),
  ).toBe('(no rows)');
  expect(bed.run('SELECT count(*) FROM pg_policy')).toBe('count\n0');
  expect(bed.run(`SELECT ARRAY(SELECT polname FROM pg_policy) AS none`)).toBe('none\n{}');
});

test('nobody writes into the catalog', () => {
  expect(bed.run('DELETE FROM pg_class')).toContain('error: 42P01');
  expect(bed.run(`INSERT INTO pg_catalog.pg_class (relname) VALUES ('x')`)).toContain(
    'error: 3F000',
  );
});
