import { beforeAll, beforeEach, expect, test } from 'vitest';
import { loadPgParser } from '../../../../src/sql/pg-parser.ts';
import { Bed } from './bed.ts';

let bed: Bed;

beforeAll(() => loadPgParser());

beforeEach(() => {
  bed = new Bed();
  bed.run('CREATE TABLE t (a int, b text, v int, PRIMARY KEY (a, b))');
  bed.run(`INSERT INTO t VALUES (1, 'x', 10), (2, 'y', 20)`);
});

const rows = (): string => bed.run('SELECT a, b, v FROM t ORDER BY a, b');

test('a key that is there is refused, and nothing of its statement stays', () => {
  const failed = bed.run(`INSERT INTO t VALUES (3, 'z', 30), (2, 'y', 21)`);
  expect(failed).toContain('error: 23505 duplicate key value violates the primary key of "t"');
  expect(bed.run(`INSERT INTO t VALUES (4, 'a', 1), (4, 'a', 2)`)).toContain('error: 23505');
  expect(bed.run(`INSERT INTO t VALUES (NULL, 'x', 1)`)).toContain('error: 23502');
  expect(bed.run(`INSERT INTO t VALUES (1, 'y', 11)`)).toBe('INSERT 0 1');
  expect(rows()).toBe('a | b | v\n1 | x | 10\n1 | y | 11\n2 | y | 20');
});

test('an update may change keys, also with one another, but not onto one that stays', () => {
  expect(bed.run('UPDATE t SET v = v + 1')).toBe('UPDATE 2');
  expect(bed.run(`UPDATE t SET a = 3 - a, b = CASE b WHEN 'x' THEN 'y' ELSE 'x' END`)).toBe(
    'UPDATE 2',
  );
  expect(rows()).toBe('a | b | v\n1 | x | 21\n2 | y | 11');
  expect(bed.run(`UPDATE t SET a = 2, b = 'y' WHERE a = 1`)).toContain('error: 23505');
  expect(bed.run('DELETE FROM t WHERE a = 2')).toBe('DELETE 1');
  expect(bed.run(`UPDATE t SET a = 2, b = 'y' WHERE a = 1`)).toBe('UPDATE 1');
});

test('in a transaction the keys are checked at the commit', () => {
  expect(bed.run(`BEGIN; INSERT INTO t VALUES (2, 'y', 0)`)).toBe('BEGIN\nINSERT 0 1');
  expect(bed.run('COMMIT')).toContain('error: 23505');
  expect(bed.run('ROLLBACK')).toBe('ROLLBACK');
  expect(rows()).toBe('a | b | v\n1 | x | 10\n2 | y | 20');
});

test('of two that bring the same key at once one has it', () => {
  bed.start(`INSERT INTO t VALUES (7, 'q', 1)`, 'one');
  bed.start(`INSERT INTO t VALUES (7, 'q', 2)`, 'two');
  bed.settle();
  expect(bed.output('one')).toBe('INSERT 0 1');
  expect(bed.output('two')).toContain('error: 23505');
  expect(bed.system.state.lock.owner).toBeNull();
});

test('a key of a type whose equal values are written in several ways is refused', () => {
  expect(bed.run('CREATE TABLE n (a numeric PRIMARY KEY)')).toContain('error: 0A000');
});
