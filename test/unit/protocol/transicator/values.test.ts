import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeChanges } from '../../../../src/bench/transicator/schema.ts';
import type { Ts } from '../../../../src/core/lsn.ts';
import type { ColumnDef } from '../../../../src/core/table.ts';
import type { Change } from '../../../../src/protocol/transicator/change.ts';
import { changeJson } from '../../../../src/protocol/transicator/change-json.ts';
import { changesProto } from '../../../../src/protocol/transicator/change-proto.ts';
import { sqliteNames } from '../../../../src/protocol/transicator/names.ts';
import {
  floatText,
  hexText,
  timestampMicros,
} from '../../../../src/protocol/transicator/values.ts';

test('a float reads back as the same double, and has the exponent that Go writes', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (value) => {
      expect(Object.is(Number(floatText(value)), value)).toBe(true);
    }),
  );
  const cases: readonly (readonly [number, string])[] = [
    [1e21, '1E+21'],
    [1e20, '100000000000000000000'],
    [0.0001, '0.0001'],
    [0.00001, '1E-05'],
    [-1.5e-300, '-1.5E-300'],
    [-0, '-0'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
  ];
  for (const [value, text] of cases) expect(floatText(value)).toBe(text);
});

test('bytes are hexadecimal digits behind \\x', () => {
  expect(hexText(new Uint8Array([0, 1, 254, 255]))).toBe('\\x0001feff');
});

test('timestamps are microseconds since 2000, before and beyond what a Date can hold too', () => {
  const cases: readonly (readonly [string, bigint | null])[] = [
    ['2000-01-01 00:00:00+00:00', 0n],
    ['2000-01-01 00:00:00', 0n],
    ['1999-12-31 23:59:59.999999+00', -1n],
    ['2024-02-29 12:30:15.5', 762_525_015_500_000n],
    ['0001-01-01 00:00:00 BC', -63_113_904_000_000_000n],
    ['294276-12-31 23:59:59.999999', 9_223_371_331_199_999_999n],
    ['infinity', 9_223_372_036_854_775_807n],
    ['-infinity', -9_223_372_036_854_775_808n],
    ['yesterday', null],
  ];
  for (const [text, micros] of cases) expect([text, timestampMicros(text)]).toEqual([text, micros]);
});

test('names in SQLite files: three namings, and nobody takes a name twice', () => {
  const names = ['public.item', 'sales.item', 'public.Sales_Item', 'public.x'];
  expect(sqliteNames(names, 'schema_table').map(({ name }) => name)).toEqual([
    ...['public_item', 'sales_item', 'public_Sales_Item', 'public_x'],
  ]);
  expect(sqliteNames(names, 'table').map(({ name }) => name)).toEqual([
    ...['item', 'sales_item', 'public_Sales_Item', 'x'],
  ]);
  expect(sqliteNames(names, 'both').map(({ alias }) => alias)).toEqual([
    ...['item', null, null, 'x'],
  ]);
});

const column = (name: string, type: string, kind: ColumnDef['kind']): ColumnDef => ({
  name,
  type,
  kind,
});

const CHANGE: Change = {
  operation: 1,
  table: {
    name: 'public.Odd "name"',
    columns: [
      column('i', 'integer', 'int'),
      column('f', 'double precision', 'float'),
      column('b', 'boolean', 'bool'),
      column('t', 'text', 'text'),
      column('x', 'bytea', 'bytes'),
      column('big', 'bigint', 'bigint'),
    ],
    key: ['i'],
    indexes: [],
    selector: { kind: 'everyone' },
  },
  sequence: { history: 0, ts: 5 as Ts, index: 0 },
  txid: 2 ** 33,
  micros: 0,
  newRow: { positions: null, cells: [0, -0, 0, '', new Uint8Array(0), 9007199254740993n] },
  oldRow: null,
};

test('protobuf: zeros and empties inside a value are written, outside they are left out', () => {
  const [read] = decodeChanges(changesProto([CHANGE])).changes;
  expect(read?.newColumns.map(({ value }) => value)).toEqual([
    ...[0n, -0, false, '', new Uint8Array(0), 9007199254740993n],
  ]);
  expect(read?.txid).toBe(2n ** 33n);
  const bytes = Buffer.from(changesProto([{ ...CHANGE, newRow: null, txid: 0 }]));
  // operation, table, sequence, two positions: no number, no transaction, no time.
  expect(bytes.subarray(2).toString('hex')).toBe(
    `080112${hex('public."Odd ""name"""')}1a${hex('0.5.0')}20052805`,
  );
});

function hex(text: string): string {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]).toString('hex');
}

test('protobuf: NULL is a column without value', () => {
  const row = { positions: [3, 0], cells: [null, 7] };
  const [read] = decodeChanges(changesProto([{ ...CHANGE, newRow: null, oldRow: row }])).changes;
  expect(read?.oldColumns).toEqual([
    { name: 't', value: null, type: 25 },
    { name: 'i', value: 7n, type: 23 },
  ]);
});

test('JSON: the same change, as text', () => {
  expect(JSON.parse(changeJson({ ...CHANGE, micros: 1_500_000 }))).toEqual({
    ...{ operation: 1, table: 'public."Odd ""name"""', sequence: '0.5.0' },
    ...{ commitSequence: 5, changeSequence: 5, commitIndex: 0, txid: 2 ** 33, timestamp: 1 },
    newRow: {
      i: { value: '0', type: 23 },
      f: { value: '-0', type: 701 },
      b: { value: 'false', type: 16 },
      t: { value: '', type: 25 },
      x: { value: '\\x', type: 17 },
      big: { value: '9007199254740993', type: 20 },
    },
  });
});
