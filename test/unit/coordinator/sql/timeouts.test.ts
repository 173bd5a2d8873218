/** statement_timeout: its values, what it ends, and what it leaves alone. */
import { beforeEach, expect, test } from 'vitest';
import { checkInvariants } from '../../../../src/coordinator/sql/invariants.ts';
import { Bed } from './bed.ts';

let bed: Bed;

beforeEach(() => {
  bed = new Bed();
  bed.run('CREATE TABLE t (i int)');
  bed.run('INSERT INTO t VALUES (1)');
});

/** The clock, so much later. */
function pass(ms: number): void {
  bed.system.do({ kind: 'clock', now: bed.system.state.now + ms });
  checkInvariants(bed.system.state);
}

test.each([
  ["'5s'", '5s'],
  ['250', '250ms'],
  ["'2 min'", '2min'],
  ["'90s'", '90s'],
  ["'1.5h'", '90min'],
  ['0', '0'],
  ['DEFAULT', '0'],
])('SET statement_timeout = %s is shown as %s', (value, shown) => {
  bed.run(`SET statement_timeout = ${value}`);
  expect(bed.run('SHOW statement_timeout')).toBe(`statement_timeout\n${shown}`);
});

test.each(["'soon'", "'5 weeks'", "'-1'", '99999999999'])(
  'SET statement_timeout = %s is 22023',
  (value) => {
    expect(bed.run(`SET statement_timeout = ${value}`)).toContain('error: 22023');
  },
);

test('a read that has had its time is ended, and the worker is told', () => {
  bed.run("SET statement_timeout = '1s'");
  bed.start('SELECT * FROM t');
  pass(1000);
  expect(bed.isBusy()).toBe(true);
  pass(200);
  expect(bed.isBusy()).toBe(false);
  expect(bed.output()).toContain('error: 57014');
  expect(bed.system.state.peeks.size).toBe(0);
  bed.settle();
  expect(bed.run('SELECT * FROM t')).toBe('i\n1');
});

test('each statement of a batch has its own time, and one without a limit has no end', () => {
  bed.run("SET statement_timeout = '1s'");
  bed.start('SELECT * FROM t; SELECT i + 1 AS j FROM t');
  pass(900);
  bed.settle();
  pass(900);
  expect(bed.output()).not.toContain('57014');
  bed.run('SET statement_timeout = 0', 'other');
  bed.start('SELECT * FROM t', 'other');
  pass(10_000_000);
  bed.settle();
  expect(bed.output('other')).toBe('i\n1');
});

test('a write that waits for the lock is ended, and leaves the queue', () => {
  bed.run("SET statement_timeout = '1s'", 'b');
  bed.start('UPDATE t SET i = 2', 'a');
  bed.start('UPDATE t SET i = 3', 'b');
  pass(1200);
  expect(bed.output('b')).toContain('error: 57014');
  bed.settle();
  expect(bed.output('a')).toBe('UPDATE 1');
  expect(bed.run('SELECT i FROM t')).toBe('i\n2');
});

test('subscriptions and FETCH wait as long as they like', () => {
  bed.run("SET statement_timeout = '1s'");
  bed.start('SUBSCRIBE t', 'main');
  bed.settle();
  bed.run("SET statement_timeout = '1s'", 'f');
  bed.run('BEGIN; DECLARE c CURSOR FOR SUBSCRIBE t', 'f');
  bed.start("FETCH 5 c WITH (timeout = '1h')", 'f');
  bed.settle();
  pass(100_000);
  bed.settle();
  expect(bed.isBusy()).toBe(true);
  expect(bed.isBusy('f')).toBe(true);
});
