import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { TidelockError } from '../../../src/core/errors.ts';
import type { LogStore } from '../../../src/log/port.ts';
import { openLogStore } from '../../../src/sqlite/log-store.ts';
import { anIdentity, aTable, contentOf, newGroup, stagedPart } from '../log/groups.ts';
import { temporaryFolder } from './replicas.ts';

function failureOf(work: () => unknown): TidelockError {
  try {
    work();
  } catch (error) {
    if (error instanceof TidelockError) return error;
    throw error;
  }
  throw new Error('it was expected to fail');
}

/** Changes the file behind the store's back. */
function tamper(dir: string, ...statements: readonly string[]): void {
  const sql = new DatabaseSync(join(dir, 'log.db'));
  for (const statement of statements) sql.exec(statement);
  sql.close();
}

function filled(dir: string): LogStore {
  const log = openLogStore({ dir });
  log.reset(anIdentity(), [aTable()]);
  log.append([newGroup(110), newGroup(120)]);
  return log;
}

test('a log that is open elsewhere cannot be opened, and is not harmed by the attempt', () => {
  using folder = temporaryFolder();
  const log = filled(folder.path);
  const failure = failureOf(() => openLogStore({ dir: folder.path }));
  expect(failure.code).toBe('LOG_IN_USE');
  expect(failure.message).toContain(folder.path);
  log.append([newGroup(130)]);
  log.close();
  const again = openLogStore({ dir: folder.path });
  expect(again.heads.length).toBe(3);
  again.close();
});

test('a folder is made when it does not exist', () => {
  using folder = temporaryFolder();
  const dir = join(folder.path, 'a', 'b');
  openLogStore({ dir }).close();
  openLogStore({ dir }).close();
});

test('a folder that cannot be made is a failed write', () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, 'file'), '');
  const failure = failureOf(() => openLogStore({ dir: join(folder.path, 'file', 'log') }));
  expect(failure.code).toBe('LOG_WRITE_FAILED');
});

test('a log of a newer format is refused', () => {
  using folder = temporaryFolder();
  filled(folder.path).close();
  tamper(folder.path, 'PRAGMA user_version = 3');
  const failure = failureOf(() => openLogStore({ dir: folder.path }));
  expect(failure).toMatchObject({
    code: 'LOG_UNFIT',
    message: expect.stringContaining('format 3'),
  });
});

test.each([
  ['another SQLite file', (file: string) => new DatabaseSync(file).exec('CREATE TABLE t (a)')],
  ['no SQLite file', (file: string) => writeFileSync(file, 'hello '.repeat(1000))],
])('%s is not taken for a log', (_, make) => {
  using folder = temporaryFolder();
  make(join(folder.path, 'log.db'));
  expect(failureOf(() => openLogStore({ dir: folder.path })).code).toBe('LOG_UNFIT');
});

test.each([
  'UPDATE log_body SET body = zeroblob(length(body)) WHERE id = 2',
  'UPDATE log_group SET segments = zeroblob(length(segments)) WHERE seq = 2',
  'UPDATE log_group SET transactions = zeroblob(length(transactions)) WHERE seq = 2',
  'DELETE FROM log_body WHERE id = 2',
])('P29: a damaged group is found when it is read, others are served: %s', (damage) => {
  using folder = temporaryFolder();
  filled(folder.path).close();
  tamper(folder.path, damage);
  const log = openLogStore({ dir: folder.path });
  expect(failureOf(() => log.read(2)).code).toBe('LOG_CORRUPT');
  expect(contentOf(log.read(1))).toEqual(contentOf(newGroup(110)));
  log.close();
});

