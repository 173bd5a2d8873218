import { expect, test } from 'vitest';
import { column, get, openBed, queryOf } from './worker-bed.ts';

const COLUMNS = [column('a', 'int4')];
const T = queryOf(get('u1', COLUMNS));

function openTable() {
  const bed = openBed();
  bed.worker.handle({ kind: 'createTable', id: 'u1', columns: COLUMNS, since: 0 });
  return bed;
}

function insert(bed: ReturnType<typeof openBed>, time: number, ...values: number[]): void {
  const deltas = values.map((value) => ({ row: [value], diff: 1 }));
  bed.worker.handle({ kind: 'insert', time, updates: [{ id: 'u1', deltas }] });
}

test('a peek waits until its inputs are complete at its time', () => {
  const bed = openTable();
  insert(bed, 1, 7, 7, 8);
  bed.worker.handle({ kind: 'peek', peek: 1, query: T, time: 1, now: 0 });
  expect(bed.take()).toEqual([]);
  bed.worker.handle({ kind: 'advanceTables', to: 2 });
  expect(bed.take()).toEqual([
    { kind: 'uppers', uppers: [{ id: 'u1', upper: 2 }] },
    { kind: 'peekDone', peek: 1, result: { kind: 'rows', rows: [[7], [7], [8]] } },
  ]);
});

test('a canceled peek is answered once', () => {
  const bed = openTable();
  bed.worker.handle({ kind: 'peek', peek: 1, query: T, time: 9, now: 0 });
  bed.worker.handle({ kind: 'cancelPeek', peek: 1 });
  bed.worker.handle({ kind: 'cancelPeek', peek: 1 });
  expect(bed.take()).toEqual([{ kind: 'peekDone', peek: 1, result: { kind: 'canceled' } }]);
});

test('an index has the rows and the upper of what it is on', () => {
  const bed = openTable();
  bed.worker.handle({ kind: 'createIndex', id: 'u2', on: 'u1', asOf: 0 });
  insert(bed, 1, 5);
  bed.worker.handle({ kind: 'advanceTables', to: 2 });
  bed.take();
  bed.worker.handle({
    kind: 'peek',
    peek: 1,
    query: queryOf(get('u2', COLUMNS)),
    time: 1,
    now: 0,
  });
  expect(bed.take()).toEqual([
    { kind: 'peekDone', peek: 1, result: { kind: 'rows', rows: [[5]] } },
  ]);
});

test('a table that is created later starts where the tables are', () => {
  const bed = openTable();
  bed.worker.handle({ kind: 'advanceTables', to: 5 });
  bed.take();
  bed.worker.handle({ kind: 'createTable', id: 'u3', columns: COLUMNS, since: 4 });
  expect(bed.take()).toEqual([{ kind: 'uppers', uppers: [{ id: 'u3', upper: 5 }] }]);
});
