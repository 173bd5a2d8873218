import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hasCode, TidelockError } from '../../../src/core/errors.ts';
import type { LogStore } from '../../../src/log/port.ts';
import { openLogStore, openLogStoreOn } from '../../../src/sqlite/log-store.ts';
import { openSql, type Sql } from '../../../src/sqlite/sql.ts';
import {
  aLease,
  anIdentity,
  aTable,
  contentOf,
  lsn,
  newGroup,
  sealedOf,
  stagedPart,
} from '../log/groups.ts';
import { FailingSql } from './failing-sql.ts';
import { temporaryFolder } from './replicas.ts';

/** More calls than any operation makes: the loop's own limit. */
const CALLS_MAX = 500;

/** What a log holds, down to the bodies. */
function contentsOf(log: LogStore) {
  return {
    identity: log.identity,
    upper: log.upper,
    since: log.since,
    purgedTxid: log.purgedTxid,
    tables: log.tables,
    sizeBytes: log.sizeBytes,
    heads: [...log.heads],
    leases: log.readLeases(),
    groups: log.heads.map((head) => contentOf(log.read(head.seq))),
  };
}

/** Two purged groups, two groups, transaction 7 with a piece, and two leases. */
function fill(log: LogStore): void {
  log.reset(anIdentity(), [aTable()]);
  log.append([110, 120, 130, 140].map((ts) => newGroup(ts)));
  log.purge(2);
  log.stage(7, stagedPart('first'));
  log.storeLeases([aLease('a', 120), aLease('b', 140)], []);
}

type Operation = { readonly name: string; readonly run: (log: LogStore) => unknown };

const OPERATIONS: readonly Operation[] = [
  { name: 'append', run: (log) => log.append([newGroup(150), newGroup(160)], []) },
  { name: 'stage', run: (log) => log.stage(8, stagedPart('more')) },
  {
    name: 'seal',
    run: (log) => {
      // Body ids ascend: four groups, then the piece.
      const ref = { id: 5, sizeBytes: 5 };
      return log.seal(7, [sealedOf(ref, 170, ['FR'])], newGroup(170, { part: 'last' }), []);
    },
  },
  { name: 'discard', run: (log) => log.discard(7) },
  { name: 'noteUpper', run: (log) => log.noteUpper(lsn(500)) },
  { name: 'merge', run: (log) => log.merge(3, 4) },
  { name: 'purge', run: (log) => log.purge(3) },
  { name: 'reset', run: (log) => log.reset(anIdentity({ generation: 2 }), []) },
  { name: 'storeLeases', run: (log) => log.storeLeases([aLease('c', 130)], ['a']) },
  { name: 'noteIdentity', run: (log) => log.noteIdentity(anIdentity({ walTimeline: 2 })) },
];

function expectWriteFailure(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(TidelockError);
    expect(hasCode(error, 'LOG_WRITE_FAILED')).toBe(true);
    expect(error).toMatchObject({ hint: expect.stringContaining('free space') });
    return;
  }
  throw new Error('a failing call was swallowed');
}

/** The state an operation leads to when nothing fails. */
function expectedAfter(operation: Operation) {
  using folder = temporaryFolder();
  const file = join(folder.path, 'log.db');
  const log = openLogStoreOn(new FailingSql(openSql(file, { timeoutMs: 0 })).sql, file);
  fill(log);
  operation.run(log);
  const contents = contentsOf(log);
  log.close();
  return contents;
}

describe('P29: whichever call of an operation fails, nothing changes and the operation can be repeated', () => {
  test.each(OPERATIONS)('$name', (operation) => {
    const expected = expectedAfter(operation);
    let failures = 0;
    for (let call = 1; ; call += 1) {
      expect(call).toBeLessThan(CALLS_MAX);
      using folder = temporaryFolder();
      const file = join(folder.path, 'log.db');
      const failing = new FailingSql(openSql(file, { timeoutMs: 0 }));
      const log = openLogStoreOn(failing.sql, file);
      fill(log);
      const before = contentsOf(log);
      failing.failAt(call);
      if (tryOperation(operation, log, failing)) {
        log.close();
        break;
      }
      failures += 1;
      expect(contentsOf(log)).toEqual(before);
      operation.run(log);
      expect(contentsOf(log)).toEqual(expected);
      log.close();
      expectReopened(folder.path, expected);
    }
    expect(failures).toBeGreaterThanOrEqual(2);
  });

  test.each(OPERATIONS)('$name, and the process ends before it is repeated', (operation) => {
    for (let call = 1; ; call += 1) {
      expect(call).toBeLessThan(CALLS_MAX);
      using folder = temporaryFolder();
      const file = join(folder.path, 'log.db');
      const failing = new FailingSql(openSql(file, { timeoutMs: 0 }));
      const log = openLogStoreOn(failing.sql, file);
      fill(log);
      const before = contentsOf(log);
      failing.failAt(call);
      const isDone = tryOperation(operation, log, failing);
      log.close();
      if (isDone) break;
      expectReopened(folder.path, before);
    }
  });
});

