import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cellFromText, cellToJsonText, type ValueKind } from '../../../src/core/value.ts';
import { writeValues } from '../../../src/engine/row-encoder.ts';
import { LineBuffer } from '../../../src/log/line-buffer.ts';
import { tupleOf } from './tuples.ts';

function encode(kind: ValueKind, text: string | null): string {
  const out = new LineBuffer();
  writeValues(out, { row: tupleOf([text]), fallback: null, kinds: [kind], columns: [0] });
  return Buffer.from(out.bytes.subarray(0, out.length)).toString();
}

const samples: Record<ValueKind, fc.Arbitrary<string>> = {
  int: fc.integer().map(String),
  bigint: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  float: fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(printedByPostgres),
    fc.constantFrom('NaN', 'Infinity', '-Infinity', '-0'),
  ),
  bool: fc.constantFrom('t', 'f'),
  bytes: fc
    .uint8Array({ maxLength: 200 })
    .map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`),
  timestamptz: fc.constantFrom('2026-01-01 00:00:00+00', 'infinity', '0044-03-15 00:00:00+00 BC'),
  text: fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }).map((text) => text.replaceAll('\0', '')),
    fc.string({ maxLength: 200 }),
  ),
};

/** Fixed notation between 1e-4 and 1e15, else mantissa and exponent: the rule of Postgres' shortest output. */
function printedByPostgres(value: number): string {
  if (Object.is(value, -0)) return '-0';
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e15)) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}

test.each(Object.keys(samples) as ValueKind[])(
  'P22: a %s goes from the socket to the feed as its canonical JSON text',
  (kind) => {
    fc.assert(
      fc.property(samples[kind], (text) => {
        expect(encode(kind, text)).toBe(cellToJsonText(kind, cellFromText(kind, text)));
      }),
    );
    expect(encode(kind, null)).toBe('null');
  },
);

test('an unchanged value is filled from the old row', () => {
  const out = new LineBuffer();
  writeValues(out, {
    row: tupleOf(['1', undefined, 'new']),
    fallback: tupleOf(['1', 'kept "as is"', 'old']),
    kinds: ['int', 'text', 'text'],
    columns: [0, 1, 2],
  });
  expect(Buffer.from(out.bytes.subarray(0, out.length)).toString()).toBe(
    '1,"kept \\"as is\\"","new"',
  );
});
