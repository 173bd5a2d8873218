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

/** Runs the appender until it kills itself; returns what it was promised. */
function appendAndDie(dir: string, groups: number, bodyBytes: number): number {
  const child = spawnSync(process.execPath, [APPENDER, dir, String(groups), String(bodyBytes)]);
  expect(child.signal).toBe('SIGKILL');
  return Number(child.stdout.toString().trim().split('\n').at(-1));
}

/** Every group there is has its own content, and none is missing in between. */
function expectPrefix(log: LogStore, bodyBytes: number): void {
  log.heads.forEach((head, index) => {
    expect(head.seq).toBe(index + 1);
    expect(head.lastTs).toBe(101 + index);
    const body = Buffer.from(log.read(head.seq).content.body).toString();
    expect(body).toBe(bodyOf(head.seq, bodyBytes));
  });
  expect(log.upper).toBe(100 + log.heads.length);
}

test('P29: what was acknowledged before a kill -9 is there afterwards, whenever it comes', async () => {
  const moments = [1, 3, 10, 40, 150];
  for (const moment of moments) {
    using folder = temporaryFolder();
    const child = spawn(process.execPath, [APPENDER, folder.path, '100000', '20000'], {
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
    expect(log.heads.length).toBeGreaterThanOrEqual(acknowledged);
    expectPrefix(log, 20_000);
    log.close();
  }
});

test('P29 F21: a write-ahead log that is cut anywhere leaves a prefix, and appending goes on', () => {
  using folder = temporaryFolder();
  const source = join(folder.path, 'source');
  const groups = appendAndDie(source, 60, 3000);
  expect(groups).toBe(60);
  const walBytes = statSync(join(source, 'log.db-wal')).size;
  const lengths = new Set<number>();
  for (let trial = 0; trial < 40; trial += 1) {
    const dir = join(folder.path, `cut-${trial}`);
    cpSync(source, dir, { recursive: true });
    truncateSync(join(dir, 'log.db-wal'), Math.floor((walBytes * trial * 0.999) / 40));
    const log = openLogStore({ dir });
    expectPrefixAndAppend(log, 3000);
    lengths.add(log.heads.length);
    log.close();
  }
  // The cuts did hit: many different prefixes came out.
  expect(lengths.size).toBeGreaterThan(10);
});

function expectPrefixAndAppend(log: LogStore, bodyBytes: number): void {
  if (log.identity === null) {
    expect(log.heads).toEqual([]);
    return;
  }
  expectPrefix(log, bodyBytes);
  const next = log.heads.length + 1;
  log.append([newGroup(100 + next, { body: bodyOf(next, bodyBytes) })]);
  expectPrefix(log, bodyBytes);
}

test('P29 F21: a flipped bit in the write-ahead log leaves a prefix', () => {
  using folder = temporaryFolder();
  const source = join(folder.path, 'source');
  appendAndDie(source, 60, 3000);
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
  appendAndDie(source, 60, 3000);
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
