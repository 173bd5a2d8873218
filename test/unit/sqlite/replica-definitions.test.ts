import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import type { RowChange } from '../../../src/core/row-change.ts';
import type { TableDef } from '../../../src/core/table.ts';
import type { ReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { howItDiffers } from '../../../src/sqlite/table-evolution.ts';
import {
  commit,
  emptyReplica,
  ReplicaModel,
  sorted,
  tableOf,
  temporaryFolder,
} from './replicas.ts';

const TABLE = tableOf('public.t', ['id|int', 'place'], ['id'], 'place');

function insert(
  table: TableDef,
  selector: string,
  row: readonly (string | number | null)[],
): RowChange {
  return { type: 'insert', table: table.name, selector, row };
}

function rowsOf(store: ReplicaStore, name = 't'): readonly (readonly unknown[])[] {
  const sql = new DatabaseSync(store.file, { readOnly: true });
  const rows = sql.prepare(`SELECT * FROM "${name}" ORDER BY 1`).all();
  sql.close();
  return rows.map((row) => Object.values(row));
}

function indexesOf(store: ReplicaStore): readonly unknown[] {
  const sql = new DatabaseSync(store.file, { readOnly: true });
  const rows = sql
    .prepare(`SELECT name FROM sqlite_schema WHERE type = 'index' AND sql NOTNULL ORDER BY name`)
    .all();
  sql.close();
  return rows.map(({ name }) => name);
}

test('a column with a default is added to the rows that are there, in the middle of a transaction', async () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  commit(store, 101, [insert(TABLE, 'FR', [1, 'FR'])]);
  const wide: TableDef = {
    ...TABLE,
    columns: [
      ...TABLE.columns,
      { name: 'level', type: 'integer', kind: 'int', missing: 7 },
      { name: 'note', type: 'text', kind: 'text' },
      { name: 'share', type: 'double precision', kind: 'float', missing: 'Infinity' },
    ],
  };
  commit(store, 102, [
    insert(TABLE, 'DE', [2, 'DE']),
    { type: 'table', table: wide },
    insert(wide, 'DE', [3, 'DE', 1, 'x', 0.5]),
  ]);
  expect(rowsOf(store)).toEqual([
    [1, 'FR', 7, null, Number.POSITIVE_INFINITY],
    [2, 'DE', 7, null, Number.POSITIVE_INFINITY],
    [3, 'DE', 1, 'x', 0.5],
  ]);
  const model = new ReplicaModel([wide]);
  model.apply([
    insert(wide, 'FR', [1, 'FR', 7, null, Number.POSITIVE_INFINITY]),
    insert(wide, 'DE', [2, 'DE', 7, null, Number.POSITIVE_INFINITY]),
    insert(wide, 'DE', [3, 'DE', 1, 'x', 0.5]),
  ]);
  expect(sorted(store.digests())).toEqual(sorted(model.digests()));
  expect(sorted(await store.scanDigests())).toEqual(sorted(model.digests()));
  expect(store.tables).toEqual([wide]);
  expect(store.identity.schemaVersion).toBe(1);
  store.close();
});

test('a column without a default changes no digest', () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  commit(store, 101, [insert(TABLE, 'FR', [1, 'FR'])]);
  const before = store.digests();
  const wide = tableOf('public.t', ['id|int', 'place', 'note'], ['id'], 'place');
  expect(commit(store, 102, [{ type: 'table', table: wide }])).toEqual([]);
  expect(store.digests()).toEqual(before);
  store.close();
});

test('a new table is created, and rolled back it is gone again', () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  const fresh = {
    ...tableOf('sales.u', ['id|int', 'x'], ['id']),
    indexes: [{ name: 'u_x', columns: ['x'] }],
  };
  const transaction = store.begin();
  transaction.apply([{ type: 'table', table: fresh }, insert(fresh, '*', [1, 'a'])]);
  transaction.rollback();
  expect(store.tables).toEqual([TABLE]);
  expect(() => commit(store, 101, [insert(fresh, '*', [1, 'a'])])).toThrow(
    expect.objectContaining({ code: 'PROTOCOL' }),
  );
  commit(store, 101, [{ type: 'table', table: fresh }, insert(fresh, '*', [1, 'a'])]);
  expect(rowsOf(store, 'sales.u')).toEqual([[1, 'a']]);
  expect(indexesOf(store)).toEqual(['sales.u.u_x']);
  store.close();
});

