import { expect, test } from 'vitest';
import { LogMerger } from '../../../src/engine/log-merger.ts';
import { LogTail } from '../../../src/engine/log-tail.ts';
import { openLogStoreOn } from '../../../src/sqlite/log-store.ts';
import { openSql } from '../../../src/sqlite/sql.ts';
import { anIdentity, newGroup } from '../log/groups.ts';
import { FailingSql } from '../sqlite/failing-sql.ts';

function openTail(): { readonly failing: FailingSql; readonly tail: LogTail } {
  const failing = new FailingSql(openSql(':memory:', { timeoutMs: 0 }));
  const store = openLogStoreOn(failing.sql, 'memory');
  store.reset(anIdentity(), []);
  for (let ts = 200; ts < 230; ts += 1) store.append([newGroup(ts)]);
  return { failing, tail: new LogTail(store, 1 << 20) };
}

test('P29: what a full disk does not let go of stays whole, and goes when the disk lets it', () => {
  const { failing, tail } = openTail();
  failing.failAt(2);
  tail.purge(10);
  expect(tail.store.heads.length).toBe(30);
  expect(tail.next(['FR'], 0)).toBe(1);
  expect(tail.purgeLeft()).toBe(true);
  expect(tail.store.heads.length).toBe(20);
  expect(tail.next(['FR'], 0)).toBe(11);
});

test('groups that are to be purged are not merged with others', () => {
  const { failing, tail } = openTail();
  const merged: number[] = [];
  const merger = new LogMerger({
    tail,
    clock: {
      now: () => 0,
      wallMicros: () => 0,
      after: () => ({ cancel: () => {} }),
      soon: () => {},
    },
    limits: { freshGroups: 0, bytesMax: 1 << 20, groupsMin: 2, groupsMax: 10 },
    onMerged: (firstSeq) => merged.push(firstSeq),
  });
  failing.failAt(2);
  tail.purge(10);
  failing.failAt(2);
  expect(merger.mergeSome()).toBe(false);
  expect(merger.mergeSome()).toBe(true);
  expect(merged).toEqual([11]);
});
