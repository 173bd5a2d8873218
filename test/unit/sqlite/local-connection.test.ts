import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { TableDef } from '../../../src/core/table.ts';
import { LocalConnection } from '../../../src/sqlite/local-connection.ts';
import { openReplicaStore, type ReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { addSyncFunctions, type SyncCommand } from '../../../src/sqlite/sync-functions.ts';
import { uuidV7 } from '../../../src/sqlite/uuid.ts';
import { emptyReplica, temporaryFolder } from './replicas.ts';

const NOTE: TableDef = {
  name: 'public.note',
  columns: [
    { name: 'id', type: 'text', kind: 'text' },
    { name: 'n', type: 'bigint', kind: 'bigint' },
  ],
  ...{ key: ['id'], indexes: [], selector: { kind: 'everyone' } },
  twoway: { versions: 'tidelock.versions_public_note', columns: ['n'] },
};
const VERSIONS: TableDef = {
  name: 'tidelock.versions_public_note',
  columns: [
    { name: 'id', type: 'text', kind: 'text' },
    { name: 'tidelock_cl', type: 'bigint', kind: 'bigint' },
    { name: 'tidelock_versions', type: 'integer[]', kind: 'text' },
  ],
  ...{ key: ['id'], indexes: [], selector: { kind: 'everyone' } },
};

function open(): { store: ReplicaStore; connection: LocalConnection } {
  const folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  emptyReplica(file, [NOTE, VERSIONS]).close();
  const store = openReplicaStore({ file, isWritten: true });
  const connection = new LocalConnection(file);
  onTestFinished(() => {
    connection.close();
    store.close();
    folder[Symbol.dispose]();
  });
  return { store, connection };
}

/** How many changes each local transaction has. */
function transactions({ local }: ReplicaStore): readonly number[] {
  local?.seal();
  const counts: number[] = [];
  for (const line of local?.nextUpload(0, 1_000_000)?.lines ?? []) {
    if (line.startsWith('["t"')) counts.push(0);
    else counts.push((counts.pop() ?? 0) + 1);
  }
  return counts;
}

test('what stands between BEGIN and COMMIT is one local transaction, any other statement is one alone', () => {
  const { store, connection } = open();
  const statements = [
    `INSERT INTO note VALUES ('a', 1), ('b', 2);`,
    `UPDATE note SET n = 3 WHERE id = 'a';`,
    'BEGIN;',
    `INSERT INTO note VALUES ('c', 1);`,
    'SELECT * FROM note;',
    `DELETE FROM note WHERE id = 'b';`,
    '-- both of them\n COMMIT;',
    `WITH x AS (SELECT 'd' AS id) INSERT INTO note SELECT id, 1 FROM x;`,
    'BEGIN IMMEDIATE;',
    'DELETE FROM note;',
    'ROLLBACK;',
    `INSERT INTO note VALUES ('e', 1);`,
  ];
  for (const statement of statements) connection.run(statement);
  expect(transactions(store)).toEqual([2, 1, 2, 1, 1]);
});

test('a transaction of a function ends where the function ends, whoever writes before and after it', () => {
  const { store, connection } = open();
  const other = connection.database;
  other.exec(`INSERT INTO note VALUES ('before', 1)`);
  connection.transaction((db) => db.exec(`INSERT INTO note VALUES ('x', 1), ('y', 1)`));
  other.exec(`INSERT INTO note VALUES ('after', 1)`);
  expect(transactions(store)).toEqual([1, 2, 1]);
});

test('results have columns and rows, writes how many rows they changed; big integers stay whole', () => {
  const { connection } = open();
  expect(connection.run(`INSERT INTO note VALUES ('a', 9007199254740993)`)).toEqual({
    ...{ columns: [], rows: [], changes: 1 },
  });
  expect(connection.run('SELECT id, n FROM note')).toEqual({
    ...{ columns: ['id', 'n'], rows: [['a', 9007199254740993n]], changes: null },
  });
  expect(connection.run(`DELETE FROM note RETURNING id`).rows).toEqual([['a']]);
});

test('SQL can synchronise, but not inside of a transaction', () => {
  const { connection } = open();
  const calls: SyncCommand[] = [];
  addSyncFunctions(connection.database, (command) => {
    calls.push(command);
    return { sent: 1 };
  });
  expect(connection.run('SELECT tidelock_sync() AS done').rows).toEqual([['{"sent":1}']]);
  connection.run('BEGIN');
  expect(() => connection.run('SELECT tidelock_send()')).toThrow('still open');
  connection.run('COMMIT');
  expect(calls).toEqual(['sync']);
});

test('a UUIDv7 has the form of RFC 9562, and later ones are greater', () => {
  const { connection } = open();
  const [[id] = []] = connection.run('SELECT tidelock_uuid()').rows;
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const random = new Uint8Array(10).fill(0xff);
  expect(uuidV7(0x0199_aabb_ccdd, random)).toBe('0199aabb-ccdd-7fff-bfff-ffffffffffff');
  expect(uuidV7(2 ** 40, new Uint8Array(10)) > uuidV7(2 ** 40 - 1, random)).toBe(true);
});
