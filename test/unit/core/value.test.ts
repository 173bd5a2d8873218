import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Cell,
  cellFromJson,
  cellFromText,
  cellToJsonText,
  type JsonCell,
  sameCell,
  type ValueKind,
} from '../../../src/core/value.ts';

/** Texts as Postgres prints them, per kind. */
const texts: Record<ValueKind, fc.Arbitrary<string>> = {
  int: fc.integer().map(String),
  bigint: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  float: fc.oneof(
    fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .map((x) => (Object.is(x, -0) ? '-0' : String(x))),
    fc.constantFrom('NaN', 'Infinity', '-Infinity', '-0', '1e+20', '1e-07', '1e+308'),
  ),
  bool: fc.constantFrom('t', 'f'),
  bytes: fc.uint8Array().map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`),
  timestamptz: fc.constantFrom(
    '2026-01-01 00:00:00+00',
    '2026-01-01 00:00:00.123456+00',
    'infinity',
    '-infinity',
    '0044-03-15 00:00:00+00 BC',
  ),
  text: fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')),
};

const kinds = Object.keys(texts) as ValueKind[];

test.each(kinds)('P22: every %s survives text, cell, JSON and back', (kind) => {
  fc.assert(
    fc.property(texts[kind], (text) => {
      const cell = cellFromText(kind, text);
      const json = JSON.parse(cellToJsonText(kind, cell)) as JsonCell;
      expect(sameCell(cellFromJson(kind, json), cell)).toBe(true);
    }),
  );
});

test.each(kinds)('P22: NULL of kind %s is not the empty value', (kind) => {
  expect(cellFromJson(kind, null)).toBe(null);
  expect(cellToJsonText(kind, null)).toBe('null');
});

test.each<[ValueKind, string, Cell]>([
  ['bigint', '9007199254740991', 9007199254740991],
  ['bigint', '9007199254740993', 9007199254740993n],
  ['bigint', '-9223372036854775808', -(2n ** 63n)],
  ['float', '-0', -0],
  ['float', 'NaN', 'NaN'],
  ['bool', 't', 1],
  ['timestamptz', '2026-01-01 00:00:00+00', '2026-01-01 00:00:00+00:00'],
  ['timestamptz', '0044-03-15 00:00:00+00 BC', '0044-03-15 00:00:00+00 BC'],
  ['text', '', ''],
])('P22: %s %s is stored as %s', (kind, text, cell) => {
  expect(cellFromText(kind, text)).toEqual(cell);
});

test.each<[ValueKind, JsonCell]>([
  ['int', '1'],
  ['int', true],
  ['float', 'many'],
  ['bool', 1],
  ['bytes', '***'],
  ['text', 5],
])('a value of kind %s that is %s is refused as PROTOCOL', (kind, json) => {
  expect(() => cellFromJson(kind, json)).toThrowError(
    expect.objectContaining({ code: 'PROTOCOL' }) as Error,
  );
});
