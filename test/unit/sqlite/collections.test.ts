import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import type { Stored } from '../../../src/sql/storage.ts';
import type { Column } from '../../../src/sql/types.ts';
import type { CellDelta } from '../../../src/sqlite/collections/collection.ts';
import { CollectionStore } from '../../../src/sqlite/collections/collection-store.ts';
import { Places } from '../../../src/sqlite/collections/read-text.ts';

const COLUMNS: readonly Column[] = [
  { name: 'a', type: 'int8', isNullable: true },
  { name: 'b', type: 'text', isNullable: true },
];

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidelock-collections-'));
  folders.push(folder);
  return join(folder, 'sql.db');
}

const textOf = (row: readonly Stored[]): string => row.map((cell) => `${cell}`).join('|');

function rowsAt(store: CollectionStore, time: number): string[] {
  const places = new Places();
  const rows = places.read(places.add(store.place('t', time)));
  return [...store.readNow(rows)].map(textOf).sort();
}

function changesOf(store: CollectionStore, from: number, until: number) {
  const places = new Places();
  return store.readNow(places.read(places.add(store.changesPlace('t', from, until))));
}

/** The bag at each time, as an independent model: row text -> how often. */
type Model = Map<string, number>;

const expand = (model: Model): string[] =>
  [...model].flatMap(([row, n]) => Array.from({ length: n }, () => row)).sort();

const cellRow = fc.tuple(
  fc.constantFrom<Stored>(1n, 2n, 2n ** 60n, null),
  fc.constantFrom<Stored>('x', 'y', null),
);
/** Steps of time and rows with changes; what would take away too much is cut in the run. */
const history = fc.array(
  fc.record({
    step: fc.integer({ min: 0, max: 2 }),
    deltas: fc.array(fc.record({ row: cellRow, n: fc.integer({ min: -2, max: 2 }) }), {
      maxLength: 6,
    }),
  }),
  { maxLength: 12 },
);

/** Keeps only deltas that leave no row less than never, and applies them to the model. */
function feasible(model: Model, deltas: readonly CellDelta[]): CellDelta[] {
  return deltas.filter(({ row, n }) => {
    const next = (model.get(textOf(row)) ?? 0) + n;
    if (next < 0) return false;
    if (next === 0) model.delete(textOf(row));
    else model.set(textOf(row), next);
    return true;
  });
}

test.each([[[]], [[0]]])('a bag with key %j is readable at every time from since on', (key) => {
  fc.assert(
    fc.property(history, fc.integer({ min: 0, max: 10 }), (steps, since) => {
      const store = CollectionStore.open(':memory:');
      store.create('t', { columns: COLUMNS, key, since: 0, upper: 0 });
      const model: Model = new Map();
      const at: string[][] = [];
      let time = 0;
      for (const { step, deltas } of steps) {
        for (let passed = 0; passed < step; passed += 1) at[time++] = expand(model);
        store.apply('t', time, feasible(model, deltas));
      }
      at[time] = expand(model);
      store.advance('t', time + 1);
      for (const [then, rows] of at.entries()) expect(rowsAt(store, then)).toEqual(rows);

      const kept = Math.min(since, time);
      store.allowCompaction('t', kept);
      while (store.purge('t'));
      for (let then = kept; then <= time; then += 1) expect(rowsAt(store, then)).toEqual(at[then]);
      for (let from = kept + 1; from <= time; from += 1) {
        const seen: Model = new Map();
        for (const row of at[from - 1] ?? []) seen.set(row, (seen.get(row) ?? 0) + 1);
        for (const cells of changesOf(store, from, time + 1)) {
          const row = textOf(cells.slice(0, 2));
          seen.set(row, (seen.get(row) ?? 0) + Number(cells[3]));
        }
        for (const [row, n] of seen) if (n === 0) seen.delete(row);
        expect(expand(seen)).toEqual(at[time]);
      }
      store.close();
    }),
    { numRuns: 100 },
  );
});

test('a file that is opened again has the rows and frontiers of its last transaction', () => {
  const file = newFile();
  const first = CollectionStore.open(file);
  first.create('t', { columns: COLUMNS, key: [], since: 1, upper: 1 });
  first.apply('t', 1, [{ row: [1n, 'x'], n: 2 }]);
  first.advance('t', 2);
  expect(() =>
    first.write(() => {
      first.apply('t', 2, [{ row: [1n, 'x'], n: -2 }]);
      first.advance('t', 3);
      throw new Error('killed');
    }),
  ).toThrow('killed');
  expect(first.get('t').state.upper).toBe(2);
  first.close();
  const second = CollectionStore.open(file);
  expect(second.get('t').state).toMatchObject({ upper: 2, since: 1, changedAt: 1 });
  expect(rowsAt(second, 1)).toEqual(['1|x', '1|x']);
  second.close();
});

