import { beforeAll, beforeEach, expect, test } from 'vitest';
import { loadPgParser } from '../../../../src/sql/pg-parser.ts';
import { Bed } from './bed.ts';

let bed: Bed;

beforeAll(() => loadPgParser());

beforeEach(() => {
  bed = new Bed();
  bed.run('CREATE TABLE t (i int)');
  bed.run('INSERT INTO t VALUES (1)');
});

const oracle = (): number => bed.system.state.oracles.get('local') ?? 0;

test('a stream has the rows that are there, then every change once, until it is canceled', () => {
  const start = oracle();
  expect(bed.run('SUBSCRIBE t', 'reader')).toBe(`${start} | 1 | 1`);
  bed.run('INSERT INTO t VALUES (2)');
  bed.run('UPDATE t SET i = 3 WHERE i = 1');
  expect(bed.output('reader').split('\n').sort()).toEqual(
    [`${start + 1} | 1 | 2`, `${oracle()} | -1 | 1`, `${oracle()} | 1 | 3`].sort(),
  );
  bed.cancel('reader');
  bed.settle();
  expect(bed.output('reader')).toBe('canceled');
  expect(bed.system.state.holds.has('subscription:1')).toBe(false);
});

test('progress is told after everything before it, and carries no row', () => {
  const first = bed.run('SUBSCRIBE t WITH (progress, snapshot = false)', 'reader');
  expect(first).toBe(`${oracle() + 1} | t | NULL | NULL`);
  bed.run('INSERT INTO t VALUES (2)');
  const now = oracle();
  expect(bed.output('reader')).toBe(`${now} | f | 1 | 2\n${now + 1} | t | NULL | NULL`);
});

test('a subscription keeps what it has not told, and no more', () => {
  bed = new Bed({ windowMs: 1 });
  bed.run('CREATE TABLE t (i int)');
  bed.start('SUBSCRIBE t', 'reader');
  const began = bed.system.state.holds.get('subscription:1')?.time;
  bed.settle();
  for (let i = 0; i < 5; i++) bed.run('INSERT INTO t VALUES (2)');
  const hold = bed.system.state.holds.get('subscription:1')?.time ?? 0;
  expect(hold).toBeGreaterThan(began ?? 0);
  expect(hold).toBe(oracle());
});

test('a cursor hands out changes as they are fetched, and waits for as many as were asked for', () => {
  bed.run('BEGIN; DECLARE c CURSOR FOR SUBSCRIBE t', 'reader');
  expect(bed.run('FETCH 1 FROM c', 'reader')).toContain(' | 1 | 1');
  bed.start('FETCH 2 FROM c', 'reader');
  bed.settle();
  expect(bed.isBusy('reader')).toBe(true);
  bed.run('INSERT INTO t VALUES (2)');
  expect(bed.isBusy('reader')).toBe(true);
  bed.run('INSERT INTO t VALUES (3)');
  expect(bed.output('reader').split('\n').length).toBe(3);
  expect(bed.run('FETCH ALL FROM c', 'reader')).toBe('(no rows)');
});

test('a fetch whose time is over gives what there is', () => {
  bed.run('BEGIN; DECLARE c CURSOR FOR SUBSCRIBE t', 'reader');
  bed.start("FETCH 10 FROM c WITH (timeout = '5ms')", 'reader');
  bed.settle();
  expect(bed.isBusy('reader')).toBe(true);
  bed.system.addTime(5);
  expect(bed.output('reader')).toContain(' | 1 | 1');
});

test('a cursor of a SELECT is read once and ends with its transaction', () => {
  bed.run('INSERT INTO t VALUES (2), (3)');
  bed.run('BEGIN; DECLARE c CURSOR FOR SELECT i FROM t ORDER BY i');
  expect(bed.run('FETCH 2 FROM c')).toBe('i\n1\n2');
  expect(bed.run('FETCH 2 FROM c')).toBe('i\n3');
  bed.run('COMMIT');
  expect(bed.run('FETCH 1 FROM c')).toContain('error: 34000');
  expect(bed.run('DECLARE c CURSOR FOR SELECT 1')).toContain('error: 25P01');
});

test('SUBSCRIBE without a time of its own stands alone in its transaction', () => {
  expect(bed.run('BEGIN; SELECT i FROM t; SUBSCRIBE t', 'reader')).toContain('error: 25001');
});

test('who subscribed to what is dropped hears so', () => {
  bed.start('SUBSCRIBE t', 'reader');
  bed.settle();
  bed.output('reader');
  bed.run('DROP TABLE t');
  expect(bed.output('reader')).toContain('error: 55000');
  expect(bed.isBusy('reader')).toBe(false);
});

test('a subscription of a past time tells everything since', () => {
  bed.run('INSERT INTO t VALUES (2)');
  const past = oracle();
  bed.run('INSERT INTO t VALUES (3)');
  const rows = bed.run(`SUBSCRIBE t AS OF ${past}`, 'reader').split('\n').sort();
  expect(rows).toEqual([`${past} | 1 | 1`, `${past} | 1 | 2`, `${oracle()} | 1 | 3`]);
});

test('who subscribed to what cannot be computed any more hears why, and nothing is kept for him', () => {
  bed.run('SUBSCRIBE (SELECT 10 / i AS share FROM t)', 'reader');
  bed.run('INSERT INTO t VALUES (0)');
  expect(bed.output('reader')).toContain('error: 22012');
  expect(bed.isBusy('reader')).toBe(false);
  expect(bed.system.state.holds.has('subscription:1')).toBe(false);
  expect(bed.system.state.subscriptions.size).toBe(0);
  expect(bed.run('SELECT 1 AS one', 'reader')).toBe('one\n1');
});

test('who fetches hears it with the next FETCH, once', () => {
  bed.run('BEGIN; DECLARE c CURSOR FOR SUBSCRIBE (SELECT 10 / i AS share FROM t)', 'reader');
  expect(bed.run('FETCH 1 FROM c', 'reader')).toContain(' | 1 | 10');
  bed.run('INSERT INTO t VALUES (0)');
  expect(bed.output('reader')).toBe('');
  expect(bed.run('FETCH 1 FROM c', 'reader')).toContain('error: 22012');
  expect(bed.system.state.subscriptions.size).toBe(0);
});

test('a fetch that waits for changes is ended by the failure', () => {
  bed.run('BEGIN; DECLARE c CURSOR FOR SUBSCRIBE (SELECT 10 / i AS share FROM t)', 'reader');
  bed.run('FETCH 1 FROM c', 'reader');
  bed.start('FETCH 1 FROM c', 'reader');
  bed.settle();
  expect(bed.isBusy('reader')).toBe(true);
  bed.run('INSERT INTO t VALUES (0)');
  expect(bed.isBusy('reader')).toBe(false);
  expect(bed.output('reader')).toContain('error: 22012');
});

test('what is told of a subscription that is gone changes nothing', () => {
  bed.run('SUBSCRIBE t', 'reader');
  bed.cancel('reader');
  bed.settle();
  bed.output('reader');
  const told = {
    kind: 'subscriptionFailed',
    subscription: 1,
    code: '22012',
    message: 'late',
  } as const;
  bed.system.do({ kind: 'feedback', feedback: told });
  expect(bed.output('reader')).toBe('');
});
