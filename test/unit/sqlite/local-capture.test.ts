import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openReplicaStore, type ReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { createSnapshotFile } from '../../../src/sqlite/snapshot-file.ts';
import { companionOf, twowayOf } from './local-bed.ts';
import { brokenInvariants } from './local-inspector.ts';
import { sorted, tableOf, temporaryFolder, ts } from './replicas.ts';

const ITEM = twowayOf('public.item', ['id', 'name', 'n|int'], ['id']);
const COUNTER = twowayOf('public.counter', ['id|int', 'n|int'], ['id']);
const COMPUTED = twowayOf('public.sum', ['id', 'n|int', 'twice|int'], ['id']);
/** `twice` is computed by Postgres. */
const SUM = { ...COMPUTED, twoway: { ...COMPUTED.twoway, columns: ['n'] } };
const FIXED = tableOf('public.fixed', ['id|int', 'name'], ['id']);

/** A replica of three tables with rows a and b, and a program's connection to it. */
function open(file: string) {
  const tables = [
    ITEM,
    companionOf(ITEM),
    COUNTER,
    companionOf(COUNTER),
    SUM,
    companionOf(SUM),
    FIXED,
  ];
  const snapshot = createSnapshotFile({ file, tables });
  snapshot.row('public.item', '*', ['a', 'A', 1]);
  snapshot.row('public.item', '*', ['b', 'B', 2]);
  snapshot.row('public.sum', '*', ['a', 1, 2]);
  snapshot.row('public.fixed', '*', [1, 'one']);
  snapshot.finish({ timeline: 't1', position: ts(100), selectors: [] });
  const store = openReplicaStore({ file, isWritten: true });
  const { local } = store;
  if (local === null) throw new Error('the store was opened for writing');
  const db = new DatabaseSync(file);
  const close = (): void => {
    db.close();
    store.close();
  };
  return { store, local, db, [Symbol.dispose]: close };
}

/** The changes of everything that is pending, without their transactions. */
function changes(store: ReplicaStore): readonly unknown[] {
  const lines = store.local?.nextUpload(0, 1_000_000)?.lines ?? [];
  return lines.map((line) => JSON.parse(line) as unknown[]).filter(([op]) => op !== 't');
}

const A = [ITEM.name, 1, ['a']];

test.each([
  ['an insert', "INSERT INTO item VALUES ('c', 'C', 3)", [['i', ITEM.name, 1, ['c'], ['C', 3]]]],
  ['an update of one column', "UPDATE item SET n = 5 WHERE id = 'a'", [['u', ...A, [[1, 2, 5]]]]],
  ['an update that changes nothing', 'UPDATE item SET n = n, name = name', []],
  ['a delete', "DELETE FROM item WHERE id = 'a'", [['d', ITEM.name, 2, ['a']]]],
  [
    'a delete of all rows',
    'DELETE FROM item',
    [
      ['d', ITEM.name, 2, ['a']],
      ['d', ITEM.name, 2, ['b']],
    ],
  ],
  [
    'a replaced row',
    "INSERT OR REPLACE INTO item VALUES ('a', 'X', NULL)",
    [['i', ITEM.name, 3, ['a'], ['X', null]]],
  ],
  [
    'an upsert of a present row',
    "INSERT INTO item VALUES ('a', 'X', 9) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
    [['u', ...A, [[0, 2, 'X']]]],
  ],
  ['an ignored insert', "INSERT OR IGNORE INTO item VALUES ('a', 'X', 9)", []],
  [
    'a changed key',
    "UPDATE item SET id = 'c' WHERE id = 'a'",
    [
      ['d', ITEM.name, 2, ['a']],
      ['i', ITEM.name, 1, ['c'], ['A', 1]],
    ],
  ],
  [
    'a key changed to that of a row that is replaced',
    "UPDATE OR REPLACE item SET id = 'b' WHERE id = 'a'",
    [
      ['d', ITEM.name, 2, ['a']],
      ['i', ITEM.name, 3, ['b'], ['A', 1]],
    ],
  ],
  [
    'a row id that SQLite gives',
    'INSERT INTO counter (n) VALUES (7)',
    [['i', COUNTER.name, 1, [1], [7]]],
  ],
  [
    'values that are not of their column',
    "INSERT INTO item VALUES ('c', x'00', 'many')",
    [['i', ITEM.name, 1, ['c'], [{ bytes: 'AA==' }, 'many']]],
  ],
])('%s is captured', async (_, sql, expected) => {
  for (const isRecursive of [false, true]) {
    using folder = temporaryFolder();
    using replica = open(join(folder.path, 'r.db'));
    const { store, db } = replica;
    const base = sorted(store.digests());
    db.exec(`PRAGMA recursive_triggers = ${isRecursive}`);
    db.exec(sql);
    expect(sorted(await store.scanDigests())).toEqual(base);
    const rows = db.prepare('SELECT * FROM item').all();
    store.local?.seal();
    expect(db.prepare('SELECT * FROM item').all()).toEqual(rows);
    // With recursive triggers SQLite tells that REPLACE deletes the old row: two changes instead of one.
    const seen = changes(store);
    expect(seen.at(-1)).toEqual(expected.at(-1));
    if (!isRecursive) expect(seen).toEqual(expected);
    expect(await brokenInvariants(store)).toEqual([]);
  }
});

