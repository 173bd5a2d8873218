/** Numbers as people read them. */
import { expect, test } from 'vitest';
import { bytes, count, rate, seconds } from '../../../src/dashboard/format.ts';

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [10 * 1024 * 1024, '10 MiB'],
  [123_456_789, '118 MiB'],
  [null, 'not known'],
])('%s bytes', (value, text) => expect(bytes(value)).toBe(text));

test.each([
  [0.0416, '42 ms'],
  [2.54, '2.5 s'],
  [59.9, '60 s'],
  [200, '3 min 20 s'],
  [3600, '1 h'],
  [270_000, '3 d 3 h'],
  [undefined, 'not known'],
])('%s seconds', (value, text) => expect(seconds(value)).toBe(text));

test('counts have commas, rates have three digits', () => {
  expect(count(1_234_567)).toBe('1,234,567');
  expect([rate(0.125), rate(12.34), rate(1234)]).toEqual(['0.13', '12.3', '1,234']);
});
