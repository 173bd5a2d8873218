import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { LockstepStore, type StoredRow } from '../../../src/sqlite/lockstep-store.ts';

function newFile(): string {
  return join(mkdtempSync(join(tmpdir(), 'tidelock-')), 'a.db');
}

function open(file: string, key: readonly string[] = ['id'], table = 'item'): LockstepStore {
  const store = LockstepStore.open({ file, table, key });
  onTestFinished(() => store.close());
  return store;
}

function held(file: string): readonly unknown[] {
  const sql = new DatabaseSync(file, { readOnly: true });
  const rows = sql.prepare('SELECT * FROM item ORDER BY id').all();
  sql.close();
  return rows.map((row) => ({ ...row }));
}

const row = (data: StoredRow['data'], deleted = false): StoredRow => ({ data, deleted });

test('rows are kept by key, columns come as they appear, and the position goes with them', () => {
  const file = newFile();
  const store = open(file);
  expect(store.since).toBe(0);
  store.apply([row({ id: 1, a: 'x' }), row({ id: 2, a: 'y' })], 7);
  store.apply([row({ id: 1, a: 'z', b: true }), row({ id: 2 }, true)], '0-1-2');
  expect(held(file)).toEqual([{ id: 1, a: 'z', b: 1 }]);
  expect(open(file).since).toBe('0-1-2');
});

test('a column that a row lacks keeps its value: the log leaves out large ones that did not change', () => {
  const file = newFile();
  const store = open(file);
  store.apply([row({ id: 1, name: 'a', large: 'L' })], 1);
  store.apply([row({ id: 1, name: 'b' })], 2);
  expect(held(file)).toEqual([{ id: 1, name: 'b', large: 'L' }]);
});

test('a table with another key, a file of something else, and a reserved name are refused with a remedy', () => {
  const file = newFile();
  open(file).apply([row({ id: 1 })], 1);
  const attempts: (() => unknown)[] = [
    () => open(file, ['name']),
    () => open(file, ['id'], 'tidelock_lockstep'),
    () => open(file, ['id'], 'sqlite_master'),
  ];
  const junk = newFile();
  writeFileSync(junk, 'x'.repeat(5000));
  attempts.push(() => open(junk));
  for (const attempt of attempts) {
    expect(attempt).toThrow(
      expect.objectContaining({ code: 'REPLICA_UNFIT', hint: expect.any(String) }),
    );
  }
  expect(held(file)).toEqual([{ id: 1 }]);
});

test('a row without the key changes nothing, nor do those before it', () => {
  const file = newFile();
  const store = open(file);
  const apply = (): void => store.apply([row({ id: 1, a: 1 }), row({ a: 2 })], 9);
  expect(apply).toThrow(expect.objectContaining({ code: 'REPLICA_UNFIT' }));
  expect(held(file)).toEqual([]);
  expect(store.since).toBe(0);
});
