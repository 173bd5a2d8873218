/** Replicas under readers in other processes, kill -9 and file size limits. Real processes, real files. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { hasCode } from '../../src/core/errors.ts';
import { ReplicaFiles } from '../../src/sqlite/replica-files.ts';
import { openReplicaStore, type ReplicaStore } from '../../src/sqlite/replica-store.ts';
import {
  ACCOUNT,
  firstRows,
  STAMP,
  START_POSITION,
  TOTAL,
  transferAt,
} from '../support/transfers.ts';
import {
  commit,
  emptyReplica,
  ReplicaModel,
  temporaryFolder,
  ts,
} from '../unit/sqlite/replicas.ts';

const READER = fileURLToPath(new URL('../support/replica-reader.ts', import.meta.url));
const WRITER = fileURLToPath(new URL('../support/replica-writer.ts', import.meta.url));

function startReplica(file: string): ReplicaStore {
  const store = emptyReplica(file, [ACCOUNT, STAMP]);
  commit(store, START_POSITION, firstRows());
  return store;
}

function lines(text: string): readonly string[] {
  return text.trim().split('\n');
}

test('P5: another process that reads without pause only sees whole transactions', async () => {
  using folder = temporaryFolder();
  const store = startReplica(join(folder.path, 'r.db'));
  const reader = spawn(process.execPath, [READER, store.file, String(TOTAL)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exit = once(reader, 'exit');
  let output = '';
  for await (const line of createInterface({ input: reader.stdout })) {
    output = line;
    if (line !== 'ready') continue;
    let position = START_POSITION;
    for (let round = 0; round < 1500; round += 1) {
      const transaction = store.begin();
      for (let index = 0; index <= round % 5; index += 1) {
        position += 1;
        transaction.apply(transferAt(position));
      }
      transaction.commit(ts(position));
    }
    reader.stdin.end();
  }
  await exit;
  const report = JSON.parse(output) as { looks: number; positions: number; wrong: string[] };
  expect(report.wrong).toEqual([]);
  // The reader was really there in between, not only before and after.
  expect(report.positions).toBeGreaterThan(20);
  store.close();
});

test('P1 P2 P19: after a kill -9 the replica is at a whole position and goes on from there', async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  startReplica(file).close();
  const model = new ReplicaModel([ACCOUNT, STAMP]);
  model.apply(firstRows());
  let modelPosition = START_POSITION;
  for (const moment of [1, 5, 30, 100, 333]) {
    const writer = spawn(process.execPath, [WRITER, file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(writer, 'exit');
    let promised = 0;
    let count = 0;
    for await (const line of createInterface({ input: writer.stdout })) {
      promised = Number(line);
      count += 1;
      if (count === moment) writer.kill('SIGKILL');
    }
    await exit;
    // No lock of the dead process is in the way.
    const files = new ReplicaFiles({ file });
    files.lock();
    const store = files.open();
    expect(store?.identity.position).toBeGreaterThanOrEqual(promised);
    const position = store?.identity.position ?? 0;
    while (modelPosition < position) {
      modelPosition += 1;
      model.apply(transferAt(modelPosition));
    }
    expect(store?.digests()).toEqual(model.digests());
    expect(await store?.scanDigests()).toEqual(model.digests());
    store?.close();
    files.close();
  }
});

test('while one process follows another cannot, and reading goes on', async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  startReplica(file).close();
  const writer = spawn(process.execPath, [WRITER, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(writer, 'exit');
  for await (const _ of createInterface({ input: writer.stdout })) {
    if (writer.killed) continue;
    const files = new ReplicaFiles({ file });
    expect(() => files.lock()).toThrow(expect.objectContaining({ code: 'REPLICA_IN_USE' }));
    const reader = openReplicaStore({ file, isReadOnly: true });
    expect(reader.identity.position).toBeGreaterThan(START_POSITION);
    reader.close();
    writer.kill('SIGKILL');
  }
  await exit;
});

test('F20: at a file size limit the replica keeps its position', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  startReplica(file).close();
  const child = spawnSync('sh', [
    '-c',
    'ulimit -f "$1"; shift; exec "$@"',
    'sh',
    '700',
    process.execPath,
    WRITER,
    file,
  ]);
  expect(child.stderr.toString()).toContain('REPLICA_WRITE_FAILED');
  const promised = Number(lines(child.stdout.toString()).at(-1));
  expect(promised).toBeGreaterThan(START_POSITION);
  const store = openReplicaStore({ file });
  expect(store.identity.position).toBe(promised);
  const model = new ReplicaModel([ACCOUNT, STAMP]);
  model.apply(firstRows());
  for (let position = START_POSITION + 1; position <= promised; position += 1) {
    model.apply(transferAt(position));
  }
  expect(store.digests()).toEqual(model.digests());
  commit(store, promised + 1, transferAt(promised + 1));
  store.close();
});

test('a replica that cannot be opened for lack of rights says so', () => {
  expect(() => openReplicaStore({ file: '/nonexistent/r.db' })).toThrow(
    expect.toSatisfy((error: unknown) => hasCode(error, 'REPLICA_WRITE_FAILED')),
  );
});
