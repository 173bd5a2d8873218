/** The change log under crashes, torn files and file size limits. Real processes, real files. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { hasCode } from '../../src/core/errors.ts';
import type { LogStore } from '../../src/log/port.ts';
import { openLogStore } from '../../src/sqlite/log-store.ts';
import { bodyOf } from '../support/log-appender.ts';
import { newGroup } from '../unit/log/groups.ts';
import { temporaryFolder } from '../unit/sqlite/replicas.ts';

const APPENDER = fileURLToPath(new URL('../support/log-appender.ts', import.meta.url));

type Work = { readonly groups: number; readonly bodyBytes: number; readonly mergeEvery?: number };

function appenderFor(dir: string, { groups, bodyBytes, mergeEvery = 0 }: Work): readonly string[] {
  return [APPENDER, dir, String(groups), String(bodyBytes), String(mergeEvery)];
}

/** Runs the appender until it kills itself; returns what it was promised. */
function appendAndDie(dir: string, work: Work): number {
  const child = spawnSync(process.execPath, appenderFor(dir, work));
  expect(child.signal).toBe('SIGKILL');
  return Number(child.stdout.toString().trim().split('\n').at(-1));
}

/** Every transaction there is has its own content, and none is missing in between. Returns how many. */
function expectPrefix(log: LogStore, bodyBytes: number): number {
  let count = 0;
  for (const head of log.heads) {
    const { content } = log.read(head.seq);
    const expected = Array.from({ length: head.txCount }, (_, at) => count + at + 1);
    expect(content.transactions.filter((_, at) => at % 3 === 0)).toEqual(
      Float64Array.from(expected, (seq) => 100 + seq),
    );
    const bodies = expected.map((seq) => bodyOf(seq, bodyBytes)).join('');
    expect(Buffer.from(content.body).toString() === bodies).toBe(true);
    count += head.txCount;
    expect(head).toMatchObject({ seq: count, lastTs: 100 + count });
  }
  expect(log.upper).toBe(100 + count);
  return count;
}

/** Kills the appender once it has acknowledged so many groups, for each of the numbers. */
async function expectPromisesKept(work: Work, moments: readonly number[]): Promise<void> {
  for (const moment of moments) {
    using folder = temporaryFolder();
    const child = spawn(process.execPath, appenderFor(folder.path, work), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    let acknowledged = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(line);
      if (acknowledged === moment) child.kill('SIGKILL');
    }
    await exit;
    // The dead process' lock is gone: nothing has to be removed by hand.
    const log = openLogStore({ dir: folder.path });
    expect(expectPrefix(log, work.bodyBytes)).toBeGreaterThanOrEqual(acknowledged);
    log.close();
  }
}

test('P29: what was acknowledged before a kill -9 is there afterwards, whenever it comes', async () => {
  await expectPromisesKept({ groups: 100_000, bodyBytes: 20_000 }, [1, 3, 10, 40, 150]);
});

test('P29: a kill -9 while groups are merged loses nothing', async () => {
  const work = { groups: 100_000, bodyBytes: 200, mergeEvery: 16 };
  await expectPromisesKept(work, [16, 17, 64, 129, 640, 1000]);
});

test.each([0, 8])(
  'P29 F21: a write-ahead log that is cut anywhere leaves a prefix, and appending goes on, merged by %i',
  (mergeEvery) => {
    using folder = temporaryFolder();
    const source = join(folder.path, 'source');
    expect(appendAndDie(source, { groups: 60, bodyBytes: 3000, mergeEvery })).toBe(60);
    const walBytes = statSync(join(source, 'log.db-wal')).size;
    const lengths = new Set<number>();
    for (let trial = 0; trial < 40; trial += 1) {
      const dir = join(folder.path, `cut-${trial}`);
      cpSync(source, dir, { recursive: true });
      truncateSync(join(dir, 'log.db-wal'), Math.floor((walBytes * trial * 0.999) / 40));
      const log = openLogStore({ dir });
      lengths.add(expectPrefixAndAppend(log, 3000));
      log.close();
    }
    // The cuts did hit: many different prefixes came out.
    expect(lengths.size).toBeGreaterThan(10);
  },
);

