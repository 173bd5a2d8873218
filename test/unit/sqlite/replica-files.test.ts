import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { hasCode, TidelockError } from '../../../src/core/errors.ts';
import type { RowChange } from '../../../src/core/row-change.ts';
import { adoptSnapshotFile, ReplicaFiles } from '../../../src/sqlite/replica-files.ts';
import { openReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { commit, emptyReplica, tableOf, temporaryFolder, ts } from './replicas.ts';

const TABLE = tableOf('public.t', ['id|int', 'note'], ['id']);

function insert(id: number, note = 'x'): RowChange {
  return { type: 'insert', table: TABLE.name, selector: '*', row: [id, note] };
}

function codeOf(work: () => unknown): string {
  try {
    work();
    return 'ok';
  } catch (error) {
    return error instanceof TidelockError ? error.code : String(error);
  }
}

/** The bytes of a snapshot file with one row. */
function snapshotBytes(folder: string): Buffer {
  const file = join(folder, 'served.db');
  const store = emptyReplica(file, [TABLE]);
  commit(store, 101, [insert(1)]);
  store.close();
  return readFileSync(file);
}

test('one process writes, the next one may when it is done', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  const first = new ReplicaFiles({ file });
  const second = new ReplicaFiles({ file });
  first.lock();
  first.lock();
  expect(codeOf(() => second.lock())).toBe('REPLICA_IN_USE');
  first.close();
  second.lock();
  second.close();
});

test('readers need no lock', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  const files = new ReplicaFiles({ file });
  files.lock();
  const store = emptyReplica(file, [TABLE]);
  commit(store, 101, [insert(1)]);
  const reader = openReplicaStore({ file, isReadOnly: true });
  expect(reader.identity.position).toBe(101);
  expect(reader.digests()).toEqual(store.digests());
  reader.close();
  store.close();
  files.close();
});

test('a replica that nobody writes can be verified read-only', async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  const store = emptyReplica(file, [TABLE]);
  commit(store, 101, [insert(1)]);
  store.close();
  const before = statSync(file);
  const reader = openReplicaStore({ file, isReadOnly: true });
  expect(await reader.scanDigests()).toEqual(reader.digests());
  expect(codeOf(() => reader.setState('live'))).toBe('REPLICA_WRITE_FAILED');
  reader.close();
  expect(statSync(file).mtimeMs).toBe(before.mtimeMs);
});

test('there is no replica where there is no file', () => {
  using folder = temporaryFolder();
  expect(new ReplicaFiles({ file: join(folder.path, 'r.db') }).open()).toBeNull();
});

test('a download becomes the replica at one instant, with its owner in it', async () => {
  using folder = temporaryFolder();
  const bytes = snapshotBytes(folder.path);
  const file = join(folder.path, 'r.db');
  const files = new ReplicaFiles({ file });
  files.lock();
  const download = files.download();
  await download.write(bytes.subarray(0, 5000));
  await download.write(bytes.subarray(5000));
  expect(files.open()).toBeNull();
  const store = await download.adopt({ replica: 'me', server: 'http://s' });
  expect(store.identity).toMatchObject({ replica: 'me', server: 'http://s', position: 101 });
  download.discard();
  commit(store, 102, [insert(2)]);
  store.close();
  expect(files.open()?.identity.position).toBe(102);
  files.close();
  const left = readdirSync(folder.path).filter((name) => name.includes('download'));
  expect(left).toEqual([]);
});

test('a download that is cut, damaged or something else is refused and can be tried again', async () => {
  using folder = temporaryFolder();
  const bytes = snapshotBytes(folder.path);
  const files = new ReplicaFiles({ file: join(folder.path, 'r.db') });
  const foreign = join(folder.path, 'foreign.db');
  new DatabaseSync(foreign).exec('CREATE TABLE t (a)');
  const wrong = [
    Buffer.alloc(0),
    bytes.subarray(0, 50),
    bytes.subarray(0, bytes.length - 1),
    bytes.subarray(0, 4096),
    Buffer.from('<html>'.repeat(1000)),
    readFileSync(foreign),
  ];
  for (const content of wrong) {
    const download = files.download();
    if (content.length > 0) await download.write(content);
    await expect(download.adopt({ replica: 'me', server: 's' })).rejects.toMatchObject({
      code: 'PROTOCOL',
    });
    download.discard();
    expect(files.open()).toBeNull();
  }
  const download = files.download();
  await download.write(bytes);
  (await download.adopt({ replica: 'me', server: 's' })).close();
});

test('downloads of dead processes are removed with the lock', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  writeFileSync(`${file}.download-1`, 'x');
  writeFileSync(join(folder.path, 'other.db.download-1'), 'x');
  const files = new ReplicaFiles({ file });
  files.lock();
  files.close();
  expect(readdirSync(folder.path).sort()).toEqual(['other.db.download-1', 'r.db.lock']);
});

