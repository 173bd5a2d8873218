import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isVisible, parseSnapshot, widenXid } from '../../../src/postgres/snapshot-transaction.ts';

test('P7: a snapshot tells committed transactions it has from those it has not', () => {
  const snapshot = parseSnapshot('100:105:100,103');
  const visible = [99, 100, 101, 102, 103, 104, 105].filter((txid) => isVisible(snapshot, txid));
  expect(visible).toEqual([99, 101, 102, 104]);
  expect(isVisible(parseSnapshot('7:7:'), 6)).toBe(true);
  expect(isVisible(parseSnapshot('7:7:'), 7)).toBe(false);
});

test('a 32-bit transaction id is widened to the nearest 64-bit one', () => {
  const epoch = 2 ** 32;
  const references = fc.integer({ min: 3, max: 2 ** 45 });
  const distances = fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(references, distances, (reference, distance) => {
      const txid = reference + distance;
      fc.pre(txid >= 3);
      expect(widenXid(((txid % epoch) + epoch) % epoch, reference)).toBe(txid);
    }),
  );
});
