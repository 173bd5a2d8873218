import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Cell, sameCell } from '../../../src/core/value.ts';
import { compareCells } from '../../../src/merge/value-order.ts';
import { cells } from './support.ts';

const anyCell: fc.Arbitrary<Cell> = fc.oneof(
  cells,
  fc.double(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.string({ unit: 'binary' }),
  fc.uint8Array({ maxLength: 4 }),
);

test('numbers are greater than text, text than bytes, bytes than NULL', () => {
  const sorted: Cell[] = [
    ...[null, new Uint8Array(), new Uint8Array([0]), new Uint8Array([0, 0]), new Uint8Array([1])],
    ...['', 'a', 'aa', 'b', 'é', '\uffff', '\u{10000}'],
    ...[-Infinity, -9007199254740993n, -9007199254740992, -1, -0, 0, 1.5, 9007199254740992],
    ...[9007199254740993n, 2n ** 63n - 1n, 1e300, Infinity, Number.NaN],
  ];
  sorted.forEach((a, i) => {
    sorted.forEach((b, j) => {
      expect([a, b, Math.sign(compareCells(a, b))]).toEqual([a, b, Math.sign(i - j)]);
    });
  });
});

test('the order is total: it is the same from both sides, holds over three, and equal is only the same value', () => {
  fc.assert(
    fc.property(anyCell, anyCell, anyCell, (a, b, c) => {
      expect(Math.sign(compareCells(a, b)) + Math.sign(compareCells(b, a))).toBe(0);
      if (compareCells(a, b) <= 0 && compareCells(b, c) <= 0)
        expect(compareCells(a, c)).toBeLessThanOrEqual(0);
      expect(compareCells(a, b) === 0).toBe(sameCell(a, b));
    }),
    { numRuns: 3000 },
  );
});

test('text is ordered as Postgres and SQLite order its bytes', () => {
  const wellFormed = fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(wellFormed, wellFormed, (a, b) => {
      const bytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
      expect(Math.sign(compareCells(a, b))).toBe(bytes);
    }),
    { numRuns: 2000 },
  );
});
