import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../../../src/core/errors.ts';
import type { RowChange } from '../../../src/core/row-change.ts';
import type { LocalWrites } from '../../../src/sqlite/local-writes.ts';
import {
  openReplicaStore,
  openReplicaStoreOn,
  type ReplicaStore,
} from '../../../src/sqlite/replica-store.ts';
import { createSnapshotFile } from '../../../src/sqlite/snapshot-file.ts';
import { openSql } from '../../../src/sqlite/sql.ts';
import { FailingSql } from './failing-sql.ts';
import { companionOf, twowayOf } from './local-bed.ts';
import { brokenInvariants } from './local-inspector.ts';
import { commit, tableOf, temporaryFolder, ts } from './replicas.ts';

const CALLS_MAX = 500;
const ITEM = twowayOf('public.item', ['id', 'name', 'n|int'], ['id']);
const WIDE = {
  ...twowayOf('public.item', ['id', 'name', 'n|int', 'note'], ['id']),
  twoway: { ...ITEM.twoway, columns: [...ITEM.twoway.columns, 'note'] },
};
const PLAIN = tableOf('public.item', ['id', 'name', 'n|int'], ['id']);

const update = (row: readonly (string | number)[]): RowChange => {
  return { type: 'update', table: ITEM.name, selector: '*', row };
};

/** Dirty keys, a new one, and what the first transaction's acceptance brings. */
const CHANGES: readonly RowChange[] = [
  update(['a', 'theirs', 9]),
  { type: 'insert', table: ITEM.twoway.versions, selector: '*', row: ['a', 1, '{2,2}'] },
  { type: 'delete', table: ITEM.name, selector: '*', key: ['b'] },
  { type: 'insert', table: ITEM.name, selector: '*', row: ['d', 'D', 4] },
];

const REFUSED = [{ number: 2, code: 'DENIED', message: 'no' }];

function resync(store: ReplicaStore): void {
  const transaction = store.beginResync(1);
  try {
    transaction.define([WIDE, companionOf(ITEM)]);
    transaction.replace(ITEM.name, [0]);
    transaction.insert([
      { type: 'insert', table: ITEM.name, selector: '*', row: ['a', 'A', 9, 'x'] },
    ]);
    transaction.commit({ server: 's', timeline: 't1', position: ts(200), selectors: [] });
  } catch (error) {
    transaction.rollback();
    throw error;
  }
}

function localOf(store: ReplicaStore): LocalWrites {
  if (store.local === null) throw new Error('the store was opened for writing');
  return store.local;
}

const answer = { accepted: 2, timeline: 't1', position: ts(150), rejected: REFUSED };

const OPERATIONS: readonly { name: string; run: (store: ReplicaStore) => void }[] = [
  { name: 'sealing', run: (store) => localOf(store).seal() },
  { name: 'a transaction', run: (store) => void commit(store, 120, CHANGES) },
  {
    name: 'a transaction with a new definition',
    run: (store) => void commit(store, 120, [...CHANGES, { type: 'table', table: WIDE }]),
  },
  {
    name: 'the end of two-way',
    run: (store) => void commit(store, 120, [{ type: 'table', table: PLAIN }]),
  },
  { name: 'a difference snapshot', run: resync },
  { name: 'an answer', run: (store) => void localOf(store).settle(answer) },
  {
    name: 'a parked transaction',
    run: (store) => localOf(store).park(2, { code: 'TOO_LARGE', message: 'no' }),
  },
  { name: 'another site', run: (store) => localOf(store).renewSite() },
];

/** A file in which one transaction is accepted and not in the base, and one is pending. */
function prepare(file: string): void {
  const snapshot = createSnapshotFile({ file, tables: [ITEM, companionOf(ITEM)] });
  snapshot.row(ITEM.name, '*', ['a', 'A', 1]);
  snapshot.row(ITEM.name, '*', ['b', 'B', 2]);
  snapshot.finish({ timeline: 't1', position: ts(100), selectors: [] });
  const store = openReplicaStore({ file, isWritten: true });
  write(file, "UPDATE item SET n = 9 WHERE id = 'a'");
  store.local?.seal();
  store.local?.settle({ accepted: 1, timeline: 't1', position: ts(120), rejected: [] });
  write(file, "UPDATE item SET name = 'mine'; INSERT INTO item VALUES ('c', 'C', 3)");
  store.close();
}

/** The same file, with writes that are not sealed. */
function open(file: string): { readonly failing: FailingSql; readonly store: ReplicaStore } {
  const failing = new FailingSql(openSql(file, { timeoutMs: 0 }));
  const store = openReplicaStoreOn(failing.sql, { file, isWritten: true, now: () => 0 });
  write(file, "DELETE FROM item WHERE id = 'b'; INSERT INTO item VALUES ('b', 'again', 0)");
  return { failing, store };
}

function write(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(`PRAGMA synchronous = OFF; ${sql}`);
  db.close();
}

/** Everything that is in the file, but for names that are random. */
function contentsOf({ file }: ReplicaStore) {
  const db = new DatabaseSync(file, { readOnly: true });
  const names = db
    .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
    .all();
  const rows = names.map(({ name }) => [name, db.prepare(`SELECT * FROM "${name}"`).all()]);
  const triggers = db.prepare(`SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name`);
  const contents = JSON.stringify([rows, triggers.all()]);
  db.close();
  return contents.replaceAll(/"nonce":"[0-9a-f]+"|"site":"[0-9a-f-]+"|"applied_at":"[^"]+"/g, '');
}

describe('P1 P5: with local writes, whichever call fails, nothing changes and the same can be repeated', () => {
  test.each(OPERATIONS)(
    '$name',
    async ({ run }) => {
      using folder = temporaryFolder();
      const template = join(folder.path, 'template.db');
      prepare(template);
      const outcomes: string[] = [];
      for (let call = 1, isDone = false; !isDone; call += 1) {
        expect(call).toBeLessThan(CALLS_MAX);
        const file = join(folder.path, `${call}.db`);
        copyFileSync(template, file);
        const { failing, store } = open(file);
        const before = contentsOf(store);
        failing.failAt(call);
        try {
          run(store);
          isDone = true;
        } catch (error) {
          expect(hasCode(error, 'REPLICA_WRITE_FAILED')).toBe(true);
          expect(contentsOf(store)).toBe(before);
          run(store);
        }
        isDone &&= failing.isWaiting;
        failing.failAt(0);
        expect(await brokenInvariants(store)).toEqual([]);
        outcomes.push(contentsOf(store));
        store.close();
      }
      expect(new Set(outcomes).size).toBe(1);
      expect(outcomes.length).toBeGreaterThan(5);
    },
    60_000,
  );
});
