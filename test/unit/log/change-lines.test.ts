import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Ts } from '../../../src/core/lsn.ts';
import { indexLines, linesOfLast, wantedLines } from '../../../src/log/change-lines.ts';
import {
  type GroupContent,
  type GroupHead,
  SEGMENT_ALL,
  SEGMENT_COMMIT,
  SEGMENT_NONE,
} from '../../../src/log/group.ts';

/** Lines of one transaction, each with the selector that it belongs to. */
type Line = { readonly id: number; readonly text: string };

const LINE = fc.record({
  id: fc.constantFrom(0, 1, 2, SEGMENT_ALL, SEGMENT_NONE),
  text: fc.stringMatching(/^[a-z]{0,5}$/),
});
const TRANSACTIONS = fc.array(fc.array(LINE, { minLength: 1, maxLength: 12 }), { maxLength: 6 });

const SELECTORS = ['a', 'b', 'c'];

function headOf(transactions: readonly unknown[]): GroupHead {
  return {
    ...{ seq: 1, firstTs: 100 as Ts, lastTs: (90 + transactions.length * 10) as Ts, part: 'whole' },
    ...{ txCount: transactions.length, maxTxid: 0, minTxid: 0, hasAll: true, sizeBytes: 0 },
    selectors: SELECTORS,
  };
}

function contentOf(transactions: readonly (readonly Line[])[]): GroupContent {
  const segments: number[] = [];
  let body = '';
  const add = (id: number, text: string): void => {
    body += `${text}\n`;
    if (segments.at(-2) === id && id !== SEGMENT_COMMIT)
      segments[segments.length - 1] = body.length;
    else segments.push(id, body.length);
  };
  for (const lines of transactions) {
    for (const { id, text } of lines) add(id, text);
    add(SEGMENT_COMMIT, 'commit');
  }
  return {
    body: Buffer.from(body),
    segments: Uint32Array.from(segments),
    transactions: Float64Array.from(
      transactions.flatMap((_lines, at) => [100 + at * 10, 7 + at, 1000 + at]),
    ),
  };
}

test('each wanted line comes with its number among all lines of its transaction', () => {
  fc.assert(
    fc.property(
      TRANSACTIONS,
      fc.array(fc.boolean(), { maxLength: 3 }),
      fc.integer({ min: 90, max: 170 }),
      fc.nat(9),
      (transactions, isWanted, after, linesBefore) => {
        const content = contentOf(transactions);
        const accept = (txid: number): boolean => txid % 3 !== 0;
        const selectors = SELECTORS.filter((_selector, id) => isWanted[id] === true);
        const found = wantedLines(indexLines({ head: headOf(transactions), content }), {
          ...{ selectors, after: after as Ts, accept, linesBefore },
        });
        const shown = found.map(({ ts, txid, micros, ranges, indexes }) => {
          const texts: string[] = [];
          for (let at = 0; at < ranges.length; at += 2) {
            texts.push(
              ...Buffer.from(content.body.subarray(ranges[at], ranges[at + 1]))
                .toString()
                .split('\n')
                .slice(0, -1),
            );
          }
          return { ts, txid, micros, lines: texts.map((text, at) => [indexes[at], text]) };
        });
        const expected = transactions.flatMap((lines, at) => {
          const counted = lines.filter(({ id }) => id !== SEGMENT_NONE);
          const start = at === 0 ? linesBefore : 0;
          const wanted = counted.flatMap(({ id, text }, index) =>
            id === SEGMENT_ALL || isWanted[id] === true ? [[start + index, text]] : [],
          );
          const place = { ts: 100 + at * 10, txid: 7 + at, micros: 1000 + at };
          const isDue = wanted.length > 0 && place.ts > after && accept(place.txid);
          return isDue ? [{ ...place, lines: wanted }] : [];
        });
        expect(shown).toEqual(expected);
      },
    ),
  );
});

test('the lines of the last transaction are counted without its commit line', () => {
  fc.assert(
    fc.property(TRANSACTIONS, (transactions) => {
      const last = transactions.at(-1) ?? [];
      const expected = last.filter(({ id }) => id !== SEGMENT_NONE).length;
      expect(linesOfLast(contentOf(transactions))).toBe(expected);
    }),
  );
});