test.each([
  'UPDATE log_group SET last_ts = 119 WHERE seq = 2',
  `UPDATE log_group SET selectors = '["DE"]' WHERE seq = 2`,
  'UPDATE log_group SET has_all = 1 WHERE seq = 2',
  'UPDATE log_group SET first_seq = 1 WHERE seq = 2',
  'DELETE FROM log_group WHERE seq = 1',
  `UPDATE log_state SET value = replace(value, '100', '90') WHERE name = 'frontier'`,
  `UPDATE log_state SET value = replace(value, '7301', '7302') WHERE name = 'identity'`,
])('P29: a damaged head or fact is found when the log is opened: %s', (damage) => {
  using folder = temporaryFolder();
  filled(folder.path).close();
  tamper(folder.path, damage);
  expect(failureOf(() => openLogStore({ dir: folder.path })).code).toBe('LOG_CORRUPT');
});

test('P29: a damaged group is not merged, and stays what it was', () => {
  using folder = temporaryFolder();
  filled(folder.path).close();
  tamper(folder.path, 'UPDATE log_body SET body = zeroblob(length(body)) WHERE id = 2');
  const log = openLogStore({ dir: folder.path });
  expect(failureOf(() => log.merge(1, 2)).code).toBe('LOG_CORRUPT');
  expect(log.heads.map(({ seq }) => seq)).toEqual([1, 2]);
  expect(contentOf(log.read(1))).toEqual(contentOf(newGroup(110)));
  log.close();
});

test('P29: merged groups take each other’s place in the file', () => {
  using folder = temporaryFolder();
  const log = filled(folder.path);
  for (let ts = 130; ts < 1130; ts += 10) log.append([newGroup(ts)]);
  log.merge(1, 100);
  log.merge(100, 102);
  log.close();
  const sql = new DatabaseSync(join(folder.path, 'log.db'));
  expect(sql.prepare('SELECT count(*) AS n FROM log_body').get()?.n).toBe(1);
  expect(sql.prepare('SELECT first_seq, seq FROM log_group').all()).toEqual([
    { first_seq: 1, seq: 102 },
  ]);
  sql.close();
});

test('the space of purged groups is used again, and a purge takes bounded steps', () => {
  using folder = temporaryFolder();
  const log = openLogStore({ dir: folder.path });
  log.reset(anIdentity(), []);
  const body = 'x'.repeat(1024 * 1024);
  const sizes: number[] = [];
  for (let index = 0; index < 60; index += 1) {
    const [head] = log.append([newGroup(110 + index, { body })]);
    if (index >= 20 && head !== undefined) log.purge(head.seq - 20);
    sizes.push(statSync(join(folder.path, 'log.db')).size);
  }
  expect(log.heads.length).toBe(20);
  expect(Math.max(...sizes)).toBeLessThan(30 * 1024 * 1024);
  log.purge(log.heads.at(-1)?.seq ?? 0);
  log.close();
  const sql = new DatabaseSync(join(folder.path, 'log.db'));
  const left = Number(sql.prepare('SELECT count(*) AS n FROM log_body').get()?.n);
  sql.close();
  // One call frees 8 MiB at most; the rest waits for later calls.
  expect(left).toBeGreaterThan(10);
  openLogStore({ dir: folder.path }).close();
  openLogStore({ dir: folder.path }).close();
  openLogStore({ dir: folder.path }).close();
  const swept = new DatabaseSync(join(folder.path, 'log.db'));
  expect(swept.prepare('SELECT count(*) AS n FROM log_body').get()?.n).toBe(0);
  swept.close();
});

test('pieces of transactions that were open when the process ended are swept', () => {
  using folder = temporaryFolder();
  const log = filled(folder.path);
  for (let piece = 0; piece < 5; piece += 1) log.stage(7, stagedPart('x'.repeat(1000)));
  log.close();
  openLogStore({ dir: folder.path }).close();
  const sql = new DatabaseSync(join(folder.path, 'log.db'));
  expect(sql.prepare('SELECT count(*) AS n FROM log_stage').get()?.n).toBe(0);
  expect(sql.prepare('SELECT count(*) AS n FROM log_body').get()?.n).toBe(2);
  sql.close();
});
