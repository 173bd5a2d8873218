import fc from 'fast-check';
import { expect, test } from 'vitest';
import { widenXid } from '../../../src/postgres/snapshot-transaction.ts';

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
