/** Values as they are stored: what SQLite sorts and compares must be what Postgres sorts and compares. */
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyOf, sortKeyOf } from '../../../src/sql/functions/keys.ts';
import { isNative, type Stored, toStored } from '../../../src/sql/storage.ts';
import { fromPostgresText, toPostgresText } from '../../../src/sql/text-values.ts';
import type { SqlType } from '../../../src/sql/types.ts';
import { registerSqlFunctions } from '../../../src/sqlite/sql-functions.ts';

/** In the order of Postgres, none equal to the next. */
const ORDERED: readonly (readonly [SqlType, readonly string[]])[] = [
  ['bool', ['f', 't']],
  ['int8', ['-9223372036854775808', '-1', '0', '9007199254740993', '9223372036854775807']],
  ['float8', ['-Infinity', '-1e+300', '-0.5', '0', '5e-324', '1e+300', 'Infinity', 'NaN']],
  ['float4', ['-Infinity', '-3.4e+38', '0.1', '1.6777216e+07', 'NaN']],
  [
    'numeric',
    [
      '-Infinity',
      '-1000',
      '-999.99',
      '-1.05',
      '-1',
      '-0.001',
      '0',
      '0.000001',
      '0.1',
      '0.11',
      '1',
      '9',
      '10',
      '10.01',
      '1e40',
      'Infinity',
      'NaN',
    ],
  ],
  ['text', ['', 'A', 'Z', 'a', 'ab', 'é', '￿', '𝒳']],
  [
    'date',
    [
      '-infinity',
      '4713-01-01 BC',
      '0001-12-31 BC',
      '0001-01-01',
      '1999-12-31',
      '2024-02-29',
      '10000-01-01',
      'infinity',
    ],
  ],
  [
    'timestamptz',
    [
      '-infinity',
      '0044-03-15 00:00:00+00 BC',
      '1969-12-31 23:59:59.999999+00',
      '1970-01-01 00:00:00+00',
      '2024-02-29 12:00:00+00',
      'infinity',
    ],
  ],
  [
    'interval',
    ['-1 years', '-1 days', '00:00:00', '00:00:00.000001', '1 day', '1 mon', '31 days', '1 year'],
  ],
  [
    'uuid',
    [
      '00000000-0000-0000-0000-000000000000',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      'ffffffff-ffff-ffff-ffff-ffffffffffff',
    ],
  ],
  ['bytea', ['\\x', '\\x00', '\\x0001', '\\xff']],
];

const read = (type: SqlType, text: string): Stored => toStored(type, fromPostgresText(type, text));

describe('the order of stored values is that of Postgres', () => {
  test.each(ORDERED)('%s', (type, texts) => {
    const db = new DatabaseSync(':memory:');
    registerSqlFunctions(db);
    db.exec('CREATE TABLE v (place INTEGER, value)');
    const insert = db.prepare('INSERT INTO v VALUES (?, ?)');
    for (const [place, text] of texts.entries()) insert.run(place, read(type, text));
    const key = sortKeyOf(type);
    const sorted = `SELECT place FROM v ORDER BY ${key === null ? 'value' : `pg_${key}(value)`}`;
    expect(
      db
        .prepare(sorted)
        .all()
        .map(({ place }) => place),
    ).toEqual(texts.map((_, place) => place));
    db.close();
  });
});

describe('values come back as Postgres prints them', () => {
  test.each(ORDERED)('%s', (type, texts) => {
    for (const text of texts.filter((one) => one !== '1e40' && one !== '-1 years')) {
      expect(toPostgresText(type, fromPostgresText(type, text))).toBe(text);
    }
  });

  test.each([
    ['float8', '1e15', '1e+15'],
    ['float8', '123456789012345', '123456789012345'],
    ['float8', '0.0001', '0.0001'],
    ['float8', '0.00001', '1e-05'],
    ['float8', '-0', '-0'],
    ['float4', '1234567', '1.234567e+06'],
    ['float4', '0.1', '0.1'],
    ['numeric', '1e5', '100000'],
    ['numeric', '-0.00', '0.00'],
    ['jsonb', '{"bb":1,"a":[1.50,"\\u00e4"],"a":null}', '{"a": null, "bb": 1}'],
    ['interval', '1 year -2 mons 3 days -04:05:06.7', '10 mons 3 days -04:05:06.7'],
    ['timestamptz', '2024-01-01 00:00:00+02', '2023-12-31 22:00:00+00'],
    ['bytea', 'a\\\\b\\001', '\\x615c6201'],
  ] as const)('%s %s', (type, written, printed) => {
    expect(toPostgresText(type, fromPostgresText(type, written))).toBe(printed);
  });
});

test('numerics are ordered by their sort keys as by their values', () => {
  const numeric = fc
    .tuple(fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }), fc.integer({ min: 0, max: 14 }))
    .map(([digits, scale]) => ({ digits, scale, text: withPoint(digits, scale) }));
  fc.assert(
    fc.property(numeric, numeric, (a, b) => {
      const [left, right] = [a, b].map(({ text }) => String(keyOf('sort_key_numeric', text)));
      const [x, y] = [a.digits * 10n ** BigInt(b.scale), b.digits * 10n ** BigInt(a.scale)];
      expect(order(left, right)).toBe(order(x, y));
      expect(keyOf('equal_key_numeric', a.text) === keyOf('equal_key_numeric', b.text)).toBe(
        x === y,
      );
    }),
  );
});

const order = <T>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

function withPoint(digits: bigint, scale: number): string {
  const text = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, '0');
  const point = text.length - scale;
  const shown = scale === 0 ? text : `${text.slice(0, point)}.${text.slice(point)}`;
  return digits < 0n ? `-${shown}` : shown;
}

test('types that SQLite compares by itself need no key', () => {
  for (const [type] of ORDERED) expect(sortKeyOf(type) === null).toBe(isNative(type));
});

test('a number before a clock is days in an interval, and no unit comes twice', () => {
  const written: readonly (readonly [string, string])[] = [
    ['3 4:05:06.7', '3 days 04:05:06.7'],
    ['-3 4:05', '-3 days +04:05:00'],
    ['1-2 3 4:05:06', '1 year 2 mons 3 days 04:05:06'],
    ['+1 -2:00', '1 day -02:00:00'],
    ['1 day 5', '1 day 00:00:05'],
    ['0:00:00.0000006', '00:00:00.000001'],
    ['1 s 2 ms 3 us', '00:00:01.002003'],
  ];
  for (const [text, expected] of written) {
    expect(toPostgresText('interval', fromPostgresText('interval', text))).toBe(expected);
  }
  for (const text of ['1 2', '5 1 day', '1 mon 1 mon', '1-2 3 mons', '1 h 2:00', '100:99:00']) {
    expect(() => fromPostgresText('interval', text), text).toThrow(/interval/);
  }
});
