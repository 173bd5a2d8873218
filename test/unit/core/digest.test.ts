import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Digest } from '../../../src/core/digest.ts';
import { RowHasher } from '../../../src/core/row-hasher.ts';
import type { Cell } from '../../../src/core/value.ts';

const table = {
  name: 'public.t',
  columns: [
    { name: 'id', kind: 'bigint' },
    { name: 'f', kind: 'float' },
    { name: 't', kind: 'text' },
    { name: 'b', kind: 'bytes' },
  ],
} as const;

const row = fc.tuple(
  fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n })),
  fc.option(fc.double({ noNaN: true })),
  fc.option(fc.string({ unit: 'binary' })),
  fc.option(fc.uint8Array()),
) as fc.Arbitrary<Cell[]>;

function digestOf(rows: readonly Cell[][]): Digest {
  const hasher = new RowHasher(table);
  const digest = new Digest();
  for (const cells of rows) digest.add(hasher.hash(cells));
  return digest;
}

test('a digest does not depend on the order of its rows', () => {
  fc.assert(
    fc.property(fc.array(row), (rows) => {
      expect(digestOf(rows).hex).toBe(digestOf([...rows].reverse()).hex);
    }),
  );
});

test('removing a row undoes adding it, and survives printing and parsing', () => {
  fc.assert(
    fc.property(fc.array(row), row, (rows, extra) => {
      const digest = digestOf([...rows, extra]);
      const parsed = Digest.parse(digest.hex, digest.rows);
      parsed.remove(new RowHasher(table).hash(extra));
      expect(parsed.equals(digestOf(rows))).toBe(true);
    }),
  );
});

test('two different rows have different hashes', () => {
  fc.assert(
    fc.property(row, row, (a, b) => {
      fc.pre(JSON.stringify(a, plain) !== JSON.stringify(b, plain));
      expect(digestOf([a]).hex).not.toBe(digestOf([b]).hex);
    }),
  );
});

test.each<[string, Cell[], Cell[]]>([
  ['NULL and the empty text', [1, null, '', null], [1, null, null, null]],
  ['0 and -0', [1, 0, null, null], [1, -0, null, null]],
  ['text and bytes of the same units', [1, null, 'a', null], [1, null, null, new Uint8Array([97])]],
  ['a value in the next column', [1, 2, null, null], [1, null, '2', null]],
  ['empty bytes and NULL', [1, null, null, new Uint8Array()], [1, null, null, null]],
  [
    'neighbouring bigints beyond 2^53',
    [2n ** 53n, null, null, null],
    [2n ** 53n + 1n, null, null, null],
  ],
])('%s differ', (_name, a, b) => {
  expect(digestOf([a]).hex).not.toBe(digestOf([b]).hex);
});

test('an integer has one hash, as number and as bigint', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (id) => {
      expect(digestOf([[id, null, null, null]]).hex).toBe(
        digestOf([[BigInt(id), null, null, null]]).hex,
      );
    }),
  );
});

test('a nullable column added later changes no digest', () => {
  const wider = { ...table, columns: [...table.columns, { name: 'n', kind: 'text' as const }] };
  const before = digestOf([[1, 2, 'x', null]]);
  const after = new Digest();
  after.add(new RowHasher(wider).hash([1, 2, 'x', null, null]));
  expect(after.equals(before)).toBe(true);
});

test('rows of up to 100,000 characters fit', () => {
  const long = 'x'.repeat(100_000);
  expect(digestOf([[1, null, long, null]]).hex).not.toBe(
    digestOf([[1, null, `${long}x`, null]]).hex,
  );
});

function plain(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}`;
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  return value instanceof Uint8Array ? `bytes ${[...value].join()}` : value;
}
