import { beforeAll, beforeEach, expect, test } from 'vitest';
import { type Description, describe } from '../../../../src/coordinator/sql/describe.ts';
import { parseBatch } from '../../../../src/sql/parse/batch.ts';
import { loadPgParser } from '../../../../src/sql/pg-parser.ts';
import type { Statement } from '../../../../src/sql/statement.ts';
import type { SqlValue } from '../../../../src/sql/types.ts';
import { Bed } from './bed.ts';

let bed: Bed;

beforeAll(() => loadPgParser());

beforeEach(() => {
  bed = new Bed();
  bed.run('CREATE TABLE t (i int, s text)');
});

function read(sql: string): Statement {
  const [statement] = parseBatch(sql);
  if (statement === undefined) throw new Error('a statement is expected');
  return statement;
}

function described(sql: string): Description {
  const { connection } = bed.session('main');
  const session = bed.system.state.sessions.get(connection);
  if (session === undefined) throw new Error('the session is open');
  return describe(bed.system.state, session, { statement: read(sql), types: [] });
}

/** One statement of the extended protocol, without its end. */
function execute(sql: string, values: readonly SqlValue[]): string {
  const { connection } = bed.session('main');
  const statement = read(sql);
  const parameters = { values, types: described(sql).parameters };
  bed.system.do({ kind: 'execute', connection, statement, parameters });
  bed.settle();
  return bed.output();
}

function sync(): string {
  bed.system.do({ kind: 'sync', connection: bed.session('main').connection });
  bed.settle();
  return bed.output();
}

test('a statement is described by its parameters and columns, and nothing is run', () => {
  expect(described('SELECT s FROM t WHERE i = $1')).toEqual({
    parameters: ['int4'],
    columns: [{ name: 's', type: 'text', isNullable: true }],
  });
  expect(described('INSERT INTO t VALUES ($1, $2)')).toEqual({
    parameters: ['int4', 'text'],
    columns: null,
  });
  expect(described('UPDATE t SET s = $2 WHERE i = $1').parameters).toEqual(['int4', 'text']);
  expect(described('SHOW TABLES').columns?.map(({ name }) => name)).toEqual(['name']);
  const subscribed = described('SUBSCRIBE t').columns?.map(({ name }) => name);
  expect(subscribed).toEqual(['mz_timestamp', 'mz_diff', 'i', 's']);
});

test('values take the place of parameters, in queries and in changes', () => {
  expect(execute('INSERT INTO t VALUES ($1, $2)', [1, 'one'])).toBe('INSERT 0 1');
  sync();
  expect(execute('UPDATE t SET s = $2 WHERE i = $1', [1, 'eins'])).toBe('UPDATE 1');
  sync();
  expect(execute('SELECT s FROM t WHERE i = $1', [1])).toBe('s\neins');
  sync();
});

test('what was executed is there for others from the sync on', () => {
  execute('INSERT INTO t VALUES ($1, $2)', [1, 'one']);
  expect(bed.run('SELECT count(*) FROM t', 'other')).toBe('count\n0');
  expect(sync()).toBe('');
  expect(bed.run('SELECT count(*) FROM t', 'other')).toBe('count\n1');
});

test('two statements before one sync each read what is there', () => {
  bed.run('CREATE TABLE u (i int)');
  expect(execute('SELECT count(*) FROM t', [])).toBe('count\n0');
  expect(execute('SELECT count(*) FROM u', [])).toBe('count\n0');
  expect(sync()).toBe('');
});

test('a commit that fails is told by the sync', () => {
  execute('INSERT INTO t VALUES ($1, $2)', [1, 'one']);
  bed.system.do({ kind: 'refuseWrites', reason: 'the disk is full' });
  expect(sync()).toBe('error: 58030 the disk is full');
  expect(bed.run('SELECT count(*) FROM t')).toBe('count\n0');
});
