import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import type { RowChange } from '../../../src/core/row-change.ts';
import type { TableDef } from '../../../src/core/table.ts';
import { openReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { createSnapshotFile } from '../../../src/sqlite/snapshot-file.ts';
import { companionOf, type Twoway, twowayOf } from './local-bed.ts';
import { brokenInvariants } from './local-inspector.ts';
import { commit, tableOf, temporaryFolder, ts } from './replicas.ts';

const ITEM = twowayOf('public.item', ['id', 'name', 'n|int'], ['id']);
const OTHER = twowayOf('public.other', ['id', 'name'], ['id']);

/** A replica with a pending update of row a, a deleted row b and a new row c. */
function open(file: string, tables: readonly TableDef[] = [ITEM, companionOf(ITEM)]) {
  const snapshot = createSnapshotFile({ file, tables });
  snapshot.row('public.item', '*', ['a', 'A', 1]);
  snapshot.row('public.item', '*', ['b', 'B', 2]);
  snapshot.finish({ timeline: 't1', position: ts(100), selectors: [] });
  const store = openReplicaStore({ file, isWritten: true });
  const { local } = store;
  if (local === null) throw new Error('the store was opened for writing');
  const db = new DatabaseSync(file);
  db.exec(`UPDATE item SET n = 9 WHERE id = 'a'; DELETE FROM item WHERE id = 'b';
    INSERT INTO item VALUES ('c', 'C', 3)`);
  const close = (): void => {
    db.close();
    store.close();
  };
  return { store, local, db, [Symbol.dispose]: close };
}

const table = (definition: TableDef): RowChange => ({ type: 'table', table: definition });

/** Another layout of the same table: the columns' places stay. */
function next(columns: readonly string[], places: readonly string[]): Twoway {
  const wider = twowayOf('public.item', columns, ['id']);
  return { ...wider, twoway: { ...ITEM.twoway, columns: places } };
}

test('a column that is added stands in written rows too, and can be written', async () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local, store } = replica;
  const wider = next(['id', 'name', 'n|int', 'note'], ['name', 'n', 'note']);
  commit(store, 110, [table(wider)]);
  expect(await brokenInvariants(store)).toEqual([]);
  db.exec("UPDATE item SET note = 'x' WHERE id <> 'b'");
  local.seal();
  expect(db.prepare('SELECT * FROM item ORDER BY id').all()).toMatchObject([
    { id: 'a', name: 'A', n: 9, note: 'x' },
    { id: 'c', name: 'C', n: 3, note: 'x' },
  ]);
  const lines = local.nextUpload(1, 10_000)?.lines.slice(1) ?? [];
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    ['u', 'public.item', 1, ['a'], [[2, 2, 'x']]],
    ['u', 'public.item', 1, ['c'], [[2, 2, 'x']]],
  ]);
  expect(await brokenInvariants(store)).toEqual([]);
});

test('a column that is dropped takes nothing else with it', async () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, store } = replica;
  const narrower = next(['id', 'n|int'], ['name', 'n']);
  commit(store, 110, [table(narrower), { type: 'resync', table: 'public.item' }]);
  expect(await brokenInvariants(store)).toEqual([]);
  const resync = store.beginResync(1);
  resync.define([narrower, companionOf(ITEM)]);
  resync.replace('public.item', [0]);
  for (const row of [
    ['a', 1],
    ['b', 2],
  ] as const) {
    resync.insert([{ type: 'insert', table: 'public.item', selector: '*', row }]);
  }
  resync.commit({ server: 's', timeline: 't1', position: ts(120), selectors: [] });
  expect(db.prepare('SELECT * FROM item ORDER BY id').all()).toMatchObject([
    { id: 'a', n: 9 },
    { id: 'c', n: 3 },
  ]);
  expect(await brokenInvariants(store)).toEqual([]);
});

test.each([
  ['is two-way no longer', table(tableOf('public.item', ['id', 'name', 'n|int'], ['id']))],
  ['goes', { type: 'drop', table: 'public.item' } as const],
])('when a table %s, its pending writes are rejected and the others stay', async (_, change) => {
  using folder = temporaryFolder();
  const tables = [ITEM, companionOf(ITEM), OTHER, companionOf(OTHER)];
  using replica = open(join(folder.path, 'r.db'), tables);
  const { db, local, store } = replica;
  local.seal();
  db.exec("INSERT INTO other VALUES ('o', 'O')");
  commit(store, 110, [change]);
  expect(local.rejections().map(({ number, code, key }) => [number, code, key])).toEqual([
    [1, 'NOT_TWOWAY', ['a']],
    [1, 'NOT_TWOWAY', ['b']],
    [1, 'NOT_TWOWAY', ['c']],
  ]);
  expect(local.nextUpload(0, 10_000)).toMatchObject({ first: 1, last: 2 });
  expect(await brokenInvariants(store)).toEqual([]);
  if (change.type === 'drop') return;
  expect(db.prepare('SELECT * FROM item ORDER BY id').all()).toMatchObject([
    { id: 'a', n: 1 },
    { id: 'b', n: 2 },
  ]);
  expect(() => db.exec('DELETE FROM item')).toThrow(/cannot be written here/);
});

test('a table that becomes two-way can be written from then on', async () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local, store } = replica;
  commit(store, 110, [table(OTHER), table(companionOf(OTHER))]);
  db.exec("INSERT INTO other VALUES ('o', 'O')");
  local.seal();
  expect(local.nextUpload(1, 10_000)?.lines).toHaveLength(2);
  expect(await brokenInvariants(store)).toEqual([]);
});

test('while a table stands still, nothing that was accepted is dropped', async () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local, store } = replica;
  local.seal();
  local.settle({ accepted: 1, timeline: 't1', position: ts(110), rejected: [] });
  commit(store, 120, [{ type: 'resync', table: 'public.item' }]);
  expect([local.included, db.prepare('SELECT sum(n) AS n FROM item').get()?.n]).toEqual([0, 12]);
  const resync = store.beginResync(1);
  resync.define(store.tables);
  resync.replace('public.item', [0]);
  const rows = [
    ['a', 'A', 9],
    ['c', 'C', 3],
  ] as const;
  resync.insert(rows.map((row) => ({ type: 'insert', table: 'public.item', selector: '*', row })));
  resync.commit({ server: 's', timeline: 't1', position: ts(130), selectors: [] });
  expect([local.included, db.prepare('SELECT sum(n) AS n FROM item').get()?.n]).toEqual([1, 12]);
  expect(await brokenInvariants(store)).toEqual([]);
});

test('a truncated table keeps what is pending: new rows stay, changes of lost rows wait for their answer', async () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, store } = replica;
  commit(store, 110, [{ type: 'truncate', table: 'public.item' }]);
  expect(db.prepare('SELECT id FROM item').all()).toMatchObject([{ id: 'c' }]);
  expect(await brokenInvariants(store)).toEqual([]);
});

test('large transactions of the follower do without triggers, and leave them behind', async () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local, store } = replica;
  const rows = Array.from({ length: 2500 }, (_, index) => [`r${index}`, 'R', index]);
  commit(
    store,
    110,
    rows.map((row) => ({ type: 'insert', table: 'public.item', selector: '*', row })),
  );
  db.exec("DELETE FROM item WHERE id = 'r7'");
  expect(local.seal()).toBe(true);
  expect(local.nextUpload(1, 10_000)?.lines).toHaveLength(2);
  expect(await brokenInvariants(store)).toEqual([]);
});