test.each([
  ["INSERT INTO fixed VALUES (2, 'two')", /fixed cannot be written here.*not two-way/],
  ["INSERT OR IGNORE INTO fixed VALUES (2, 'two')", /fixed cannot be written here/],
  ['UPDATE fixed SET name = NULL', /fixed cannot be written here/],
  ['DELETE FROM fixed', /fixed cannot be written here/],
  [`INSERT INTO "${ITEM.twoway.versions}" VALUES ('a', 7, NULL)`, /versions_.*cannot be written/],
  ["UPDATE tidelock_replica SET position = '0/1'", /belongs to Tidelock/],
  ['DELETE FROM tidelock_digests', /belongs to Tidelock/],
  ["INSERT INTO item (name) VALUES ('x')", /primary key of item must not be NULL/],
  ["UPDATE item SET id = NULL WHERE id = 'a'", /primary key of item must not be NULL/],
])('a program is refused: %s', (sql, message) => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, store } = replica;
  expect(() => db.exec(sql)).toThrow(message);
  expect(store.local?.seal()).toBe(false);
});

test('the follower itself writes tables that programs may not write', async () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, store } = replica;
  const transaction = store.begin();
  transaction.apply([
    { type: 'insert', table: 'public.fixed', selector: '*', row: [2, 'two'] },
    { type: 'insert', table: ITEM.twoway.versions, selector: '*', row: ['a', 1, '{2,1}'] },
  ]);
  transaction.commit(ts(110));
  expect(db.prepare('SELECT count(*) AS n FROM fixed').get()?.n).toBe(2);
  expect(await brokenInvariants(store)).toEqual([]);
});

test('writes of one SQLite transaction stay together, a marked boundary divides them', () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local } = replica;
  db.exec(`BEGIN; INSERT INTO item VALUES ('c', 'C', 1); INSERT INTO counter VALUES (1, 1);
    INSERT INTO tidelock_boundary VALUES (NULL); DELETE FROM item WHERE id = 'c'; COMMIT`);
  local.seal();
  db.exec("UPDATE item SET n = 3 WHERE id = 'a'");
  local.seal();
  const upload = local.nextUpload(0, 1_000_000);
  expect(upload).toMatchObject({ first: 1, last: 3, transactions: 3 });
  expect(upload?.lines.map((line) => (JSON.parse(line) as unknown[])[0])).toEqual([
    't',
    'i',
    'i',
    't',
    'd',
    't',
    'u',
  ]);
  expect(local.nextUpload(1, 1)).toMatchObject({ first: 2, last: 2, transactions: 1 });
  expect(local.nextUpload(3, 1)).toBeNull();
});