/** Returns how many transactions there were. */
function expectPrefixAndAppend(log: LogStore, bodyBytes: number): number {
  if (log.identity === null) {
    expect(log.heads).toEqual([]);
    return 0;
  }
  const count = expectPrefix(log, bodyBytes);
  log.append([newGroup(101 + count, { body: bodyOf(count + 1, bodyBytes) })]);
  expect(expectPrefix(log, bodyBytes)).toBe(count + 1);
  return count;
}

test('P29 F21: a flipped bit in the write-ahead log leaves a prefix', () => {
  using folder = temporaryFolder();
  const source = join(folder.path, 'source');
  appendAndDie(source, { groups: 60, bodyBytes: 3000 });
  const wal = readFileSync(join(source, 'log.db-wal'));
  let shortened = 0;
  for (let trial = 0; trial < 40; trial += 1) {
    const dir = join(folder.path, `flip-${trial}`);
    cpSync(source, dir, { recursive: true });
    const damaged = Buffer.from(wal);
    const position = (trial * 7919 * 1031) % wal.length;
    damaged[position] = (damaged[position] ?? 0) ^ (1 << (trial % 8));
    writeFileSync(join(dir, 'log.db-wal'), damaged);
    const log = openLogStore({ dir });
    if (log.heads.length < 60) shortened += 1;
    expectPrefixAndAppend(log, 3000);
    log.close();
  }
  expect(shortened).toBeGreaterThan(20);
});

test('P29 F21: damage to what was long stored is found, never served', () => {
  using folder = temporaryFolder();
  const source = join(folder.path, 'source');
  appendAndDie(source, { groups: 60, bodyBytes: 3000 });
  openLogStore({ dir: source }).close();
  const file = readFileSync(join(source, 'log.db'));
  let found = 0;
  for (let trial = 0; trial < 60; trial += 1) {
    const dir = join(folder.path, `rot-${trial}`);
    cpSync(source, dir, { recursive: true });
    const damaged = Buffer.from(file);
    const position = 100 + ((trial * 7919 * 1031) % (file.length - 100));
    damaged[position] = (damaged[position] ?? 0) ^ (1 << (trial % 8));
    writeFileSync(join(dir, 'log.db'), damaged);
    if (isDamageFound(dir)) found += 1;
  }
  expect(found).toBeGreaterThan(20);
});

/** Reads everything; whatever comes out must be right. */
function isDamageFound(dir: string): boolean {
  let log: LogStore | undefined;
  try {
    log = openLogStore({ dir });
    expectPrefix(log, 3000);
    return false;
  } catch (error) {
    if (hasCode(error, 'LOG_CORRUPT') || hasCode(error, 'LOG_UNFIT')) return true;
    throw error;
  } finally {
    log?.close();
  }
}

test('P29 F20: at a file size limit nothing is lost, and the log goes on when the limit is gone', () => {
  for (const blocks of [300, 500, 1000, 1777]) {
    using folder = temporaryFolder();
    const child = spawnSync('sh', [
      '-c',
      'ulimit -f "$1"; shift; exec "$@"',
      'sh',
      String(blocks),
      process.execPath,
      APPENDER,
      folder.path,
      '10000',
      '9000',
    ]);
    const lines = child.stdout.toString().trim().split('\n');
    const acknowledged = lines.filter((line) => /^\d+$/.test(line)).length;
    expect(acknowledged).toBeGreaterThan(0);
    expect(lines.slice(-2)).toEqual([
      `failed LOG_WRITE_FAILED ${acknowledged}`,
      `again LOG_WRITE_FAILED ${acknowledged}`,
    ]);
    const log = openLogStore({ dir: folder.path });
    expect(log.heads.length).toBe(acknowledged);
    expectPrefixAndAppend(log, 9000);
    log.close();
  }
});
