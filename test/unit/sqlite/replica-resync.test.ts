import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { bucketOf } from '../../../src/core/bucket.ts';
import type { RowChange } from '../../../src/core/row-change.ts';
import { keyPositions, type TableDef } from '../../../src/core/table.ts';
import type { Cell } from '../../../src/core/value.ts';
import type { ReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { commit, emptyReplica, sorted, tableOf, temporaryFolder, ts } from './replicas.ts';

const BUCKETS = 16;
const TABLE = tableOf('public.t', ['id|int', 'place', 'note'], ['id'], 'place');
const TARGET = { server: 'http://s', timeline: 't2', position: ts(7), selectors: ['FR'] };

type Row = readonly Cell[];

function insert(table: TableDef, row: Row): RowChange {
  const position = table.columns.findIndex((column) => column.name === 'place');
  const selector = position < 0 ? '*' : String(row[position]);
  return { type: 'insert', table: table.name, selector, row };
}

function bucketOfRow(table: TableDef, row: Row): number {
  const key = keyPositions(table).map((position) => row[position] ?? null);
  return bucketOf(key, BUCKETS);
}

function rowsOf(store: ReplicaStore, columns = '*', name = 't'): readonly (readonly unknown[])[] {
  const sql = new DatabaseSync(store.file, { readOnly: true });
  const rows = sql.prepare(`SELECT ${columns} FROM "${name}" ORDER BY 1`).all();
  sql.close();
  return rows.map((row) => Object.values(row));
}

/** Brings `store` to `wanted` the way a server's difference snapshot does. */
async function resync(store: ReplicaStore, table: TableDef, wanted: readonly Row[]) {
  using folder = temporaryFolder();
  const server = emptyReplica(join(folder.path, 'server.db'), [table]);
  commit(
    server,
    101,
    wanted.map((row) => insert(table, row)),
  );
  const theirs = (await server.scanBuckets(BUCKETS)).tables[table.name] ?? [];
  const ours = (await store.scanBuckets(BUCKETS)).tables[table.name] ?? [];
  const buckets = theirs.flatMap((bucket, index) => {
    return bucket.digest === ours[index]?.digest && bucket.rows === ours[index]?.rows
      ? []
      : [index];
  });
  const rows = wanted.filter((row) => buckets.includes(bucketOfRow(table, row)));
  const transaction = store.beginResync(BUCKETS);
  transaction.define([table]);
  transaction.replace(table.name, buckets);
  transaction.insert(rows.map((row) => insert(table, row)));
  const digests = transaction.digests();
  const counts = transaction.commit(TARGET);
  expect(sorted(digests)).toEqual(sorted(server.digests()));
  server.close();
  return { counts, buckets };
}

const rows = fc.uniqueArray(
  fc.tuple(fc.integer({ min: 0, max: 40 }), fc.constantFrom('FR', 'DE'), fc.constantFrom('a', 'b')),
  { selector: ([id]) => id, maxLength: 40, size: 'max' },
);

test('P1: a difference snapshot of the differing buckets gives exactly the rows of the server', async () => {
  await fc.assert(
    fc.asyncProperty(rows, rows, async (before, after) => {
      using folder = temporaryFolder();
      const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
      commit(
        store,
        101,
        before.map((row) => insert(TABLE, row)),
      );
      const { counts } = await resync(store, TABLE, after);
      expect(rowsOf(store)).toEqual(after.toSorted(([a], [b]) => a - b));
      expect(sorted(await store.scanDigests())).toEqual(sorted(store.digests()));
      const old = new Map(before.map((row) => [row[0], row.join()]));
      expect(counts).toEqual({
        inserted: after.filter(([id]) => !old.has(id)).length,
        updated: after.filter((row) => old.has(row[0]) && old.get(row[0]) !== row.join()).length,
        deleted: before.length - after.filter(([id]) => old.has(id)).length,
      });
      expect(store.identity).toMatchObject({ ...TARGET, state: 'live' });
      store.close();
    }),
    { numRuns: 15 },
  );
});

test('rows that are as they were are not written again', async () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  const before = Array.from({ length: 200 }, (_, id) => [id, 'FR', 'note']);
  commit(
    store,
    101,
    before.map((row) => insert(TABLE, row)),
  );
  const after = before.map((row) => (row[0] === 5 ? [5, 'FR', 'other'] : row));
  const { counts, buckets } = await resync(store, TABLE, after);
  expect(buckets).toEqual([bucketOf([5], BUCKETS)]);
  expect(counts).toEqual({ inserted: 0, updated: 1, deleted: 0 });
  store.close();
});

