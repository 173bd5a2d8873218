import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RowChange } from '../../../src/core/row-change.ts';
import type { Cell, ValueKind } from '../../../src/core/value.ts';
import { openReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { createSnapshotFile } from '../../../src/sqlite/snapshot-file.ts';
import { commit, emptyReplica, ReplicaModel, tableOf, temporaryFolder, ts } from './replicas.ts';

const VALUES: readonly (readonly [ValueKind, readonly Cell[]])[] = [
  ['int', [0, 1, -1, 2147483647, -2147483648, 4294967295]],
  [
    'bigint',
    [0, 9007199254740991, -9007199254740991, 9007199254740992n, 2n ** 63n - 1n, -(2n ** 63n)],
  ],
  [
    'float',
    [
      0,
      -0,
      1,
      0.1,
      1e300,
      5e-324,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      'NaN',
      9007199254740992,
      1e22,
    ],
  ],
  ['bool', [0, 1]],
  ['bytes', [new Uint8Array(), new Uint8Array([0]), new Uint8Array([0, 255, 0, 39, 34])]],
  ['timestamptz', ['2026-01-01 00:00:00+00:00', 'infinity', '0044-03-15 00:00:00+00:00 BC']],
  ['text', ['', ' ', '0', '1e5', '00123', "it's", '"x"', 'ÄÖ€🙂', 'null', '\ufeffbom', '12.50']],
];

const TABLE = tableOf(
  'public.values',
  ['id|int', ...VALUES.map(([kind]) => `${kind}|${kind}`)],
  ['id'],
);

function rowWith(id: number, kind: ValueKind, cell: Cell): readonly Cell[] {
  return [id, ...VALUES.map(([other]) => (other === kind ? cell : null))];
}

const ROWS = VALUES.flatMap(([kind, cells]) => {
  return [...cells, null].map((cell) => ({ kind, cell }));
}).map(({ kind, cell }, id) => rowWith(id, kind, cell));

/** What the file holds, as SQLite itself describes it: type and exact value. */
function stored(file: string): readonly unknown[] {
  const sql = new DatabaseSync(file, { readOnly: true });
  const statement = sql.prepare('SELECT * FROM "values" ORDER BY id');
  statement.setReadBigInts(true);
  const rows = statement.all().map((row) => Object.values(row).map(narrow));
  sql.close();
  return rows;
}

function narrow(cell: unknown): unknown {
  return typeof cell === 'bigint' && Number.isSafeInteger(Number(cell)) ? Number(cell) : cell;
}

const inserts: readonly RowChange[] = ROWS.map((row) => ({
  type: 'insert',
  table: TABLE.name,
  selector: '*',
  row,
}));

test('P22: every value comes back exactly, inserted and updated', async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  const store = emptyReplica(file, [TABLE]);
  const model = new ReplicaModel([TABLE]);
  commit(store, 101, inserts);
  model.apply(inserts);
  expect(stored(file)).toEqual(ROWS);
  expect(store.digests()).toEqual(model.digests());
  // Each row takes the values of the row that stood at the other end.
  const updates = ROWS.map((row, index): RowChange => {
    const other = ROWS[ROWS.length - 1 - index] ?? [];
    return {
      type: 'update',
      table: TABLE.name,
      selector: '*',
      row: [row[0] ?? 0, ...other.slice(1)],
    };
  });
  commit(store, 102, updates);
  model.apply(updates);
  expect(stored(file)).toEqual(model.rows(TABLE.name));
  expect(store.digests()).toEqual(model.digests());
  expect(await store.scanDigests()).toEqual(model.digests());
  store.close();
});

test('P22: every value comes back exactly from a snapshot file', async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 's.db');
  const snapshot = createSnapshotFile({ file, tables: [TABLE] });
  snapshot.rows(TABLE.name, '*', ROWS);
  snapshot.finish({ timeline: 't', position: ts(1), selectors: [] });
  expect(stored(file)).toEqual(ROWS);
  const store = openReplicaStore({ file });
  expect(await store.scanDigests()).toEqual(store.digests());
  store.close();
});

test('P22: -0 is stored as a real, not as the integer 0', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  const store = emptyReplica(file, [TABLE]);
  commit(store, 101, [
    { type: 'insert', table: TABLE.name, selector: '*', row: rowWith(1, 'float', -0) },
  ]);
  store.close();
  const sql = new DatabaseSync(file);
  const row = sql.prepare('SELECT "float" AS value, typeof("float") AS type FROM "values"').get();
  sql.close();
  expect(Object.is(row?.value, -0)).toBe(true);
  expect(row?.type).toBe('real');
});

test.each([
  ['int', [1, 2]],
  ['bigint', [2n ** 63n - 1n, 5]],
  ['float', [0, -0.5]],
  ['text', ['', 'x']],
  ['bytes', [new Uint8Array(), new Uint8Array([0, 1])]],
  ['bool', [0, 1]],
  ['timestamptz', ['infinity', '2026-01-01 00:00:00+00:00']],
] as const)('a key of kind %s finds its row', async (kind, keys) => {
  using folder = temporaryFolder();
  const table = tableOf('public.t', [`k|${kind}`, 'note'], ['k']);
  const store = emptyReplica(join(folder.path, 'r.db'), [table]);
  const model = new ReplicaModel([table]);
  const [first, second] = keys;
  const put = (type: 'insert' | 'update', key: Cell, note: string): RowChange => {
    return { type, table: table.name, selector: '*', row: [key, note] };
  };
  const batches: readonly (readonly RowChange[])[] = [
    [put('insert', first, 'a'), put('insert', second, 'b')],
    [put('update', first, 'c')],
    [{ type: 'delete', table: table.name, selector: '*', key: [second] }],
    [{ type: 'update', table: table.name, selector: '*', key: [first], row: [second, 'd'] }],
  ];
  for (const [index, batch] of batches.entries()) {
    commit(store, 101 + index, batch);
    model.apply(batch);
    expect(store.digests()).toEqual(model.digests());
    expect(await store.scanDigests()).toEqual(model.digests());
  }
  store.close();
});

