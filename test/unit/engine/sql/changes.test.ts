import { expect, test } from 'vitest';
import { Places } from '../../../../src/sqlite/collections/read-text.ts';
import { column, get, openBed, queryOf } from './worker-bed.ts';

const COLUMNS = [column('a', 'int4'), column('b', 'text')];
const T = queryOf(get('u1', COLUMNS));

type Bed = ReturnType<typeof openBed>;

function openTable(): Bed {
  const bed = openBed();
  bed.worker.handle({ kind: 'createTable', id: 'u1', columns: COLUMNS, since: 0 });
  return bed;
}

function change(bed: Bed, time: number, ...deltas: readonly (readonly [number, string, number])[]) {
  bed.worker.handle({
    kind: 'insert',
    time,
    updates: [{ id: 'u1', deltas: deltas.map(([a, b, diff]) => ({ row: [a, b], diff })) }],
  });
}

function subscribe(bed: Bed, hasSnapshot: boolean, asOf: number, query = T): void {
  bed.worker.handle({ kind: 'subscribe', subscription: 1, query, asOf, hasSnapshot });
}

const batches = (bed: Bed) =>
  bed.take().flatMap((one) => (one.kind === 'subscribed' ? [[one.deltas, one.upper]] : []));

test('a subscription has the rows at its time, then each change, in order, and how far it is', () => {
  const bed = openTable();
  change(bed, 1, [1, 'x', 2]);
  subscribe(bed, true, 1);
  expect(batches(bed)).toEqual([]);
  bed.worker.handle({ kind: 'advanceTables', to: 2 });
  expect(batches(bed)).toEqual([[[{ row: [1, 'x'], diff: 2, time: 1 }], 2]]);
  change(bed, 3, [1, 'x', -1], [2, 'y', 1]);
  change(bed, 4, [3, 'z', 1]);
  change(bed, 4, [3, 'z', -1]);
  change(bed, 5, [1, 'x', -1]);
  bed.worker.handle({ kind: 'advanceTables', to: 6 });
  expect(batches(bed)).toEqual([
    [
      [
        { row: [1, 'x'], diff: -1, time: 3 },
        { row: [2, 'y'], diff: 1, time: 3 },
        { row: [1, 'x'], diff: -1, time: 5 },
      ],
      6,
    ],
  ]);
  bed.worker.handle({ kind: 'unsubscribe', subscription: 1 });
  bed.worker.handle({ kind: 'advanceTables', to: 7 });
  expect(batches(bed)).toEqual([]);
});

test('without a snapshot only what comes after the time is told', () => {
  const bed = openTable();
  change(bed, 1, [1, 'x', 1]);
  change(bed, 2, [2, 'y', 1]);
  subscribe(bed, false, 1);
  bed.worker.handle({ kind: 'advanceTables', to: 3 });
  expect(batches(bed)).toEqual([
    [[], 2],
    [[{ row: [2, 'y'], diff: 1, time: 2 }], 3],
  ]);
});

test('a computed view is followed by what its rows at two times differ in', () => {
  const bed = openTable();
  bed.worker.handle({ kind: 'createView', id: 'u3', view: 'u2', query: T, asOf: 0 });
  subscribe(bed, true, 0, queryOf(get('u2', COLUMNS)));
  change(bed, 1, [1, 'x', 2]);
  change(bed, 2, [1, 'x', -1], [2, 'y', 1]);
  bed.worker.handle({ kind: 'advanceTables', to: 3 });
  expect(batches(bed)).toEqual([
    [[], 1],
    [
      [
        { row: [1, 'x'], diff: 2, time: 1 },
        { row: [1, 'x'], diff: -1, time: 2 },
        { row: [2, 'y'], diff: 1, time: 2 },
      ],
      3,
    ],
  ]);
});

test('many rows at one time are told at once', () => {
  const bed = openTable();
  const rows = Array.from({ length: 25_000 }, (_, index) => [index, 'x', 1] as const);
  change(bed, 1, ...rows);
  bed.worker.handle({ kind: 'advanceTables', to: 2 });
  subscribe(bed, true, 1);
  const told = batches(bed) as [unknown[], number][];
  expect(told.map(([deltas, upper]) => [deltas.length, upper])).toEqual([[25_000, 2]]);
});

