import { beforeAll, beforeEach, expect, test } from 'vitest';
import { loadPgParser } from '../../../../src/sql/pg-parser.ts';
import { Bed } from './bed.ts';

let bed: Bed;

beforeAll(() => loadPgParser());

beforeEach(() => {
  bed = new Bed();
  bed.run('CREATE TABLE t (i int)');
  bed.run('CREATE TABLE u (i int)');
});

test('the inserts of a transaction appear together, at one time, and not before its commit', () => {
  bed.run('BEGIN; INSERT INTO t VALUES (1)');
  bed.run('INSERT INTO u VALUES (2)');
  expect(bed.run('SELECT count(*) FROM t', 'other')).toBe('count\n0');
  expect(bed.run('COMMIT')).toBe('COMMIT');
  expect(bed.run('SELECT t.i, u.i FROM t, u', 'other')).toBe('i | i\n1 | 2');
});

test('a batch of several statements is one transaction: a failure undoes all of it', () => {
  expect(bed.run('INSERT INTO t VALUES (1); SELECT missing FROM t')).toContain('error: 42703');
  expect(bed.run('SELECT count(*) FROM t')).toBe('count\n0');
});

test('reads and writes do not mix in one transaction', () => {
  expect(bed.run('BEGIN; SELECT i FROM t; INSERT INTO t VALUES (1)')).toContain('error: 25006');
  expect(bed.run('ROLLBACK')).toBe('ROLLBACK');
  expect(bed.run('BEGIN; INSERT INTO t VALUES (1); SELECT i FROM t')).toContain('error: 25001');
  expect(bed.run('COMMIT')).toBe('ROLLBACK');
  expect(bed.run('SELECT count(*) FROM t')).toBe('count\n0');
});

test('what stands alone is refused among others: DDL, UPDATE, DELETE, INSERT ... SELECT', () => {
  for (const sql of [
    'CREATE TABLE v (i int)',
    'DROP TABLE u',
    'UPDATE t SET i = 2',
    'DELETE FROM t',
    'INSERT INTO t SELECT i FROM u',
  ]) {
    expect(bed.run(`BEGIN; ${sql}`), sql).toContain('error: 25001');
    bed.run('ROLLBACK');
    expect(bed.run(`SELECT 1; ${sql}`), sql).toContain('error: 25001');
  }
});

test('several settings in one batch hold, and go with what is rolled back', () => {
  bed.run(`SET application_name = 'a'; SET extra_float_digits = 3; SELECT 1`);
  expect(bed.run('SHOW application_name; SHOW extra_float_digits')).toBe(
    'application_name\na\nextra_float_digits\n3',
  );
  bed.run(`SET application_name = 'b'; SELECT missing FROM t`);
  expect(bed.run('SHOW application_name')).toBe('application_name\na');
  bed.run(`BEGIN; SET application_name = 'c'; SET statement_timeout = '5s'`);
  expect(bed.run('SHOW application_name')).toBe('application_name\nc');
  bed.run('ROLLBACK');
  expect(bed.run('SHOW application_name')).toBe('application_name\na');
  bed.run(`BEGIN; SET application_name = 'd'; COMMIT`);
  expect(bed.run('SHOW application_name')).toBe('application_name\nd');
  bed.run('BEGIN; SELECT i FROM t');
  expect(bed.run(`SET transaction_isolation = 'serializable'`)).toContain('error: 25001');
  bed.run('ROLLBACK');
});

test('a failed transaction takes nothing but its end', () => {
  bed.run('BEGIN; SELECT missing FROM t');
  expect(bed.run('SELECT i FROM t')).toContain('error: 25P02');
  expect(bed.run('COMMIT')).toBe('ROLLBACK');
  expect(bed.run('SELECT i FROM t')).toBe('(no rows)');
});

test('the first read fixes the time of a transaction, for everything on its timeline in its schemas', () => {
  bed.run('BEGIN; SELECT count(*) FROM t');
  bed.run('INSERT INTO t VALUES (1)', 'other');
  bed.run('INSERT INTO u VALUES (1)', 'other');
  expect(bed.run('SELECT count(*) FROM t')).toBe('count\n0');
  expect(bed.run('SELECT count(*) FROM u')).toBe('count\n0');
  expect(bed.run('COMMIT; SELECT count(*) FROM t')).toBe('COMMIT\ncount\n1');
});

test('what a transaction did not fix the time of, it cannot read', () => {
  bed.run('CREATE SCHEMA s');
  bed.run('CREATE TABLE s.w (i int)');
  bed.run('BEGIN; SELECT i FROM t');
  expect(bed.run('SELECT i FROM s.w')).toContain('timedomain');
});

