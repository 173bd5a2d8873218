import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../../../src/core/errors.ts';
import type { RowChange } from '../../../src/core/row-change.ts';
import type { TableDef } from '../../../src/core/table.ts';
import { openReplicaStoreOn, type ReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { createSnapshotFile, createSnapshotFileOn } from '../../../src/sqlite/snapshot-file.ts';
import { openSql } from '../../../src/sqlite/sql.ts';
import { FailingSql } from './failing-sql.ts';
import { commit, emptyReplica, sorted, tableOf, temporaryFolder, ts } from './replicas.ts';

const CALLS_MAX = 500;
const TABLE = tableOf('public.t', ['id|int', 'place', 'note'], ['id'], 'place');
const WIDE: TableDef = {
  ...TABLE,
  columns: [...TABLE.columns, { name: 'level', type: 'integer', kind: 'int', missing: 1 }],
  indexes: [{ name: 'by_place', columns: ['place'] }],
};

function row(type: 'insert' | 'update', cells: readonly (number | string)[]): RowChange {
  return { type, table: TABLE.name, selector: String(cells[1]), row: cells };
}

const BEFORE: readonly RowChange[] = [row('insert', [1, 'FR', 'a']), row('insert', [2, 'DE', 'b'])];

/** A bit of everything, with a redelivered insert and a new definition. */
const CHANGES: readonly RowChange[] = [
  ...Array.from({ length: 25 }, (_, index) => row('insert', [10 + index, 'FR', 'new'])),
  row('insert', [1, 'DE', 'moved']),
  row('update', [10, 'FR', 'changed']),
  { type: 'update', table: TABLE.name, selector: 'FR', cols: [0, 1], row: [11, 'FR'] },
  { type: 'delete', table: TABLE.name, selector: 'DE', key: [2] },
  { type: 'table', table: WIDE },
  row('insert', [99, 'FR', 'wide', 5]),
];

function contentsOf(store: ReplicaStore) {
  const sql = new DatabaseSync(store.file, { readOnly: true });
  const rows = sql.prepare('SELECT * FROM t ORDER BY id').all();
  const position = sql.prepare('SELECT position FROM tidelock_replica').get();
  const digests = sql.prepare('SELECT * FROM tidelock_digests ORDER BY selector').all();
  sql.close();
  const { appliedAt: _, ...identity } = store.identity;
  return { rows, position, digests, identity, kept: sorted(store.digests()), tables: store.tables };
}

function resync(store: ReplicaStore): void {
  const transaction = store.beginResync(4);
  try {
    transaction.define([WIDE]);
    transaction.replace(TABLE.name, [0, 1, 2, 3]);
    transaction.insert([row('insert', [7, 'FR', 'x', 1]), row('insert', [8, 'FR', 'y', 1])]);
    transaction.apply([row('update', [8, 'FR', 'z', 1])]);
    transaction.commit({ server: 's', timeline: 't2', position: ts(5), selectors: ['FR'] });
  } catch (error) {
    transaction.rollback();
    throw error;
  }
}

const OPERATIONS = [
  { name: 'a transaction', run: (store: ReplicaStore) => void commit(store, 102, CHANGES) },
  { name: 'a difference snapshot', run: resync },
  { name: 'a state', run: (store: ReplicaStore) => store.setState('resyncing') },
  { name: 'an owner', run: (store: ReplicaStore) => store.setOwner({ replica: 'r', server: 's' }) },
] as const;

describe('P1 P5: whichever call fails, nothing changes and the same can be repeated', () => {
  test.each(OPERATIONS)('$name', ({ run }) => {
    let expected: ReturnType<typeof contentsOf> | undefined;
    // The last round meets no failure; the rounds before it must come to the same.
    const outcomes: ReturnType<typeof contentsOf>[] = [];
    for (let call = 1; expected === undefined; call += 1) {
      expect(call).toBeLessThan(CALLS_MAX);
      using folder = temporaryFolder();
      const file = join(folder.path, 'r.db');
      emptyReplica(file, [TABLE]).close();
      const failing = new FailingSql(openSql(file, { timeoutMs: 0 }));
      const store = openReplicaStoreOn(failing.sql, { file });
      commit(store, 101, BEFORE);
      const before = contentsOf(store);
      failing.failAt(call);
      const isDone = succeeds(() => run(store));
      failing.failAt(0);
      if (!isDone) {
        expect(contentsOf(store)).toEqual(before);
        run(store);
      }
      outcomes.push(contentsOf(store));
      if (isDone) expected = outcomes.at(-1);
      store.close();
    }
    for (const outcome of outcomes) expect(outcome).toEqual(expected);
    expect(outcomes.length).toBeGreaterThan(1);
  });
});

function succeeds(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    expect(hasCode(error, 'REPLICA_WRITE_FAILED')).toBe(true);
    return false;
  }
}

