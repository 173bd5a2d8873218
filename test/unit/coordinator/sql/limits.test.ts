import { beforeAll, expect, test } from 'vitest';
import { step } from '../../../../src/coordinator/sql/machine.ts';
import { SQL_PROFILES } from '../../../../src/coordinator/sql/profiles.ts';
import {
  CURSORS_MAX,
  newSqlCoordinator,
  SESSIONS_MAX,
  UNFETCHED_MAX,
  WRITES_MAX,
} from '../../../../src/coordinator/sql/state.ts';
import { loadPgParser } from '../../../../src/sql/pg-parser.ts';
import { Bed } from './bed.ts';

beforeAll(() => loadPgParser());

test('a transaction beyond its limit of rows is refused and leaves nothing', () => {
  const bed = new Bed();
  bed.run('CREATE TABLE t (i int)');
  const values = Array.from({ length: 1000 }, () => '(1)').join(', ');
  bed.run(`BEGIN; INSERT INTO t VALUES ${values}`);
  // As if the rest had come in as many statements.
  const [session] = bed.system.state.sessions.values();
  if (session?.transaction) session.transaction.writtenRows = WRITES_MAX;
  expect(bed.run('INSERT INTO t VALUES (1)')).toContain('error: 54000');
  expect(bed.run('COMMIT; SELECT count(*) FROM t')).toBe('ROLLBACK\ncount\n0');
});

test('a cursor that nobody fetches ends, and its session goes on', () => {
  const bed = new Bed();
  bed.run('CREATE TABLE t (i int)');
  bed.run('BEGIN; DECLARE c CURSOR FOR SUBSCRIBE t; FETCH ALL FROM c');
  const row = { row: [1], diff: 1, time: 5 };
  const deltas = Array.from({ length: UNFETCHED_MAX + 1 }, () => row);
  bed.system.do({
    kind: 'feedback',
    feedback: { kind: 'subscribed', subscription: 1, deltas, upper: 6 },
  });
  expect(bed.system.state.subscriptions.size).toBe(0);
  expect(bed.run('FETCH 1 FROM c')).toContain('error: 54000');
  expect(bed.run('ROLLBACK')).toBe('ROLLBACK');
});

test('cursors beyond the limit are refused', () => {
  const bed = new Bed();
  const declare = (index: number): string => `DECLARE c${index} CURSOR FOR SELECT 1`;
  const all = Array.from({ length: CURSORS_MAX }, (_, index) => declare(index)).join(';');
  expect(bed.run(`BEGIN; ${all}; ${declare(CURSORS_MAX)}`)).toContain('error: 54000');
});

test('a session beyond the limit is refused', () => {
  const state = newSqlCoordinator(SQL_PROFILES.ours);
  for (let connection = 0; connection < SESSIONS_MAX; connection++) {
    step(state, { kind: 'connect', connection, secret: 1 });
  }
  const late = { kind: 'connect' as const, connection: SESSIONS_MAX, secret: 1 };
  expect(() => step(state, late)).toThrow(/too many connections/);
});