test('a table that is replicated no longer goes with its rows and digests', () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  commit(store, 101, [insert(TABLE, 'FR', [1, 'FR'])]);
  const changed = commit(store, 102, [{ type: 'drop', table: TABLE.name }]);
  expect(changed).toMatchObject([{ selector: 'FR', rows: 0, digest: '0'.repeat(32) }]);
  expect(store.tables).toEqual([]);
  expect(() => rowsOf(store)).toThrow(/no such table/);
  store.close();
});

test('indexes come and go', () => {
  using folder = temporaryFolder();
  const indexed = (...names: string[]): TableDef => ({
    ...TABLE,
    indexes: names.map((name) => ({ name, columns: ['place'] })),
  });
  const store = emptyReplica(join(folder.path, 'r.db'), [indexed('one')]);
  expect(indexesOf(store)).toEqual(['t.one']);
  commit(store, 101, [{ type: 'table', table: indexed('one', 'T') }]);
  expect(indexesOf(store)).toEqual(['t.T', 't.one']);
  commit(store, 102, [{ type: 'table', table: indexed() }]);
  expect(indexesOf(store)).toEqual([]);
  store.close();
});

test('a definition that is known already changes nothing', () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  commit(store, 101, [{ type: 'table', table: structuredClone(TABLE) }]);
  expect(store.identity.schemaVersion).toBe(0);
  store.close();
});

test('a definition that the rows cannot follow makes the table stand still, others go on', () => {
  using folder = temporaryFolder();
  const other = tableOf('public.u', ['id|int'], ['id']);
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE, other]);
  commit(store, 101, [insert(TABLE, 'FR', [1, 'FR'])]);
  const before = store.digests();
  const renamed = tableOf('public.t', ['id|int', 'region'], ['id'], 'region');
  commit(store, 102, [
    { type: 'table', table: renamed },
    insert(renamed, 'DE', [2, 'DE']),
    { type: 'truncate', table: TABLE.name },
    insert(other, '*', [5]),
  ]);
  expect(rowsOf(store)).toEqual([[1, 'FR']]);
  expect(rowsOf(store, 'u')).toEqual([[5]]);
  expect(store.digests().slice(0, 1)).toEqual(before);
  expect(store.storedTables.map(({ state }) => state)).toEqual(['resyncing', 'live']);
  store.close();
});

test('what makes a table two-way is kept in the file, and told when it changes', () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  const twoway = { versions: 'tidelock.versions_public_t', columns: ['place'] };
  commit(store, 101, [
    { type: 'table', table: TABLE },
    insert(TABLE, 'FR', [1, 'FR']),
    { type: 'table', table: { ...TABLE, twoway } },
  ]);
  const { file } = store;
  store.close();
  const sql = new DatabaseSync(file, { readOnly: true });
  const row = sql.prepare("SELECT definition, state FROM tidelock_tables WHERE name = 'public.t'");
  const { definition, state } = row.get() ?? {};
  sql.close();
  expect(state).toBe('live');
  expect(JSON.parse(String(definition))).toMatchObject({ twoway });
});

describe('what a replica can follow by itself', () => {
  const typed = (type: string): TableDef => ({
    ...TABLE,
    columns: [
      TABLE.columns[0] ?? { name: '', type: '', kind: 'int' },
      { name: 'place', type, kind: 'text' },
    ],
  });
  test.each([
    ['character varying(10)', 'character varying(20)', 'extended'],
    ['character varying(10)', 'character varying', 'extended'],
    ['character varying(10)', 'text', 'extended'],
    ['character varying(20)', 'character varying(10)', 'other'],
    ['character varying', 'character varying(10)', 'other'],
    ['numeric(10,2)', 'numeric(10,3)', 'other'],
    ['text', 'character varying', 'other'],
    ['text', 'text', 'same'],
  ])('%s to %s: %s', (from, to, expected) => {
    expect(howItDiffers(typed(from), typed(to))).toBe(expected);
  });
});