test('a kill in the middle of a transaction leaves the one before', () => {
  const file = newFile();
  const first = CollectionStore.open(file);
  first.create('t', { columns: COLUMNS, key: [], since: 0, upper: 0 });
  first.apply('t', 1, [{ row: [1n, 'x'], n: 1 }]);
  first.sql.exec('BEGIN IMMEDIATE');
  first.sql.exec('DELETE FROM live_1');
  // The connection goes away without a commit, as in a kill.
  first.close();
  const second = CollectionStore.open(file);
  expect(rowsAt(second, 1)).toEqual(['1|x']);
  second.close();
});

test('rows that are found by their key are those of now', () => {
  const store = CollectionStore.open(':memory:');
  store.create('t', { columns: COLUMNS, key: [1], since: 0, upper: 0 });
  store.apply('t', 1, [
    { row: [1n, 'x'], n: 1 },
    { row: [2n, 'y'], n: 1 },
  ]);
  store.apply('t', 2, [
    { row: [1n, 'x'], n: -1 },
    { row: [3n, 'x'], n: 1 },
  ]);
  expect(store.get('t').withKey(['x'])).toEqual([[3n, 'x']]);
  expect(store.get('t').withKey(['z'])).toEqual([]);
  store.close();
});

test('a row that was never given cannot be taken away', () => {
  const store = CollectionStore.open(':memory:');
  store.create('t', { columns: COLUMNS, key: [], since: 0, upper: 0 });
  expect(() => store.apply('t', 1, [{ row: [1n, 'x'], n: -1 }])).toThrow('-1 times');
  expect(rowsAt(store, 1)).toEqual([]);
  store.close();
});

test('an empty frontier is the last one', () => {
  const store = CollectionStore.open(':memory:');
  store.create('t', { columns: COLUMNS, key: [], since: 0, upper: 0 });
  store.advance('t', null);
  expect(() => store.advance('t', 5)).toThrow('goes from null to 5');
  expect(() => store.apply('t', 5, [{ row: [1n, 'x'], n: 1 }])).toThrow('come after its upper');
  store.close();
});

/** What a crash of its process would leave of a file that is open. */
function asOnDisk(file: string): string {
  const copy = newFile();
  copyFileSync(file, copy);
  copyFileSync(`${file}-wal`, `${copy}-wal`);
  return copy;
}

test('an upper that was moved lazily survives a failed write, and is durable with the next one', () => {
  const file = newFile();
  const first = CollectionStore.open(file);
  first.create('t', { columns: COLUMNS, key: [], since: 0, upper: 0 });
  first.advanceLazily('t', 7);
  expect(() => first.apply('t', 8, [{ row: [1n, 'x'], n: -1 }])).toThrow('-1 times');
  expect(first.get('t').state.upper).toBe(7);
  const crashed = CollectionStore.open(asOnDisk(file));
  expect(crashed.get('t').state.upper).toBe(0);
  crashed.close();
  first.apply('t', 8, [{ row: [1n, 'x'], n: 1 }]);
  const second = CollectionStore.open(asOnDisk(file));
  expect(second.get('t').state).toMatchObject({ upper: 7, changedAt: 8 });
  second.close();
  first.close();
});

test('a long past is forgotten a bounded part at a time', () => {
  const store = CollectionStore.open(':memory:');
  store.create('t', { columns: COLUMNS, key: [], since: 0, upper: 0 });
  const rows = (n: number) =>
    Array.from({ length: 15_000 }, (_, index) => ({ row: [BigInt(index), 'x'], n }));
  store.apply('t', 1, rows(1));
  store.apply('t', 2, rows(-1));
  store.allowCompaction('t', 2);
  const past = (): unknown => store.sql.prepare('SELECT count(*) AS n FROM past_1').get();
  expect(store.purge('t')).toBe(true);
  expect(past()).toEqual({ n: 5000 });
  expect(store.purge('t')).toBe(false);
  expect(past()).toEqual({ n: 0 });
  store.close();
});

test('rows that meet in one slot keep apart, whoever goes first', () => {
  const store = CollectionStore.open(':memory:');
  // Of a key that is one small integer only 17 bits tell rows apart: 3000 rows meet now and then.
  store.create('t', { columns: COLUMNS, key: [0], since: 0, upper: 0 });
  const rows = Array.from({ length: 3000 }, (_, index): readonly Stored[] => [1n, `row ${index}`]);
  store.apply(
    't',
    1,
    rows.map((row) => ({ row, n: 1 })),
  );
  expect(store.get('t').state.hasMoved).toBe(true);
  store.apply(
    't',
    2,
    rows.slice(0, 1500).map((row) => ({ row, n: -1 })),
  );
  store.apply(
    't',
    3,
    rows
      .slice(0, 1500)
      .reverse()
      .map((row) => ({ row, n: 1 })),
  );
  expect(rowsAt(store, 1)).toEqual(rows.map(textOf).sort());
  expect(rowsAt(store, 2)).toEqual(rows.slice(1500).map(textOf).sort());
  expect(rowsAt(store, 3)).toEqual(rows.map(textOf).sort());
  store.close();
});