test('late changes apply on top of the replaced rows, and rolling back leaves the old state', () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  commit(store, 101, [insert(TABLE, [1, 'FR', 'old'])]);
  const before = { digests: store.digests(), identity: store.identity };
  const everything = Array.from({ length: BUCKETS }, (_, bucket) => bucket);
  const start = () => {
    const transaction = store.beginResync(BUCKETS);
    transaction.define([TABLE]);
    transaction.replace(TABLE.name, everything);
    transaction.insert([insert(TABLE, [2, 'FR', 'new']), insert(TABLE, [3, 'FR', 'new'])]);
    transaction.apply([
      { type: 'delete', table: TABLE.name, selector: 'FR', key: [2] },
      insert(TABLE, [4, 'DE', 'late']),
    ]);
    return transaction;
  };
  start().rollback();
  expect(rowsOf(store)).toEqual([[1, 'FR', 'old']]);
  expect({ digests: store.digests(), identity: store.identity }).toEqual(before);
  start().commit(TARGET);
  expect(rowsOf(store)).toEqual([
    [3, 'FR', 'new'],
    [4, 'DE', 'late'],
  ]);
  store.close();
});

test('readers see the old state until the commit', () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  commit(store, 101, [insert(TABLE, [1, 'FR', 'old'])]);
  const transaction = store.beginResync(BUCKETS);
  transaction.define([]);
  expect(rowsOf(store)).toEqual([[1, 'FR', 'old']]);
  transaction.commit(TARGET);
  expect(() => rowsOf(store)).toThrow(/no such table/);
  expect(store.tables).toEqual([]);
  expect(store.digests()).toEqual([]);
  store.close();
});

const CHANGED: readonly (readonly [string, TableDef, (row: Row) => Row])[] = [
  [
    'a column went',
    tableOf('public.t', ['id|int', 'place'], ['id'], 'place'),
    ([id = 0, place = '']) => [id, place],
  ],
  [
    'a column has another kind',
    tableOf('public.t', ['id|bigint', 'place', 'note|bytes'], ['id'], 'place'),
    ([id = 0, place = '']) => [id, place, new Uint8Array([1])],
  ],
  [
    'columns stand in another order',
    tableOf('public.t', ['note', 'id|int', 'place'], ['id'], 'place'),
    ([id = 0, place = '', note = '']) => [note, id, place],
  ],
  [
    'a column was renamed',
    tableOf('public.t', ['id|int', 'place', 'remark'], ['id'], 'place'),
    (row) => row,
  ],
  [
    'a column came',
    tableOf('public.t', ['id|int', 'place', 'note', 'more|float'], ['id'], 'place'),
    (row) => [...row, 0.5],
  ],
  [
    'the key is another',
    tableOf('public.t', ['id|int', 'place', 'note'], ['place', 'id'], 'place'),
    (row) => row,
  ],
  [
    'everyone gets the rows',
    tableOf('public.t', ['id|int', 'place', 'note'], ['id']),
    (row) => row,
  ],
];