test('an open transaction keeps its past readable until it ends', () => {
  bed = new Bed({ windowMs: 1 });
  bed.run('CREATE TABLE t (i int)');
  bed.run('INSERT INTO t VALUES (1)');
  bed.run('BEGIN; SELECT i FROM t');
  const held = bed.front('t');
  for (let i = 0; i < 5; i++) bed.run('INSERT INTO t VALUES (2)', 'other');
  expect(bed.front('t').split(',')[0]).toBe(held.split(',')[0]);
  expect(bed.run('SELECT i FROM t')).toBe('i\n1');
  bed.run('COMMIT');
  expect(bed.front('t').split(',')[0]).not.toBe(held.split(',')[0]);
});

test('a second BEGIN and an END without one change nothing', () => {
  expect(bed.run('BEGIN; BEGIN; COMMIT')).toBe('BEGIN\nBEGIN\nCOMMIT');
  expect(bed.run('COMMIT')).toBe('COMMIT');
});

test('UPDATE and DELETE see every write that was answered, and queue behind one another', () => {
  bed.run('INSERT INTO t VALUES (1), (2)');
  bed.start('UPDATE t SET i = i + 10', 'a');
  bed.start('UPDATE t SET i = i + 100', 'b');
  bed.start('INSERT INTO t VALUES (0)', 'c');
  expect([bed.isBusy('a'), bed.isBusy('b'), bed.isBusy('c')]).toEqual([true, true, true]);
  bed.settle();
  expect([bed.output('a'), bed.output('b'), bed.output('c')]).toEqual([
    'UPDATE 2',
    'UPDATE 2',
    'INSERT 0 1',
  ]);
  expect(bed.run('SELECT i FROM t ORDER BY i')).toBe('i\n0\n111\n112');
  expect(bed.run('DELETE FROM t WHERE i > 100')).toBe('DELETE 2');
  expect(bed.run('SELECT i FROM t')).toBe('i\n0');
});

test('a canceled write in the queue leaves it, and the others go on', () => {
  bed.run('INSERT INTO t VALUES (1)');
  bed.start('UPDATE t SET i = 2', 'a');
  bed.start('UPDATE t SET i = 3', 'b');
  bed.start('UPDATE t SET i = 4', 'c');
  bed.cancel('b');
  bed.settle();
  expect([bed.output('a'), bed.output('b'), bed.output('c')]).toEqual([
    'UPDATE 1',
    'canceled',
    'UPDATE 1',
  ]);
  expect(bed.run('SELECT i FROM t')).toBe('i\n4');
});

test('a session that leaves gives back the lock, its holds and what it waited for', () => {
  bed.run('INSERT INTO t VALUES (1)');
  bed.start('UPDATE t SET i = 2', 'a');
  bed.start('UPDATE t SET i = 3', 'b');
  bed.leave('a');
  bed.settle();
  expect(bed.output('b')).toBe('UPDATE 1');
  expect(bed.run('SELECT i FROM t')).toBe('i\n3');
  expect(bed.system.state.peeks.size).toBe(0);
});

test('a write to a table that was dropped before the commit fails', () => {
  bed.run('BEGIN; INSERT INTO t VALUES (1)', 'a');
  bed.run('DROP TABLE t');
  expect(bed.run('COMMIT', 'a')).toContain('error: 40001');
});

test('NULL in a column that has none, and a table of too few columns, are refused', () => {
  bed.run('CREATE TABLE n (i int NOT NULL, s text DEFAULT upper($$x$$))');
  expect(bed.run('INSERT INTO n VALUES (NULL)')).toContain('error: 23502');
  expect(bed.run('INSERT INTO n VALUES (1, 2, 3)')).toContain('error: 42601');
  expect(bed.run('INSERT INTO n (i) VALUES (1)')).toBe('INSERT 0 1');
  expect(bed.run('SELECT * FROM n')).toBe('i | s\n1 | X');
});

test('commits fail while nothing is stored, and reads go on', () => {
  bed.run('INSERT INTO t VALUES (1)');
  bed.system.do({ kind: 'refuseWrites', reason: 'the disk is full' });
  expect(bed.run('INSERT INTO t VALUES (2)')).toBe('error: 58030 the disk is full');
  expect(bed.run('SELECT i FROM t')).toBe('i\n1');
  bed.system.do({ kind: 'refuseWrites', reason: null });
  expect(bed.run('INSERT INTO t VALUES (3)')).toBe('INSERT 0 1');
});
