/** The rules of merging, for every implementation of the log's port. */
import { describe, expect, test } from 'vitest';
import { SEGMENT_COMMIT } from '../../../src/log/group.ts';
import { contentOf, newGroup, sealedOf, stagedPart } from './groups.ts';
import { codeOf, factsOf, type LogStoreUnderTest, useLogStore } from './log-bed.ts';

export function conformMerging(make: () => LogStoreUnderTest): void {
  const bed = useLogStore(make);
  const { start, reopen, nowAndReopened } = bed;
  const four = () => [110, 120, 130, 140].map((ts) => newGroup(ts, { selectors: [`T${ts}`] }));

  describe('merge', () => {
    test('groups become one with the number of the last, now and after reopening', () => {
      const log = start();
      log.append(four());
      const before = log.sizeBytes;
      const head = log.merge(2, 3);
      expect(head).toMatchObject({ seq: 3, firstTs: 120, lastTs: 130, txCount: 2, part: 'whole' });
      expect(head).toMatchObject({ selectors: ['T120', 'T130'], minTxid: 240, maxTxid: 260 });
      nowAndReopened((log) => {
        expect(log.heads.map(({ seq }) => seq)).toEqual([1, 3, 4]);
        expect(log.heads[1]).toEqual(head);
        expect([log.sizeBytes, log.upper, log.since]).toEqual([before, 140, 100]);
        expect(contentOf(log.read(1))).toEqual(contentOf(four()[0]));
        expect(contentOf(log.read(4))).toEqual(contentOf(four()[3]));
      });
    });

    test('the merged group has the bytes, segments and transactions of its members', () => {
      const log = start();
      log.append(four());
      log.merge(1, 4);
      const bodies = four().map((group) => contentOf(group).body);
      const [{ length } = ''] = bodies;
      nowAndReopened((log) => {
        expect(contentOf(log.read(4))).toEqual({
          body: bodies.join(''),
          segments: [0, 1, 2, 3].flatMap((id) => [
            ...[id, id * length + 3],
            ...[SEGMENT_COMMIT, (id + 1) * length],
          ]),
          transactions: four().flatMap((group) => contentOf(group).transactions),
        });
      });
    });

    test('equal selectors of the members are one, and lines for everybody stay for everybody', () => {
      const log = start();
      const selectors = [['FR', 'DE'], ['DE', 'IT'], ['FR']];
      log.append(
        selectors.map((some, at) =>
          newGroup(110 + at, { selectors: some, segments: [0, 3, 1, 6], hasAll: at === 1 }),
        ),
      );
      const [one = 0] = log.heads.map(({ sizeBytes }) => sizeBytes);
      expect(log.merge(1, 3)).toMatchObject({ selectors: ['FR', 'DE', 'IT'], hasAll: true });
      expect(contentOf(reopen().read(3)).segments).toEqual([
        ...[0, 3, 1, 6],
        ...[1, one + 3, 2, one + 6],
        ...[0, 2 * one + 3, 1, 2 * one + 6],
      ]);
    });

    test('the numbers of the members lead to the merged group', () => {
      const log = start();
      log.append(four());
      log.merge(1, 2);
      log.merge(2, 3);
      nowAndReopened((log) => {
        expect([1, 2, 3, 4].map((seq) => log.read(seq).head.seq)).toEqual([3, 3, 3, 4]);
      });
    });

    test('a merged group is purged as a whole, and numbers go on', () => {
      const log = start();
      log.append(four());
      log.merge(1, 3);
      log.purge(2);
      expect([log.since, log.heads.length, log.purgedTxid]).toEqual([100, 2, 0]);
      log.purge(3);
      nowAndReopened((log) => {
        expect([log.since, log.heads.length, log.purgedTxid]).toEqual([130, 1, 260]);
        expect(codeOf(() => log.read(1))).toBe('TOO_OLD');
      });
      expect(bed.store?.append([newGroup(150)])[0]?.seq).toBe(5);
      bed.store?.merge(4, 5);
      nowAndReopened((log) => expect(log.heads.map(({ seq }) => seq)).toEqual([5]));
    });

    test('what is not there, and parts of large transactions, are not merged', () => {
      const log = start();
      log.append(four());
      const ref = log.stage(7, stagedPart('x'));
      log.seal(7, [sealedOf(ref, 200, [])], newGroup(200, { part: 'last' }));
      const before = factsOf(log);
      const runs = [
        ...[[0, 2] as const, [4, 7] as const, [3, 2] as const],
        ...[[4, 5] as const, [5, 6] as const],
      ];
      for (const [first, last] of runs) {
        expect(() => log.merge(first, last)).toThrow(/invariant/);
      }
      expect(factsOf(log)).toEqual(before);
      expect(factsOf(reopen())).toEqual(before);
    });
  });
}