test.each(CHANGED)('a table is replaced under a new definition: %s', async (_, next, change) => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  const before = Array.from(
    { length: 30 },
    (_row, id): Row => [id, 'FR', id % 3 === 0 ? null : 'note'],
  );
  commit(
    store,
    101,
    before.map((row) => insert(TABLE, row)),
  );
  const transaction = store.beginResync(BUCKETS);
  transaction.define([next]);
  transaction.replace(
    next.name,
    Array.from({ length: BUCKETS }, (_bucket, bucket) => bucket),
  );
  const isEveryone = next.selector.kind === 'everyone';
  const selector = isEveryone ? '*' : 'FR';
  const after = before.map(change);
  transaction.insert(
    after.map((row): RowChange => ({ type: 'insert', table: next.name, selector, row })),
  );
  transaction.commit(TARGET);
  expect(store.tables).toEqual([next]);
  expect(store.digests()).toEqual(await store.scanDigests());
  expect(store.digests()).toMatchObject([{ selector, rows: 30 }]);
  expect(rowsOf(store, 'count(*)')).toEqual([[30]]);
  commit(store, 102, [{ type: 'truncate', table: next.name }]);
  expect(store.digests()).toEqual([]);
  store.close();
});

test('rows whose buckets did not differ survive a column that went', async () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  // The column that goes is NULL in row 1, so its digest is the same without it.
  commit(store, 101, [insert(TABLE, [1, 'FR', null]), insert(TABLE, [2, 'FR', 'x'])]);
  const next = tableOf('public.t', ['id|int', 'place'], ['id'], 'place');
  const { buckets } = await resync(store, next, [
    [1, 'FR'],
    [2, 'FR'],
  ]);
  expect(buckets).toEqual([bucketOf([2], BUCKETS)]);
  expect(rowsOf(store)).toEqual([
    [1, 'FR'],
    [2, 'FR'],
  ]);
  store.close();
});

test('a table that stood still follows again after it was replaced', async () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  commit(store, 101, [insert(TABLE, [1, 'FR', 'a']), { type: 'resync', table: TABLE.name }]);
  commit(store, 102, [insert(TABLE, [2, 'FR', 'not applied'])]);
  expect(rowsOf(store)).toEqual([[1, 'FR', 'a']]);
  expect(store.storedTables.map(({ state }) => state)).toEqual(['resyncing']);
  await resync(store, TABLE, [[2, 'FR', 'b']]);
  expect(store.storedTables.map(({ state }) => state)).toEqual(['live']);
  commit(store, 103, [insert(TABLE, [3, 'FR', 'c'])]);
  expect(rowsOf(store)).toEqual([
    [2, 'FR', 'b'],
    [3, 'FR', 'c'],
  ]);
  store.close();
});

test('digests that somebody spoiled are made anew', async () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  commit(store, 101, [insert(TABLE, [1, 'FR', 'a'])]);
  const sql = new DatabaseSync(store.file);
  sql.exec(`UPDATE t SET note = 'vandal'`);
  sql.close();
  expect(await store.scanDigests()).not.toEqual(store.digests());
  const transaction = store.beginResync(BUCKETS);
  transaction.define([TABLE]);
  transaction.replace(TABLE.name, [bucketOf([1], BUCKETS)]);
  transaction.insert([insert(TABLE, [1, 'FR', 'a'])]);
  transaction.recount();
  transaction.commit(TARGET);
  expect(await store.scanDigests()).toEqual(store.digests());
  store.close();
});

test('the rows of a bucket can be listed with their hashes', () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  commit(store, 101, [insert(TABLE, [1, 'FR', 'a']), insert(TABLE, [2, 'DE', 'b'])]);
  const buckets = new Set([bucketOf([1], 256)]);
  const list = store.rowsOfBuckets(TABLE.name, { buckets, bucketCount: 256 });
  expect(list).toMatchObject([{ key: [1], selector: 'FR' }]);
  expect(list[0]?.hash).toBe(store.digests().find(({ selector }) => selector === 'FR')?.digest);
  store.close();
});
