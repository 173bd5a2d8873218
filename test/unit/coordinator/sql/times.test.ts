import { beforeAll, beforeEach, expect, test } from 'vitest';
import { step } from '../../../../src/coordinator/sql/machine.ts';
import { loadPgParser } from '../../../../src/sql/pg-parser.ts';
import { Bed } from './bed.ts';

let bed: Bed;

beforeAll(() => loadPgParser());

beforeEach(() => {
  bed = new Bed();
  bed.run('CREATE TABLE t (i int)');
});

const oracle = (): number => bed.system.state.oracles.get('local') ?? 0;

test('a table is read right after a write, at clock 0 too', () => {
  expect(bed.system.now).toBe(0);
  bed.run('INSERT INTO t VALUES (1)');
  expect(bed.run('SELECT i FROM t')).toBe('i\n1');
});

test('a write is after every time that was told, whatever the clock says', () => {
  bed.system.addTime(1000);
  bed.run('INSERT INTO t VALUES (1)');
  expect(oracle()).toBe(1000);
  bed.run('INSERT INTO t VALUES (2)');
  expect(oracle()).toBe(1001);
  expect(bed.run('SELECT i FROM t AS OF 1000')).toBe('i\n1');
  expect(bed.run('SELECT i FROM t AS OF 999')).toBe('(no rows)');
});

test('AS OF before what can be read is refused, AT LEAST goes to what can', () => {
  bed = new Bed({ windowMs: 1 });
  bed.run('CREATE TABLE t (i int)');
  bed.system.addTime(100);
  bed.run('INSERT INTO t VALUES (1)');
  bed.run('INSERT INTO t VALUES (2)');
  expect(bed.run('SELECT i FROM t AS OF 5')).toContain('error: 55000');
  expect(bed.run('SELECT i FROM t AS OF AT LEAST 5')).toBe('i\n1\n2');
  expect(bed.run("SELECT i FROM t AS OF 'x'")).toContain('error: 22');
});

test('AS OF does not move the oracle', () => {
  const before = oracle();
  bed.start('SELECT i FROM t AS OF 500', 'reader');
  bed.settle();
  expect(bed.isBusy('reader')).toBe(true);
  expect(oracle()).toBe(before);
});

test('a read of nothing needs no time', () => {
  expect(bed.run('SELECT 1 + 1 AS two')).toBe('two\n2');
  expect(bed.run('SELECT mz_logical_timestamp() AS t')).toBe('t\n18446744073709551615');
});

test('what is complete does not carry the oracle along', () => {
  bed.run('CREATE MATERIALIZED VIEW one AS SELECT 1 AS i');
  expect(bed.run('SELECT i FROM one')).toBe('i\n1');
  expect(oracle()).toBeLessThan(100);
  expect(bed.run('SELECT count(*) FROM t')).toBe('count\n0');
});

test('what becomes complete is seen by the next read, up to its last row', () => {
  bed.system.addTime(500);
  const { state } = bed.system;
  const [id = ''] = state.fronts.keys();
  const uppers = [{ id, upper: null }];
  step(state, { kind: 'feedback', feedback: { kind: 'uppers', uppers } });
  expect(oracle()).toBe(500);
});

test('an index of compacted inputs begins at their since, ahead of its upper', () => {
  bed.run("ALTER INDEX t_primary_idx SET (logical_compaction_window = '1ms')");
  bed.run('INSERT INTO t VALUES (1)');
  bed.run('INSERT INTO t VALUES (2)');
  const since = Number(bed.front('t_primary_idx').slice(1).split(',')[0]);
  expect(since).toBeGreaterThan(1);
  bed.start('CREATE MATERIALIZED VIEW v AS SELECT count(*) FROM t');
  expect(bed.front('v_primary_idx')).toBe(`[${since}, 0)`);
  bed.settle();
  bed.output();
  expect(bed.run('SELECT * FROM v')).toBe('count\n2');
});

test('an item keeps its inputs readable as far back as itself', () => {
  bed = new Bed({ windowMs: 1 });
  bed.run('CREATE TABLE t (i int)');
  bed.run('ALTER INDEX t_primary_idx SET (logical_compaction_window = off)');
  for (let i = 0; i < 5; i++) bed.run('INSERT INTO t VALUES (1)');
  expect(bed.front('t')).toMatch(/^\[1, /);
  bed.run('DROP INDEX t_primary_idx');
  expect(bed.front('t')).not.toMatch(/^\[1, /);
});

test('uppers of the worker never go back', () => {
  const id = [...bed.system.state.fronts.keys()][0] ?? '';
  const back = { kind: 'uppers' as const, uppers: [{ id, upper: 0 }] };
  expect(() => step(bed.system.state, { kind: 'feedback', feedback: back })).toThrow(
    /Q1: the upper of u1 does not go back/,
  );
});

test('replicated tables have a timeline of their own, and are not read together with others', () => {
  const columns = [{ name: 'id', type: 'int4', isNullable: false }] as const;
  bed.system.do({
    kind: 'replicatedTables',
    tables: [{ schema: 'public', table: 'city', columns }],
  });
  expect(bed.run('CREATE SOURCE none FROM POSTGRES TABLE village')).toContain('error: 42P01');
  expect(bed.run('CREATE SOURCE city FROM POSTGRES TABLE city')).toBe('CREATE SOURCE');
  expect(bed.run('SELECT * FROM city, t')).toContain('error: 0A000 times of different timelines');
  expect(bed.run('CREATE VIEW v AS SELECT * FROM city, t')).toContain('error: 0A000');
  expect(bed.run('INSERT INTO city VALUES (1)')).toContain('error: 42809');
});

test('after a crash a write is later than everything that the table had, although its upper is told late', () => {
  bed = new Bed();
  bed.start('CREATE TABLE t (i int)');
  const { id } =
    [...bed.system.state.catalog.items.values()].find(({ at }) => at.name === 't') ?? {};
  if (id === undefined) throw new Error('there is no table');
  // The oracle begins anew at the clock, which stands at 0; the rows of before the crash were at up to 499.
  bed.system.inject(id, 500);
  bed.settle();
  bed.run('INSERT INTO t VALUES (1)');
  expect(oracle()).toBeGreaterThanOrEqual(500);
  bed.system.inject(id, oracle() + 1);
  expect(bed.run('SELECT i FROM t')).toBe('i\n1');
  expect(bed.run('SELECT i FROM t AS OF 499')).toBe('(no rows)');
});
