/** Every rule of the log's port, for every implementation of it. */
import { describe, expect, test } from 'vitest';
import type { TableDef } from '../../../src/core/table.ts';
import { SEGMENT_COMMIT } from '../../../src/log/group.ts';
import {
  aLease,
  anIdentity,
  aTable,
  contentOf,
  lsn,
  newGroup,
  sealedOf,
  stagedPart,
} from './groups.ts';
import { codeOf, factsOf, type LogStoreUnderTest, useLogStore } from './log-bed.ts';

export function conformLogStore(make: () => LogStoreUnderTest): void {
  const bed = useLogStore(make);
  const { start, reopen, nowAndReopened } = bed;

  describe('history', () => {
    test('a new log has no identity, no groups and no tables', () => {
      const store = bed.open();
      expect(store.identity).toBeNull();
      expect(factsOf(store)).toEqual({ heads: [], upper: 0, since: 0, tables: [] });
    });

    test('reset starts an empty history at its first position, and so it stays', () => {
      const log = start();
      const expected = { heads: [], upper: 100, since: 100, tables: [aTable()] };
      expect(factsOf(log)).toEqual(expected);
      expect(factsOf(reopen())).toEqual(expected);
      expect(bed.store?.identity).toEqual(anIdentity());
    });

    test('reset forgets groups and staged pieces, and sequence numbers are not used again', () => {
      const log = start();
      log.append([newGroup(110), newGroup(120)]);
      log.stage(7, stagedPart('x'));
      log.reset(anIdentity({ generation: 2, startTs: lsn(50) }), []);
      expect(factsOf(log)).toEqual({ heads: [], upper: 50, since: 50, tables: [] });
      expect(log.sizeBytes).toBe(0);
      const [head] = log.append([newGroup(60)]);
      expect(head?.seq).toBe(3);
      expect(factsOf(reopen())).toEqual(factsOf(log));
      expect(() => bed.store?.read(1)).toThrow(expect.objectContaining({ code: 'TOO_OLD' }));
    });

    test('noteIdentity changes the identity only', () => {
      const log = start();
      log.append([newGroup(110)]);
      const before = factsOf(log);
      log.noteIdentity(anIdentity({ walTimeline: 9 }));
      expect(log.identity?.walTimeline).toBe(9);
      expect(reopen().identity?.walTimeline).toBe(9);
      expect(factsOf(log)).toEqual(before);
    });
  });

  describe('append', () => {
    test('groups come back as they were, now and after reopening', () => {
      const groups = [newGroup(110), newGroup(130, { selectors: ['FR', 'DÉ "x"'], hasAll: true })];
      const heads = start().append(groups);
      expect(heads.map((head) => head.seq)).toEqual([1, 2]);
      nowAndReopened((log) => {
        expect(log.heads).toEqual(heads);
        expect(log.upper).toBe(130);
        groups.forEach((group, index) => {
          expect(contentOf(log.read(index + 1))).toEqual(contentOf(group));
        });
      });
    });

    test('an empty body and empty lists are kept', () => {
      const group = newGroup(110, { body: '', selectors: [], segments: [], transactions: [] });
      start().append([group]);
      expect(contentOf(reopen().read(1))).toEqual(contentOf(group));
    });

    test('numbers up to 2^53 are kept', () => {
      const ts = Number.MAX_SAFE_INTEGER - 1;
      start().append([newGroup(ts, { txid: Number.MAX_SAFE_INTEGER })]);
      expect(reopen().heads[0]).toMatchObject({ lastTs: ts, maxTxid: Number.MAX_SAFE_INTEGER });
    });

    test('definitions change together with the groups', () => {
      const tables = [aTable(), { ...aTable(), name: 'public.more' }];
      start().append([newGroup(110)], tables);
      expect(bed.store?.tables).toEqual(tables);
      expect(reopen().tables).toEqual(tables);
    });

    test('definitions may change without a group', () => {
      const tables: TableDef[] = [];
      start().append([], tables);
      expect(reopen().tables).toEqual(tables);
      expect(bed.store?.upper).toBe(100);
    });

    test('a group that does not come after the others is refused and nothing is stored', () => {
      const log = start();
      log.append([newGroup(110)]);
      const before = factsOf(log);
      expect(() => log.append([newGroup(120), newGroup(120)])).toThrow(/invariant/);
      expect(() => log.append([newGroup(105)])).toThrow(/invariant/);
      expect(factsOf(log)).toEqual(before);
      expect(log.append([newGroup(120)])[0]?.seq).toBe(2);
      expect(factsOf(reopen())).toEqual(factsOf(log));
    });

    test('sizeBytes is the sum of the heads, also after reopening', () => {
      const log = start();
      log.append([newGroup(110), newGroup(120)]);
      const sum = log.heads.reduce((total, head) => total + head.sizeBytes, 0);
      expect(log.sizeBytes).toBe(sum);
      expect(reopen().sizeBytes).toBe(sum);
    });
  });

  describe('position', () => {
    test('noteUpper moves upper forward only, and survives closing', () => {
      const log = start();
      log.noteUpper(lsn(150));
      log.noteUpper(lsn(140));
      expect(log.upper).toBe(150);
      expect(reopen().upper).toBe(150);
      expect(bed.store?.append([newGroup(160)])[0]?.seq).toBe(1);
      expect(reopen().upper).toBe(160);
    });

    test('what was promised to concern nobody cannot be appended later', () => {
      const log = start();
      log.noteUpper(lsn(150));
      expect(() => log.append([newGroup(150)])).toThrow(/invariant/);
    });
  });

  describe('large transactions', () => {
    test('staged pieces are invisible until sealed, then they are groups in the given order', () => {
      const log = start();
      const first = log.stage(7, stagedPart('first', { selectors: ['FR'] }));
      const second = log.stage(7, stagedPart('second', { selectors: ['DE'] }));
      expect(factsOf(log)).toMatchObject({ heads: [], upper: 100 });
      const parts = [sealedOf(first, 200, ['FR']), sealedOf(second, 200, ['DE'])];
      const heads = log.seal(7, parts, newGroup(200, { part: 'last', body: 'end' }));
      expect(heads.map((head) => [head.seq, head.part])).toEqual([
        [1, 'open'],
        [2, 'open'],
        [3, 'last'],
      ]);
      nowAndReopened((log) => {
        expect(log.upper).toBe(200);
        expect([1, 2, 3].map((seq) => contentOf(log.read(seq)).body)).toEqual([
          'first',
          'second',
          'end',
        ]);
      });
    });

    test('the index of a piece can be read back and is replaced when it is sealed', () => {
      const log = start();
      const part = stagedPart('abcdef', {
        segments: [0, 3, 0, 6],
        subxids: [7, 8],
        selectors: ['FR'],
      });
      const ref = log.stage(7, part);
      const index = log.stagedIndex(ref);
      expect([...index.segments]).toEqual([0, 3, 0, 6]);
      expect([...index.subxids]).toEqual([7, 8]);
      expect(index.selectors).toEqual(['FR']);
      const aborted = sealedOf(ref, 200, ['FR'], [SEGMENT_COMMIT, 3, 0, 6]);
      log.seal(7, [aborted], newGroup(200, { part: 'last' }));
      expect(contentOf(reopen().read(1)).segments).toEqual([SEGMENT_COMMIT, 3, 0, 6]);
    });

    test('pieces left out of the seal are forgotten', () => {
      const log = start();
      log.stage(7, stagedPart('gone'));
      const kept = log.stage(7, stagedPart('kept'));
      log.seal(7, [sealedOf(kept, 200, [])], newGroup(200, { part: 'last' }));
      expect(log.sizeBytes).toBe(log.heads.reduce((total, head) => total + head.sizeBytes, 0));
      expect(contentOf(reopen().read(1)).body).toBe('kept');
    });

    test('a transaction may end with a sealed piece', () => {
      const log = start();
      const ref = log.stage(7, stagedPart('all'));
      const sealed = sealedOf(ref, 200, []);
      log.seal(7, [{ ...sealed, head: { ...sealed.head, part: 'last' } }], null);
      expect(reopen().heads.map((head) => head.part)).toEqual(['last']);
      expect(bed.store?.upper).toBe(200);
    });

    test('pieces are pulled one by one, and a failing pull stores nothing', () => {
      const log = start();
      const ref = log.stage(7, stagedPart('first'));
      function* broken() {
        yield sealedOf(ref, 200, []);
        throw new Error('lost the thread');
      }
      expect(() => log.seal(7, broken(), newGroup(200, { part: 'last' }))).toThrow(
        'lost the thread',
      );
      expect(factsOf(log)).toMatchObject({ heads: [], upper: 100 });
      log.seal(7, [sealedOf(ref, 200, [])], newGroup(200, { part: 'last' }));
      expect(contentOf(reopen().read(1)).body).toBe('first');
    });

    test('a piece of another transaction cannot be sealed', () => {
      const log = start();
      const ref = log.stage(8, stagedPart('other'));
      expect(() => log.seal(7, [sealedOf(ref, 200, [])], null)).toThrow(/invariant/);
      expect(log.heads).toEqual([]);
    });

    test('discard forgets one transaction and leaves the others', () => {
      const log = start();
      const gone = log.stage(7, stagedPart('gone'));
      const kept = log.stage(8, stagedPart('kept'));
      log.discard(7);
      log.discard(7);
      expect(() => log.seal(7, [sealedOf(gone, 200, [])], null)).toThrow(/invariant/);
      log.seal(8, [sealedOf(kept, 200, [])], newGroup(200, { part: 'last' }));
      expect(contentOf(reopen().read(1)).body).toBe('kept');
    });

    test('open transactions do not survive reopening', () => {
      const log = start();
      const ref = log.stage(7, stagedPart('lost'));
      expect(log.sizeBytes).toBe(4);
      expect(reopen().sizeBytes).toBe(0);
      expect(() => bed.store?.seal(7, [sealedOf(ref, 200, [])], null)).toThrow(/invariant/);
      expect(bed.store?.append([newGroup(200)])[0]?.seq).toBe(1);
    });

    test('definitions change together with a sealed transaction', () => {
      const log = start();
      const ref = log.stage(7, stagedPart('x'));
      log.seal(7, [sealedOf(ref, 200, [])], newGroup(200, { part: 'last' }), []);
      expect(reopen().tables).toEqual([]);
    });
  });

  describe('purge', () => {
    test('purged groups are gone and since is the last of them', () => {
      const log = start();
      log.append([110, 120, 130].map((ts) => newGroup(ts)));
      log.purge(2);
      nowAndReopened((log) => {
        expect(log.heads.map((head) => head.seq)).toEqual([3]);
        expect([log.since, log.upper]).toEqual([120, 130]);
        expect(codeOf(() => log.read(2))).toBe('TOO_OLD');
        expect(contentOf(log.read(3))).toEqual(contentOf(newGroup(130)));
      });
    });

    test('sequence numbers go on after everything was purged', () => {
      const log = start();
      log.append([newGroup(110), newGroup(120)]);
      log.purge(2);
      expect(log.sizeBytes).toBe(0);
      expect(reopen().append([newGroup(130)])[0]?.seq).toBe(3);
    });

    test('purging again changes nothing', () => {
      const log = start();
      log.append([newGroup(110), newGroup(120)]);
      log.purge(1);
      const before = factsOf(log);
      log.purge(1);
      log.purge(0);
      expect(factsOf(log)).toEqual(before);
      expect(factsOf(reopen())).toEqual(before);
    });

    test('a position that was noted survives a purge', () => {
      const log = start();
      log.append([newGroup(110)]);
      log.noteUpper(lsn(500));
      log.purge(1);
      expect(reopen().upper).toBe(500);
    });
  });

  describe('purged transaction ids', () => {
    test('the highest of them is remembered, whatever the order of the ids', () => {
      const log = start();
      expect(log.purgedTxid).toBe(0);
      const high = Number.MAX_SAFE_INTEGER;
      log.append([newGroup(110, { txid: 7 }), newGroup(120, { txid: high })]);
      log.append([newGroup(130, { txid: 8 }), newGroup(140, { txid: 9 })]);
      log.purge(1);
      expect(log.purgedTxid).toBe(7);
      log.purge(3);
      log.purge(1);
      nowAndReopened((log) => expect(log.purgedTxid).toBe(high));
      bed.store?.noteUpper(lsn(500));
      nowAndReopened((log) => expect(log.purgedTxid).toBe(high));
    });

    test('a new history has none', () => {
      const log = start();
      log.append([newGroup(110)]);
      log.purge(1);
      log.reset(anIdentity({ generation: 2 }), []);
      nowAndReopened((log) => expect(log.purgedTxid).toBe(0));
    });
  });

  describe('the end of what was purged', () => {
    test('is remembered when nothing is left, until a new history begins', () => {
      const log = start();
      log.append([newGroup(110, { transactions: [110, 7, 5000] })]);
      log.append([newGroup(120, { transactions: [120, 8, 6000] })]);
      log.purge(1);
      expect(log.purgedEnd).toBeUndefined();
      log.purge(2);
      nowAndReopened((log) => expect(log.purgedEnd).toEqual({ ts: 120, timeMicros: 6000 }));
      bed.store?.reset(anIdentity({ generation: 2 }), []);
      nowAndReopened((log) => expect(log.purgedEnd).toBeUndefined());
    });
  });

  describe('leases', () => {
    test('leases are set, moved and ended, and stay so', () => {
      const log = start();
      expect(log.readLeases()).toEqual([]);
      log.storeLeases([aLease('a', 110), aLease('b', 120, 1000)], []);
      nowAndReopened((log) => {
        expect(log.readLeases()).toEqual([aLease('a', 110), aLease('b', 120, 1000)]);
      });
      bed.store?.storeLeases([aLease('a', 105, 2000)], ['b', 'unknown']);
      nowAndReopened((log) => expect(log.readLeases()).toEqual([aLease('a', 105, 2000)]));
    });

    test('a lease that is ended and set at once is set', () => {
      start().storeLeases([aLease('a', 110)], ['a']);
      expect(reopen().readLeases()).toEqual([aLease('a', 110)]);
    });

    test('any name and numbers up to 2^53 are kept', () => {
      const lease = aLease('Ünï"\\ %s', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1);
      start().storeLeases([lease], []);
      expect(reopen().readLeases()).toEqual([lease]);
    });

    test('a new history has none', () => {
      const log = start();
      log.storeLeases([aLease('a', 110)], []);
      log.reset(anIdentity({ generation: 2 }), []);
      nowAndReopened((log) => expect(log.readLeases()).toEqual([]));
    });
  });

  describe('heads', () => {
    test('a head that was handed out does not change when groups are appended or purged', () => {
      const log = start();
      const [head] = log.append([newGroup(110)]);
      const copy = structuredClone(head);
      log.append([newGroup(120)]);
      log.purge(1);
      expect(head).toEqual(copy);
    });
  });
}