test('what a subscription has still to read is not forgotten', () => {
  const bed = openTable();
  change(bed, 1, [1, 'x', 1]);
  subscribe(bed, true, 1);
  change(bed, 2, [1, 'x', -1]);
  bed.worker.handle({ kind: 'allowCompaction', since: [{ id: 'u1', since: 2 }] });
  expect(bed.store.get('u1').state.since).toBe(1);
  bed.worker.handle({ kind: 'advanceTables', to: 4 });
  expect(batches(bed)).toHaveLength(2);
  bed.worker.handle({ kind: 'allowCompaction', since: [{ id: 'u1', since: 3 }] });
  expect(bed.store.get('u1').state.since).toBe(3);
});

test('an item is readable as long as one of those made of it is', () => {
  const bed = openTable();
  bed.worker.handle({ kind: 'createIndex', id: 'u2', on: 'u1', asOf: 0 });
  bed.worker.handle({ kind: 'advanceTables', to: 9 });
  bed.worker.handle({ kind: 'allowCompaction', since: [{ id: 'u1', since: 5 }] });
  expect(bed.store.get('u1').state.since).toBe(0);
  bed.worker.handle({ kind: 'allowCompaction', since: [{ id: 'u2', since: 3 }] });
  expect(bed.store.get('u1').state.since).toBe(3);
  bed.worker.handle({ kind: 'drop', ids: ['u2'] });
  expect(bed.store.get('u1').state.since).toBe(5);
  bed.take();
  bed.worker.handle({ kind: 'peek', peek: 1, query: T, time: 4, now: 0 });
  expect(bed.take()).toMatchObject([{ result: { kind: 'error', code: '55000' } }]);
});

test('replicated tables stand at one upper; changes may name rows by key', () => {
  const bed = openBed();
  for (const id of ['u1', 'u2']) {
    bed.worker.handle({
      kind: 'createPostgresSource',
      id,
      columns: COLUMNS,
      key: [0],
      schema: 'public',
      table: id,
    });
  }
  const load = (id: string, time: number, rows: readonly (readonly [number, string])[]) => {
    bed.worker.beginLoad(id);
    while (bed.worker.clear(id, time));
    bed.worker.load(
      id,
      time,
      rows.map((row) => ({ row, diff: 1 })),
    );
    bed.worker.endLoad([{ id, note: `${time}` }], time);
  };
  load('u1', 100, [
    [1, 'one'],
    [2, 'two'],
  ]);
  load('u2', 100, []);
  const early = [{ id: 'u1', operations: [{ remove: [1] }] }];
  bed.worker.applyPieces([{ time: 90, updates: early, isLast: true }], 91);
  const updates = [
    { id: 'u2', operations: [{ put: [7, 'seven'] }] },
    {
      id: 'u1',
      operations: [
        { remove: [1] },
        { put: [2, 'zwei'] },
        { patch: [0, 'deux'], isTold: [false, true], key: [2] },
        { remove: [9] },
        { row: [3, 'three'], diff: 1 },
        { row: [3, 'three'], diff: -1 },
      ],
    },
  ];
  bed.worker.applyPieces([{ time: 110, updates, isLast: true }], 111);
  bed.worker.applyPieces([], 120);
  expect(bed.worker.sourceState('u1')).toEqual({ upper: 120, note: '100' });
  expect(bed.worker.sourceState('u2')).toEqual({ upper: 120, note: '100' });
  const rows = (time: number) => {
    const places = new Places();
    return [...bed.store.readNow(places.read(places.add(bed.store.place('u1', time))))];
  };
  expect(rows(105)).toEqual([
    [1n, 'one'],
    [2n, 'two'],
  ]);
  expect(rows(119)).toEqual([[2n, 'deux']]);
  load('u1', 130, [
    [2, 'deux'],
    [5, 'cinq'],
  ]);
  expect(rows(119)).toEqual([[2n, 'deux']]);
  expect(rows(130)).toEqual([
    [2n, 'deux'],
    [5n, 'cinq'],
  ]);
  const cleared = [{ id: 'u1', operations: [{ clear: true }, { put: [6, 'six'] }] } as const];
  bed.worker.applyPieces([{ time: 140, updates: cleared, isLast: true }], 141);
  expect(rows(140)).toEqual([[6n, 'six']]);
});