test('a key that changes from 0 to -0 is the same row with other bytes', async () => {
  using folder = temporaryFolder();
  const table = tableOf('public.t', ['k|float', 'note'], ['k']);
  const store = emptyReplica(join(folder.path, 'r.db'), [table]);
  const row = (key: number) => ({ table: table.name, selector: '*', row: [key, 'x'] });
  commit(store, 101, [{ type: 'insert', ...row(0) }]);
  commit(store, 102, [{ type: 'update', ...row(-0) }]);
  const [digest] = await store.scanDigests();
  expect(digest?.rows).toBe(1);
  expect(store.digests()).toEqual([digest]);
  store.close();
});

test('P1: two rows swap their keys, a key is deleted and inserted, all in one transaction', async () => {
  using folder = temporaryFolder();
  const table = tableOf('public.t', ['a|int', 'b', 'note'], ['b', 'a']);
  const store = emptyReplica(join(folder.path, 'r.db'), [table]);
  const common = { table: table.name, selector: '*' };
  commit(store, 101, [
    { type: 'insert', ...common, row: [1, 'x', 'one'] },
    { type: 'insert', ...common, row: [2, 'y', 'two'] },
    { type: 'insert', ...common, row: [3, 'z', 'three'] },
  ]);
  commit(store, 102, [
    { type: 'update', ...common, key: ['x', 1], row: [0, 'tmp', 'one'] },
    { type: 'update', ...common, key: ['y', 2], row: [1, 'x', 'two'] },
    { type: 'update', ...common, key: ['tmp', 0], cols: [0, 1], row: [2, 'y'] },
    { type: 'delete', ...common, key: ['z', 3] },
    { type: 'insert', ...common, row: [3, 'z', 'again'] },
  ]);
  const sql = new DatabaseSync(store.file, { readOnly: true });
  const rows = sql.prepare('SELECT a, note FROM t ORDER BY a').all();
  sql.close();
  expect(rows.map(({ a, note }) => [a, note])).toEqual([
    [1, 'two'],
    [2, 'one'],
    [3, 'again'],
  ]);
  expect(await store.scanDigests()).toEqual(store.digests());
  store.close();
});

const NAMES = ['select', 'Order', 'order', 'a"b', "it's", 'rowid', 'Ä', 'x y', '?', 'a.b', '$1'];

test('names of every kind are kept apart and readable', async () => {
  using folder = temporaryFolder();
  const tables = [
    ...NAMES.map((name) => tableOf(`public.${name}`, NAMES, ['Order', 'order'])),
    tableOf('sales.order', ['id|int'], ['id']),
    tableOf('public.tidelock_replica', ['id|int'], ['id']),
    tableOf('public.sqlite_x', ['id|int'], ['id']),
  ];
  const store = emptyReplica(join(folder.path, 'r.db'), tables);
  const model = new ReplicaModel(tables);
  const changes = tables.flatMap((table): RowChange[] => {
    const common = { table: table.name, selector: '*' };
    const row = table.columns.map((column) => (column.kind === 'int' ? 1 : `${column.name} 1`));
    const key = table.key.map((name) => (name === 'id' ? 1 : `${name} 1`));
    return [
      { type: 'insert', ...common, row },
      { type: 'delete', ...common, key },
      { type: 'insert', ...common, row },
    ];
  });
  commit(store, 101, changes);
  model.apply(changes);
  expect(store.digests()).toEqual(model.digests());
  expect(await store.scanDigests()).toEqual(model.digests());
  const locals = store.storedTables.map(({ table }) => table.localName);
  expect(new Set(locals.map((name) => name.toLowerCase())).size).toBe(tables.length);
  expect(locals).toContain('select');
  expect(locals).toContain('sales.order');
  store.close();
});

test('a selector in SQL is the selector of the digest', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(
          fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
          fc.option(fc.constantFrom('FR', "it's", '')),
          fc.integer({ min: 0, max: 1 }),
          fc.uint8Array({ maxLength: 3 }),
        ),
        { maxLength: 5 },
      ),
      async (values) => {
        using folder = temporaryFolder();
        const table = tableOf(
          'public.t',
          ['id|int', 'big|bigint', 'place', 'flag|bool', 'raw|bytes', 'at|timestamptz'],
          ['id'],
          `coalesce(place, 'none') || '/' || big || '/' || flag || raw || at`,
        );
        const store = emptyReplica(join(folder.path, 'r.db'), [table]);
        const [stored] = store.storedTables;
        const rows = values.map(([big, place, flag, raw], id) => {
          return [id, narrow(big) as Cell, place, flag, raw, '2026-01-01 00:00:00+00:00'];
        });
        const selectors = rows.map((row) => stored?.table.selectorOf(row) ?? '');
        commit(
          store,
          101,
          rows.map((row, id): RowChange => {
            return { type: 'insert', table: table.name, selector: selectors[id] ?? '', row };
          }),
        );
        const sql = new DatabaseSync(store.file, { readOnly: true });
        const bySql = sql
          .prepare(`SELECT ${stored?.table.selectorSql} AS selector FROM t ORDER BY id`)
          .all();
        sql.close();
        expect(bySql.map(({ selector }) => selector)).toEqual(selectors);
        store.close();
      },
    ),
    { numRuns: 30 },
  );
});
