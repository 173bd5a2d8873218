import { beforeAll, beforeEach, expect, test } from 'vitest';
import { printCatalog } from '../../../../src/bench/coordtest/print-catalog.ts';
import { loadPgParser } from '../../../../src/sql/pg-parser.ts';
import { Bed } from './bed.ts';

let bed: Bed;

beforeAll(() => loadPgParser());

beforeEach(() => {
  bed = new Bed();
});

function names(): readonly string[] {
  return printCatalog(bed.system.state)
    .trim()
    .split('\n')
    .map((line) => line.replace(/ \[.*/, '').replace('tidelock.public.', ''));
}

test('ids are given in order, an index comes after what it is on, and a taken name gets a number', () => {
  bed.run('CREATE TABLE t_primary_idx (i int)');
  bed.run('CREATE TABLE t (i int)');
  bed.run('CREATE DEFAULT INDEX ON t');
  expect(names()).toEqual([
    'u1 table t_primary_idx (i int4)',
    'u2 index t_primary_idx_primary_idx on u1',
    'u3 table t (i int4)',
    'u4 index t_primary_idx1 on u3',
    'u5 index t_primary_idx2 on u3',
  ]);
});

test('what is there already is refused, or said with IF NOT EXISTS', () => {
  bed.run('CREATE TABLE t (i int)');
  expect(bed.run('CREATE TABLE t (i int)')).toContain('error: 42P07');
  expect(bed.run('CREATE VIEW t AS SELECT 1')).toContain('error: 42P07');
  expect(bed.run('CREATE TABLE IF NOT EXISTS t (i int)')).toBe('CREATE TABLE (existed)');
  expect(bed.run('CREATE DATABASE d')).toBe('CREATE DATABASE');
  expect(bed.run('CREATE DATABASE d')).toContain('error: 42P04');
  expect(bed.run('CREATE SCHEMA d.s')).toBe('CREATE SCHEMA');
  expect(bed.run('CREATE SCHEMA d.s')).toContain('error: 42P06');
});

test('names lead through database and schema', () => {
  bed.run('CREATE DATABASE d');
  bed.run('CREATE TABLE d.public.t (i int)');
  bed.run('INSERT INTO d.public.t VALUES (1)');
  expect(bed.run('SELECT i FROM t')).toContain('error: 42P01');
  expect(bed.run('SELECT i FROM d.public.t')).toBe('i\n1');
  expect(bed.run('CREATE TABLE nowhere.public.t (i int)')).toContain('error: 3D000');
  expect(bed.run('CREATE TABLE nowhere.t (i int)')).toContain('error: 3F000');
  bed.run('SET database = d');
  expect(bed.run('SELECT i FROM t')).toBe('i\n1');
  expect(bed.run('SHOW database')).toBe('database\nd');
});

test('what others are made of is dropped only with them', () => {
  bed.run('CREATE TABLE t (i int)');
  bed.run('CREATE VIEW v AS SELECT i FROM t');
  bed.run('CREATE MATERIALIZED VIEW w AS SELECT i FROM v');
  expect(bed.run('DROP TABLE t')).toContain('error: 2BP01');
  expect(bed.run('DROP VIEW w')).toBe('DROP VIEW');
  expect(bed.run('DROP TABLE v')).toContain('error: 42809');
  expect(bed.run('DROP TABLE t CASCADE')).toBe('DROP TABLE');
  expect(names()).toEqual(['']);
  expect(bed.run('DROP TABLE t')).toContain('error: 42P01');
  expect(bed.run('DROP TABLE IF EXISTS t')).toBe('DROP TABLE');
});

test('a view is replaced unless something is made of it', () => {
  bed.run('CREATE TABLE t (i int)');
  bed.run('INSERT INTO t VALUES (1)');
  bed.run('CREATE MATERIALIZED VIEW v AS SELECT i FROM t');
  expect(bed.run('CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT i + 1 AS j FROM t')).toBe(
    'CREATE VIEW',
  );
  expect(bed.run('SELECT * FROM v')).toBe('j\n2');
  bed.run('CREATE VIEW w AS SELECT j FROM v');
  expect(bed.run('CREATE OR REPLACE VIEW v AS SELECT 1')).toContain('error: 2BP01');
});

test('views are looked through, with their own column names and order', () => {
  bed.run('CREATE TABLE t (i int)');
  bed.run('INSERT INTO t VALUES (1), (2), (3)');
  bed.run('CREATE VIEW v (a) AS SELECT i * 2 FROM t ORDER BY -i LIMIT 2');
  bed.run('CREATE VIEW w AS SELECT v.a, t.i FROM v JOIN t ON v.a = t.i * 2');
  expect(bed.run('SELECT * FROM w ORDER BY a')).toBe('a | i\n4 | 2\n6 | 3');
  bed.run('CREATE MATERIALIZED VIEW m AS SELECT sum(a) AS s FROM w');
  expect(bed.run('SELECT * FROM m')).toBe('s\n10');
  bed.run('INSERT INTO t VALUES (4)');
  expect(bed.run('SELECT * FROM m')).toBe('s\n14');
});

test('a schema goes with what is in it, if that is said', () => {
  bed.run('CREATE SCHEMA s');
  bed.run('CREATE TABLE s.t (i int)');
  expect(bed.run('DROP SCHEMA s')).toContain('error: 2BP01');
  expect(bed.run('DROP SCHEMA s CASCADE')).toBe('DROP SCHEMA');
  expect(bed.run('SELECT i FROM s.t')).toContain('error: 42P01');
  expect(bed.run('DROP SCHEMA public')).toContain('error: 0A000');
});

test('SHOW tells what is there', () => {
  bed.run('CREATE TABLE t (i int NOT NULL, s text)');
  bed.run('CREATE VIEW v AS SELECT i FROM t');
  expect(bed.run('SHOW TABLES')).toBe('name\nt');
  expect(bed.run('SHOW VIEWS')).toBe('name\nv');
  expect(bed.run('SHOW INDEXES FROM t')).toBe('name | on\nt_primary_idx | tidelock.public.t');
  expect(bed.run('SHOW COLUMNS FROM t')).toBe('name | nullable | type\ni | f | int4\ns | t | text');
  expect(bed.run('SHOW CREATE VIEW v')).toContain('CREATE VIEW v AS SELECT i FROM t');
  expect(bed.run('SHOW SCHEMAS')).toBe('name\npublic');
  expect(bed.run('SHOW nonsense')).toContain('error: 42704');
});

test('settings that others send are taken, and those that would change answers are not', () => {
  expect(bed.run("SET client_encoding = 'UTF8'")).toBe('SET');
  expect(bed.run("SET timezone = 'Europe/Paris'")).toContain('error: 0A000');
  expect(bed.run("SET transaction_isolation = 'serializable'")).toBe('SET');
  expect(bed.run('SHOW transaction_isolation')).toBe('transaction_isolation\nserializable');
  expect(bed.run("SET transaction_isolation = 'loose'")).toContain('error: 22023');
});

test('EXPLAIN changes nothing: the plan, and the time that a read would get', () => {
  bed.run('CREATE TABLE t (i int)');
  bed.run('INSERT INTO t VALUES (1)');
  const before = bed.system.state.oracles.get('local');
  expect(bed.run('EXPLAIN PLAN FOR SELECT count(*) FROM t')).toContain('get tidelock.public.t');
  const told = bed.run('EXPLAIN TIMESTAMP FOR SELECT i FROM t');
  expect(told).toContain(`time: ${before}\n`);
  expect(told).toContain('waits: no');
  expect(bed.system.state.oracles.get('local')).toBe(before);
});

test('SHOW OBJECTS has everything of a schema, and what it is', () => {
  bed.run('CREATE TABLE t (i int)');
  bed.run('CREATE VIEW v AS SELECT i FROM t');
  bed.run('CREATE MATERIALIZED VIEW m AS SELECT i FROM t');
  expect(bed.run('SHOW TABLES')).toBe('name\nt');
  expect(bed.run('SHOW VIEWS')).toBe('name\nm\nv');
  expect(bed.run('SHOW OBJECTS')).toBe(
    [
      'name | type',
      'm | materialized view',
      'm_primary_idx | index',
      't | table',
      't_primary_idx | index',
      'v | view',
    ].join('\n'),
  );
});

test('views with windows, LATERAL and functions in FROM are computed at their time, and followed', () => {
  bed.run('CREATE TABLE t (id int, tag text)');
  bed.run(`CREATE MATERIALIZED VIEW w AS
    SELECT DISTINCT ON (tag) tag, id, row_number() OVER (ORDER BY id) AS place FROM t ORDER BY tag, id DESC`);
  bed.run(`CREATE MATERIALIZED VIEW l AS
    SELECT t.id, g.n FROM t, LATERAL generate_series(1, t.id) AS g(n) WHERE t.tag ~ '^a'`);
  bed.run(`INSERT INTO t VALUES (1, 'a'), (2, 'a'), (3, 'b')`);
  expect(bed.run('SELECT * FROM w')).toBe('tag | id | place\na | 2 | 2\nb | 3 | 3');
  expect(bed.run('SELECT * FROM l')).toBe('id | n\n1 | 1\n2 | 1\n2 | 2');
  bed.run('SUBSCRIBE w WITH (snapshot = false)', 'reader');
  bed.run('DELETE FROM t WHERE id = 2');
  expect(bed.run('SELECT * FROM w')).toBe('tag | id | place\na | 1 | 1\nb | 3 | 2');
  const told = bed
    .output('reader')
    .split('\n')
    .map((line) => line.replace(/^\d+ \| /, ''));
  expect(told.sort()).toEqual([
    '-1 | a | 2 | 2',
    '-1 | b | 3 | 3',
    '1 | a | 1 | 1',
    '1 | b | 3 | 2',
  ]);
  bed.cancel('reader');
});