/** True when the operation ran through without meeting its failure. */
function tryOperation(operation: Operation, log: LogStore, failing: FailingSql): boolean {
  const attempt = (): unknown => operation.run(log);
  try {
    attempt();
  } catch (error) {
    expectWriteFailure(() => {
      throw error;
    });
    return false;
  }
  expect(failing.isWaiting).toBe(true);
  failing.failAt(0);
  return true;
}

/** Open transactions do not survive; everything else does. */
function expectReopened(dir: string, expected: ReturnType<typeof contentsOf>): void {
  const log = openLogStore({ dir });
  const stored = { ...expected, sizeBytes: expect.any(Number) };
  expect(contentsOf(log)).toEqual(stored);
  log.close();
}

test('P29: whichever call of opening fails, the next opening finds everything', () => {
  using folder = temporaryFolder();
  const first = openLogStore({ dir: folder.path });
  fill(first);
  const expected = { ...contentsOf(first), sizeBytes: expect.any(Number) };
  first.close();
  const file = join(folder.path, 'log.db');
  for (let call = 1; call < CALLS_MAX; call += 1) {
    const failing = new FailingSql(openSql(file, { timeoutMs: 0 }));
    failing.failAt(call);
    const isOpen = opens(failing.sql, file);
    failing.sql.close();
    if (isOpen) break;
    const log = openLogStore({ dir: folder.path });
    expect(contentsOf(log)).toEqual(expected);
    log.close();
  }
});

function opens(sql: Sql, file: string): boolean {
  try {
    openLogStoreOn(sql, file);
    return true;
  } catch {
    return false;
  }
}

test('F19: a full disk stores nothing, wherever it runs out, and the same append succeeds later', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'log.db');
  const sql = openSql(file, { timeoutMs: 0 });
  const log = openLogStoreOn(sql, file);
  fill(log);
  const groups = [newGroup(150, { body: 'x'.repeat(100_000) }), newGroup(160)];
  const before = contentsOf(log);
  const pages = Number(sql.prepare('PRAGMA page_count').get()?.page_count);
  let failures = 0;
  for (let spare = 0; ; spare += 1) {
    sql.exec(`PRAGMA max_page_count = ${pages + spare}`);
    try {
      log.append(groups);
      break;
    } catch (error) {
      expect(hasCode(error, 'LOG_WRITE_FAILED')).toBe(true);
      expect(contentsOf(log)).toEqual(before);
      failures += 1;
    }
  }
  expect(failures).toBeGreaterThan(5);
  log.close();
  const again = openLogStore({ dir: folder.path });
  expect(again.heads.map((head) => head.lastTs)).toEqual([130, 140, 150, 160]);
  expect(contentOf(again.read(5)).body).toBe('x'.repeat(100_000));
  again.close();
});

test('F19: a log that fills the disk makes room for itself by purging', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'log.db');
  const sql = openSql(file, { timeoutMs: 0 });
  const log = openLogStoreOn(sql, file);
  log.reset(anIdentity(), []);
  const body = 'x'.repeat(100_000);
  for (let index = 0; index < 20; index += 1) log.append([newGroup(110 + index, { body })]);
  sql.exec(`PRAGMA max_page_count = ${Number(sql.prepare('PRAGMA page_count').get()?.page_count)}`);
  expectWriteFailure(() => log.append([newGroup(200, { body })]));
  log.purge(6);
  for (let index = 0; index < 5; index += 1) log.append([newGroup(200 + index, { body })]);
  expectWriteFailure(() => log.append([newGroup(300, { body })]));
  expect(log.heads.map((head) => head.seq)).toEqual(Array.from({ length: 19 }, (_, n) => n + 7));
  expect(contentOf(log.read(25)).body).toBe(body);
  log.close();
});