test('whichever call of a snapshot file fails, aborting leaves nothing behind', () => {
  let failures = 0;
  for (let call = 1; call < CALLS_MAX; call += 1) {
    using folder = temporaryFolder();
    const file = join(folder.path, 's.db');
    const failing = new FailingSql(openSql(file, { timeoutMs: 0, isUnsafe: true }));
    failing.failAt(call);
    const isDone = succeeds(() => {
      const snapshot = createSnapshotFileOn(failing.sql, { file, tables: [TABLE] });
      try {
        snapshot.row(TABLE.name, 'FR', [1, 'FR', 'a']);
        snapshot.applyLate(CHANGES);
        snapshot.finish({ timeline: 't', position: ts(1), selectors: [] });
      } catch (error) {
        snapshot.abort();
        throw error;
      }
    });
    if (isDone) {
      expect(readdirSync(folder.path)).toEqual(['s.db']);
      break;
    }
    failures += 1;
    expect(readdirSync(folder.path)).toEqual([]);
  }
  expect(failures).toBeGreaterThan(20);
});

test('F19: a full disk leaves the replica at its position, and the transaction succeeds later', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  emptyReplica(file, [TABLE]).close();
  const sql = openSql(file, { timeoutMs: 0 });
  const store = openReplicaStoreOn(sql, { file });
  commit(store, 101, BEFORE);
  const before = contentsOf(store);
  const changes = Array.from({ length: 300 }, (_, id) => {
    return row('insert', [100 + id, 'FR', 'x'.repeat(500)]);
  });
  const pages = Number(sql.prepare('PRAGMA page_count').get()?.page_count);
  let failures = 0;
  for (let spare = 0; ; spare += 7) {
    sql.exec(`PRAGMA max_page_count = ${pages + spare}`);
    if (succeeds(() => void commit(store, 102, changes))) break;
    expect(contentsOf(store)).toEqual(before);
    failures += 1;
  }
  expect(failures).toBeGreaterThan(3);
  expect(contentsOf(store).rows.length).toBe(302);
  store.close();
});

test('F26: a lock of another program fails the transaction with a hint, and it succeeds when the lock is gone', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  emptyReplica(file, [TABLE]).close();
  const sql = openSql(file, { timeoutMs: 0 });
  const store = openReplicaStoreOn(sql, { file });
  const other = new DatabaseSync(file);
  other.exec('BEGIN IMMEDIATE');
  const before = contentsOf(store);
  expect(() => commit(store, 101, BEFORE)).toThrow(
    expect.objectContaining({
      code: 'REPLICA_WRITE_FAILED',
      hint: expect.stringContaining('other writer'),
    }),
  );
  expect(contentsOf(store)).toEqual(before);
  other.exec('ROLLBACK');
  commit(store, 101, BEFORE);
  other.close();
  store.close();
});

test('a snapshot file cannot replace a file that exists', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 's.db');
  emptyReplica(file, [TABLE]).close();
  expect(() => createSnapshotFile({ file, tables: [TABLE] })).toThrow();
  expect(existsSync(file)).toBe(true);
});

test('rows with one key twice stop a snapshot: they would be a bug of ours', () => {
  using folder = temporaryFolder();
  const snapshot = createSnapshotFile({ file: join(folder.path, 's.db'), tables: [TABLE] });
  snapshot.row(TABLE.name, 'FR', [1, 'FR', 'a']);
  snapshot.row(TABLE.name, 'FR', [1, 'FR', 'b']);
  expect(() => snapshot.finish({ timeline: 't', position: ts(1), selectors: [] })).toThrow(
    /distinct keys/,
  );
  snapshot.abort();
});