test('what a removed replica left behind does not become part of the new one', async () => {
  using folder = temporaryFolder();
  const bytes = snapshotBytes(folder.path);
  const file = join(folder.path, 'r.db');
  writeFileSync(`${file}-wal`, 'old');
  writeFileSync(`${file}-journal`, 'old');
  const files = new ReplicaFiles({ file });
  const download = files.download();
  await download.write(bytes);
  const store = await download.adopt({ replica: 'me', server: 's' });
  expect(await store.scanDigests()).toEqual(store.digests());
  store.close();
});

test('a download never replaces a file that is there', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  emptyReplica(file, [TABLE]).close();
  writeFileSync(`${file}.new`, 'x');
  expect(codeOf(() => adoptSnapshotFile(file, `${file}.new`))).toBe('REPLICA_IN_USE');
});

test.each([
  ['another SQLite file', (file: string) => new DatabaseSync(file).exec('CREATE TABLE t (a)')],
  ['an empty file', (file: string) => writeFileSync(file, '')],
  ['a text', (file: string) => writeFileSync(file, 'hello '.repeat(1000))],
  [
    'a replica of a newer format',
    (file: string) => {
      emptyReplica(file, [TABLE]).close();
      new DatabaseSync(file).exec('PRAGMA user_version = 4');
    },
  ],
  [
    'a replica without its position',
    (file: string) => {
      emptyReplica(file, [TABLE]).close();
      new DatabaseSync(file).exec('DELETE FROM tidelock_replica');
    },
  ],
])('%s is not followed into', (_, make) => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  make(file);
  const before = readFileSync(file);
  expect(codeOf(() => openReplicaStore({ file }))).toBe('REPLICA_UNFIT');
  expect(readFileSync(file).equals(before)).toBe(true);
});

test('a file with the digests of protocol 1 gets those of this one when it is written, not before', async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  const store = emptyReplica(file, [TABLE]);
  commit(store, 101, [insert(1, 'a'), insert(2, 'é')]);
  const digests = store.digests();
  store.close();
  const sql = new DatabaseSync(file);
  sql.exec('PRAGMA user_version = 1; UPDATE tidelock_replica SET format = 1');
  sql.exec("UPDATE tidelock_digests SET digest = '7deb7e37e57453927253c82a9120dde1'");
  sql.close();
  expect(codeOf(() => openReplicaStore({ file, isReadOnly: true }))).toBe('REPLICA_UNFIT');
  const opened = openReplicaStore({ file });
  expect(opened.digests()).toEqual(digests);
  expect(await opened.scanDigests()).toEqual(digests);
  expect(opened.identity.position).toBe(ts(101));
  opened.close();
  openReplicaStore({ file, isReadOnly: true }).close();
});

test('the write-ahead log shrinks again when the reader that held it is gone', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  const store = emptyReplica(file, [TABLE]);
  const reader = new DatabaseSync(file, { readOnly: true });
  reader.exec('BEGIN');
  reader.prepare('SELECT count(*) FROM t').get();
  const grow = (from: number): void => {
    for (let id = from; id < from + 200; id += 1) {
      commit(store, 101 + id, [insert(id, 'x'.repeat(30_000))]);
    }
  };
  grow(0);
  const held = store.walBytes;
  expect(held).toBeGreaterThan(6_000_000);
  reader.exec('COMMIT');
  reader.close();
  grow(1000);
  expect(store.walBytes).toBeLessThan(held + 8_000_000);
  store.close();
  expect(readdirSync(folder.path)).toEqual(['r.db']);
});

test('a failed write of a download says why', async () => {
  using folder = temporaryFolder();
  const files = new ReplicaFiles({ file: join(folder.path, 'missing', 'r.db') });
  expect(codeOf(() => files.lock())).toBe('REPLICA_WRITE_FAILED');
  const writing = files.download().write(Buffer.alloc(2 * 1024 * 1024));
  const failure: unknown = await writing.catch((error: unknown) => error);
  expect(hasCode(failure, 'REPLICA_WRITE_FAILED')).toBe(true);
});

test('following goes on while the file is scanned', async () => {
  using folder = temporaryFolder();
  const store = emptyReplica(join(folder.path, 'r.db'), [TABLE]);
  commit(
    store,
    101,
    Array.from({ length: 10_000 }, (_, id) => insert(id)),
  );
  const before = store.digests();
  const scan = store.scanDigests();
  commit(store, 102, [{ type: 'truncate', table: TABLE.name }]);
  expect(await scan).toEqual(before);
  expect(store.identity.position).toBe(ts(102));
  store.close();
});