test('a transaction that is larger than a batch comes alone, and is read while it is sent', () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local } = replica;
  db.exec(`INSERT INTO item VALUES ('before', 'B', 1)`);
  local.seal();
  db.exec(`WITH RECURSIVE g(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM g WHERE i < 5000)
    INSERT INTO item SELECT 'k' || i, 'text', i FROM g`);
  local.seal();
  db.exec(`INSERT INTO item VALUES ('after', 'A', 1)`);
  local.seal();
  expect(local.nextUpload(0, 10_000)).toMatchObject({ first: 1, last: 1, changes: 1 });
  const upload = local.nextUpload(1, 10_000);
  expect(upload).toMatchObject({ first: 2, last: 2, transactions: 1, changes: 5000 });
  expect(upload?.lines).toHaveLength(1);
  const lines = [...(upload?.rest?.() ?? [])].flat();
  expect(lines).toHaveLength(5000);
  expect([lines[0], lines[4999]]).toEqual([
    '["i","public.item",1,["k1"],["text",1]]',
    '["i","public.item",1,["k5000"],["text",5000]]',
  ]);
  const reading = (upload?.rest?.() ?? [])[Symbol.iterator]();
  reading.next();
  local.park(2, { code: 'TOO_LARGE', message: 'no' });
  expect(() => reading.next()).toThrow('taken back');
  expect(local.nextUpload(1, 10_000)).toMatchObject({ first: 2, last: 3, changes: 1 });
});

test('a unique index of a program’s own is told once, because REPLACE removes rows unseen by it', () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local } = replica;
  expect(local.cautions()).toEqual([]);
  db.exec('CREATE INDEX plain ON item (name); CREATE UNIQUE INDEX mine ON item (name)');
  expect(local.cautions()).toEqual([expect.stringContaining('the unique index mine of item')]);
  expect(local.cautions()).toEqual([]);
  db.exec('CREATE UNIQUE INDEX other ON fixed (name)'); // nobody writes to that table
  expect(local.cautions()).toEqual([]);
});

test('a write that is still open is neither sealed nor seen', () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local, store } = replica;
  db.exec("BEGIN; INSERT INTO item VALUES ('c', 'C', 1)");
  expect(local.seal()).toBe(false);
  expect(() => store.begin()).toThrow(/another process holds a write lock/);
  db.exec('COMMIT');
  expect(local.seal()).toBe(true);
});

test('P9: a rejected transaction is taken back whole and is told once', async () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local, store } = replica;
  db.exec("BEGIN; UPDATE item SET n = 9; INSERT INTO item VALUES ('c', 'C', 1); COMMIT");
  local.seal();
  db.exec("UPDATE item SET name = 'later' WHERE id = 'b'");
  local.seal();
  const answer = {
    accepted: 2,
    timeline: 't1',
    position: ts(120),
    rejected: [{ number: 1, code: 'DENIED', message: 'not yours' }],
  };
  expect(local.settle(answer).map(({ key, operation }) => [key, operation])).toEqual([
    [['a'], 'update'],
    [['b'], 'update'],
    [['c'], 'insert'],
  ]);
  expect(local.settle(answer)).toEqual([]);
  expect(db.prepare('SELECT * FROM item ORDER BY id').all()).toMatchObject([
    { id: 'a', name: 'A', n: 1 },
    { id: 'b', name: 'later', n: 2 },
  ]);
  expect(local.counts).toEqual({ pending: 0, uploaded: 2, rejected: 1 });
  expect(await brokenInvariants(store)).toEqual([]);
  local.forgetRejections(1);
  expect(local.rejections()).toEqual([]);
});

