import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LSN_ZERO } from '../../../src/core/lsn.ts';
import { type GroupContent, SEGMENT_COMMIT, SEGMENT_NONE } from '../../../src/log/group.ts';
import { gather, sliceBySelector, sliceGroup } from '../../../src/log/slices.ts';

const SELECTORS = 4;
const NOTHING = { ranges: [], from: 0, to: 0 };

/** Transactions as lists of (selector id, line length); NONE = rolled back. */
const transactions = fc.array(
  fc.array(fc.tuple(fc.constantFrom(0, 1, 2, 3, SEGMENT_NONE), fc.integer({ min: 1, max: 5 })), {
    minLength: 1,
    maxLength: 6,
  }),
  { maxLength: 8 },
);

function contentOf(list: readonly (readonly (readonly [number, number])[])[]): GroupContent {
  const segments: number[] = [];
  const numbers: number[] = [];
  let end = 0;
  list.forEach((lines, index) => {
    for (const [id, length] of lines) {
      end += length;
      segments.push(id, end);
    }
    end += 2;
    segments.push(SEGMENT_COMMIT, end);
    numbers.push(index + 1, index + 100, 0);
  });
  const body = Uint8Array.from({ length: end }, (_, index) => index % 251);
  return { segments: Uint32Array.from(segments), transactions: Float64Array.from(numbers), body };
}

test('the slices of all selectors in one pass are those of each selector alone', () => {
  fc.assert(
    fc.property(transactions, (list) => {
      const content = contentOf(list);
      const alone = sliceBySelector(content, SELECTORS);
      for (let id = 0; id < SELECTORS; id += 1) {
        const isWanted = Array.from({ length: SELECTORS }, (_, other) => other === id);
        const expected = sliceGroup({ content, isWanted, after: LSN_ZERO, isContinued: false });
        expect(gather(content.body, alone?.of(id) ?? NOTHING)).toEqual(
          gather(content.body, expected),
        );
      }
    }),
  );
});

test('a reader gets exactly the lines of its selectors and one commit for each transaction it touches', () => {
  fc.assert(
    fc.property(transactions, fc.uniqueArray(fc.nat(SELECTORS - 1)), (list, wanted) => {
      const content = contentOf(list);
      const isWanted = Array.from({ length: SELECTORS }, (_, id) => wanted.includes(id));
      const slices = sliceGroup({ content, isWanted, after: LSN_ZERO, isContinued: false });
      const size = list.reduce((sum, lines) => {
        const mine = lines.filter(([id]) => wanted.includes(id));
        const bytes = mine.reduce((total, [, length]) => total + length, 0);
        return sum + (mine.length === 0 ? 0 : bytes + 2);
      }, 0);
      expect(gather(content.body, slices).length).toBe(size);
    }),
  );
});
