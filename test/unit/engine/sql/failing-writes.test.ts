import { DatabaseSync } from 'node:sqlite';
import { beforeAll, expect, test } from 'vitest';
import type { WorkerCommand, WorkerFeedback } from '../../../../src/coordinator/sql/worker.ts';
import { SqlWorker } from '../../../../src/engine/sql/worker.ts';
import { bindSelect } from '../../../../src/sql/bind/query.ts';
import { loadPgParser, parsePg } from '../../../../src/sql/pg-parser.ts';
import type { Query } from '../../../../src/sql/plan.ts';
import { CollectionStore } from '../../../../src/sqlite/collections/collection-store.ts';
import { FailingSql } from '../../sqlite/failing-sql.ts';
import { column } from './worker-bed.ts';

beforeAll(loadPgParser);

const T = { item: 'u1', columns: [column('id', 'int4'), column('x', 'int4')] };
const VIEWS = [
  'SELECT x, count(*), min(id) FROM t GROUP BY x',
  'SELECT a.id, b.x + 1 FROM t a JOIN t b ON a.x = b.x',
];
/** Calls of SQLite that one write makes at most here. */
const CALLS_MAX = 200;

function bind(sql: string): Query {
  const statement = parsePg(sql).stmts?.[0]?.stmt;
  if (statement === undefined || !('SelectStmt' in statement)) throw new Error(`no query: ${sql}`);
  return bindSelect(statement.SelectStmt, () => T);
}

function open() {
  const real = new DatabaseSync(':memory:');
  const failing = new FailingSql(real);
  const functions = {
    function: real.function.bind(real),
    aggregate: real.aggregate.bind(real),
  };
  const store = new CollectionStore(Object.assign(failing.sql, functions));
  const told: WorkerFeedback[] = [];
  const worker = new SqlWorker({ store, tell: (one) => told.push(one) });
  worker.handle({ kind: 'createTable', id: 'u1', columns: T.columns, key: [0], since: 0 });
  for (const [index, sql] of VIEWS.entries()) {
    const [id, view] = [`u${index + 10}`, `u${index + 20}`];
    worker.handle({ kind: 'createView', id, view, query: bind(sql), asOf: 0 });
  }
  worker.handle(insert(1, [1, 5, 1], [2, 5, 1], [3, 6, 1]));
  return { failing, store, told, worker };
}

function insert(
  time: number,
  ...deltas: readonly (readonly [number, number, number])[]
): WorkerCommand {
  const rows = deltas.map(([id, x, diff]) => ({ row: [id, x], diff }));
  return { kind: 'insert', time, updates: [{ id: 'u1', deltas: rows }] };
}

function answers({ worker, told }: ReturnType<typeof open>, time: number): readonly unknown[] {
  return VIEWS.map((sql, index) => {
    const query = bind(sql);
    const id = `u${index + 20}`;
    const plan = { kind: 'get', item: id, columns: query.columns } as const;
    return [query, { ...query, plan, order: [], items: [id] }].map((one) => {
      told.length = 0;
      worker.handle({ kind: 'peek', peek: 1, query: one, time, now: 0 });
      return told.find(({ kind }) => kind === 'peekDone');
    });
  });
}

test('a write that fails at any of its statements has not happened, and can be made again', () => {
  let calls = 1;
  for (; calls <= CALLS_MAX; calls += 1) {
    const bed = open();
    bed.worker.handle({ kind: 'advanceTables', to: 2 });
    const before = answers(bed, 1);
    bed.failing.failAt(calls);
    const write = insert(2, [1, 5, -1], [1, 6, 1], [4, 5, 1]);
    let isDone = true;
    try {
      bed.worker.handle(write);
    } catch {
      isDone = false;
    }
    const wasReached = !bed.failing.isWaiting;
    bed.failing.failAt(0);
    expect(isDone).toBe(!wasReached);
    expect(answers(bed, 1)).toEqual(before);
    if (!isDone) bed.worker.handle(write);
    bed.worker.handle({ kind: 'advanceTables', to: 3 });
    for (const pair of answers(bed, 2) as unknown[][]) expect(pair[0]).toEqual(pair[1]);
    expect(bed.store.has('u10') && bed.store.has('u11')).toBe(true);
    bed.store.close();
    if (!wasReached) break;
  }
  expect(calls).toBeGreaterThan(20);
  expect(calls).toBeLessThan(CALLS_MAX);
});