test('an accepted write stays in sight until the position has it', async () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local, store } = replica;
  const rows = () => db.prepare('SELECT n FROM item ORDER BY id').all();
  db.exec("UPDATE item SET n = 9 WHERE id = 'a'");
  local.seal();
  local.settle({ accepted: 1, timeline: 't1', position: ts(120), rejected: [] });
  expect([local.included, local.settled, rows()]).toMatchObject([0, 1, [{ n: 9 }, { n: 2 }]]);
  store.begin().commit(ts(119));
  expect([local.included, rows()]).toMatchObject([0, [{ n: 9 }, { n: 2 }]]);
  const transaction = store.begin();
  transaction.apply([
    { type: 'update', table: ITEM.name, selector: '*', row: ['a', 'A', 9] },
    { type: 'insert', table: ITEM.twoway.versions, selector: '*', row: ['a', 1, '{1,2}'] },
  ]);
  transaction.commit(ts(120));
  expect([local.included, rows()]).toMatchObject([1, [{ n: 9 }, { n: 2 }]]);
  expect(local.counts).toEqual({ pending: 0, uploaded: 0, rejected: 0 });
  expect(await brokenInvariants(store)).toEqual([]);
});

test('a parked transaction is taken back, and its number is sent without content', () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local } = replica;
  db.exec('UPDATE item SET n = 9');
  local.seal();
  local.park(1, { code: 'TOO_LARGE', message: 'more than the server takes' });
  expect(local.nextUpload(0, 1000)?.lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    ['t', 1, expect.any(String)],
  ]);
  expect(db.prepare('SELECT sum(n) AS n FROM item').get()?.n).toBe(3);
  expect(local.rejections()).toHaveLength(2);
});

test('under another site what was not accepted is numbered from 1', async () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local, store } = replica;
  for (const n of [5, 6, 7]) {
    db.exec(`UPDATE item SET n = ${n} WHERE id = 'a'`);
    local.seal();
  }
  local.settle({ accepted: 1, timeline: 't1', position: ts(120), rejected: [] });
  const { site } = local;
  local.renewSite();
  expect(local.site).not.toBe(site);
  expect([local.last, local.settled]).toEqual([2, 0]);
  expect(local.nextUpload(0, 10_000)).toMatchObject({ first: 1, last: 2 });
  expect(await brokenInvariants(store)).toEqual([]);
  store.begin().commit(ts(120));
  expect(local.counts).toMatchObject({ pending: 2, uploaded: 0 });
  expect(await brokenInvariants(store)).toEqual([]);
});

test('what was accepted in a history that is gone is sent again', () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, local, store } = replica;
  db.exec('UPDATE item SET n = 9');
  local.seal();
  local.settle({ accepted: 1, timeline: 't1', position: ts(120), rejected: [] });
  const resync = store.beginResync(1);
  resync.define(store.tables);
  resync.commit({ server: 's', timeline: 't2', position: ts(500), selectors: [] });
  expect([local.settled, local.counts.pending, local.nextUpload(0, 1000)?.first]).toEqual([
    0, 1, 1,
  ]);
  expect(db.prepare('SELECT sum(n) AS n FROM item').get()?.n).toBe(18);
});

test('a column that Postgres computes cannot be written, and keeps its value in a row that is', async () => {
  using folder = temporaryFolder();
  using replica = open(join(folder.path, 'r.db'));
  const { db, store } = replica;
  const message = /"twice" of sum cannot be written here: Postgres computes it/;
  expect(() => db.exec('UPDATE sum SET twice = 9')).toThrow(message);
  expect(() => db.exec("INSERT INTO sum VALUES ('c', 1, 2)")).toThrow(message);
  db.exec("UPDATE sum SET n = 5, twice = 2; INSERT INTO sum (id, n) VALUES ('b', 1)");
  store.local?.seal();
  expect(changes(store)).toEqual([
    ['u', SUM.name, 1, ['a'], [[0, 2, 5]]],
    ['i', SUM.name, 1, ['b'], [1]],
  ]);
  expect(await brokenInvariants(store)).toEqual([]);
  store.local?.settle({ timeline: 't1', accepted: 0, position: ts(100), rejected: [] });
  expect(db.prepare('SELECT * FROM sum ORDER BY id').all()).toEqual([
    { id: 'a', n: 5, twice: 2 },
    { id: 'b', n: 1, twice: null },
  ]);
});
