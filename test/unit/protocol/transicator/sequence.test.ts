import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Ts } from '../../../../src/core/lsn.ts';
import {
  compareSequences,
  formatSequence,
  HISTORY_MAX,
  INDEX_MAX,
  NO_SEQUENCE,
  parseSequence,
  type Sequence,
} from '../../../../src/protocol/transicator/sequence.ts';

const SEQUENCE: fc.Arbitrary<Sequence> = fc.record({
  history: fc.integer({ min: 0, max: HISTORY_MAX }),
  ts: fc.maxSafeInteger().map((ts) => Math.abs(ts) as Ts),
  index: fc.integer({ min: 0, max: INDEX_MAX }),
});

test('a sequence comes back from its text', () => {
  fc.assert(
    fc.property(SEQUENCE, (sequence) => {
      const text = formatSequence(sequence);
      expect(parseSequence(text)).toEqual(sequence);
      expect(parseSequence(text.toUpperCase())).toEqual(sequence);
    }),
  );
});

test('sequences are in the order of history, position, number; as 96-bit numbers too', () => {
  const asNumber = (sequence: Sequence): bigint => {
    const [high = '', low = '', index = ''] = formatSequence(sequence).split('.');
    return (BigInt(`0x${high}`) << 64n) | (BigInt(`0x${low}`) << 32n) | BigInt(`0x${index}`);
  };
  fc.assert(
    fc.property(SEQUENCE, SEQUENCE, (a, b) => {
      const difference = asNumber(a) - asNumber(b);
      expect(Math.sign(compareSequences(a, b))).toBe(
        Number(difference > 0n) - Number(difference < 0n),
      );
    }),
  );
});

test('the first history has no bits of its own', () => {
  expect(formatSequence({ history: 0, ts: 0x16_b374_8000 as Ts, index: 17 })).toBe(
    '16.b3748000.11',
  );
  expect(formatSequence(NO_SEQUENCE)).toBe('0.0.0');
});

test('what is no sequence, or has something around it, is refused', () => {
  for (const text of [
    '',
    '1.2',
    '1.2.3.4',
    'x1.2.3',
    '1.2.3x',
    ' 1.2.3',
    '1.2.g',
    '1..3',
    '-1.2.3',
    '123456789.0.0',
  ]) {
    expect([text, parseSequence(text)]).toEqual([text, null]);
  }
});
