import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import wabt from 'wabt';
import { Digest } from '../../../src/core/digest.ts';
import { type HashedTable, RowHasher } from '../../../src/core/row-hasher.ts';
import { ROW_MIXER } from '../../../src/core/row-mixer.ts';
import type { Cell } from '../../../src/core/value.ts';

const TABLE: HashedTable = {
  name: 'public.t',
  columns: [
    { name: 'id', kind: 'bigint' },
    { name: 'f', kind: 'float' },
    { name: 't', kind: 'text' },
    { name: 'b', kind: 'bytes' },
    { name: 'u', kind: 'text' },
  ],
};
const LONG = 200_000;

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ maxLength: 40 }),
);
const row = fc.tuple(
  fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n })),
  fc.option(fc.double({ noNaN: true })),
  fc.option(text),
  fc.option(fc.uint8Array({ maxLength: 40 }), { freq: 2 }),
  fc.option(text),
) as fc.Arbitrary<Cell[]>;

const hasher = new RowHasher(TABLE);

function hexOf(cells: readonly Cell[], by: RowHasher = hasher): string {
  const digest = new Digest();
  digest.add(by.hash(cells));
  return digest.hex;
}

test('the code is what row-mixer.wat gives', async () => {
  const source = readFileSync('src/core/row-mixer.wat', 'utf8');
  const { buffer } = (await wabt()).parseWat('row-mixer.wat', source).toBinary({});
  expect(ROW_MIXER).toBe(Buffer.from(buffer).toString('base64'));
});

test('the sum of many rows is that of their hashes, whatever is in them', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 250 }), fc.nat(250), (rows, from) => {
      const one = new Digest();
      const all = new Digest();
      for (const cells of rows.slice(from)) one.add(hasher.hash(cells));
      const count = Math.max(0, rows.length - from);
      all.add(hasher.sum(rows, Math.min(from, rows.length), rows.length), count);
      expect(all.hex).toBe(one.hex);
    }),
  );
});

test.each([
  ['plain', 'x'],
  ['é', 'é'],
  ['beyond the basic plane', '𝄞'],
  ['plain, with one character', `${'y'.repeat(LONG / 2)}é`],
])('a text of any length has the hash of its pieces’ order: %s', (_name, unit) => {
  const long = unit.repeat(Math.ceil((LONG + 7) / unit.length));
  const rows: Cell[][] = [
    [1, 0.5, 'a', null, 'b'],
    [2, 0.5, long, new Uint8Array(LONG + 3).fill(7), 'b'],
    [3, 0.5, 'a', null, long],
  ];
  const sum = new Digest();
  sum.add(hasher.sum(rows, 0, 3), 3);
  for (const cells of rows) sum.remove(hasher.hash(cells));
  expect(sum.equals(new Digest())).toBe(true);
  const other = [2, 0.5, `${long.slice(0, -unit.length)}!`, new Uint8Array(LONG + 3).fill(7), 'b'];
  expect(hexOf(other)).not.toBe(hexOf(rows[1] ?? []));
});

test('two different rows have different hashes, however regular they are', () => {
  const table: HashedTable = {
    name: 't',
    columns: ['a', 'b', 'c'].map((name) => ({ name, kind: 'int' as const })),
  };
  const ints = new RowHasher(table);
  const seen = new Set<string>();
  const steps = 25;
  for (let a = 0; a < steps; a += 1) {
    for (let b = 0; b < steps; b += 1) {
      for (let c = 0; c < steps; c += 1) seen.add(hexOf([a, b, c], ints));
    }
  }
  for (let id = 1; id <= 20_000; id += 1) seen.add(hexOf([id + steps, null, null], ints));
  expect(seen.size).toBe(steps ** 3 + 20_000);
});

test('each word of the hash is as good as chance on sequential ids', () => {
  const count = 100_000;
  const words = [new Set<number>(), new Set<number>(), new Set<number>(), new Set<number>()];
  for (let id = 0; id < count; id += 1) {
    const hash = hasher.hash([id, null, null, null, null]);
    for (let at = 0; at < 4; at += 1) words[at]?.add(hash[at] ?? 0);
  }
  // Of n values of 32 bits n^2 / 2^33 collide: 1.2 here; 12 would be no accident.
  for (const word of words) expect(word.size).toBeGreaterThan(count - 12);
});

test.each<[string, (id: number) => Cell[], (id: number) => Cell[]]>([
  ['a low bit of a number', (id) => [id, 1, '', null, ''], (id) => [id ^ 1, 1, '', null, '']],
  [
    'a high bit of a number',
    (id) => [id, 1, '', null, ''],
    (id) => [id + 2 ** 52, 1, '', null, ''],
  ],
  ['one character', (id) => [1, 1, `row ${id}`, null, ''], (id) => [1, 1, `rox ${id}`, null, '']],
  ['a moved value', (id) => [1, 1, `${id}`, null, 'x'], (id) => [1, 1, 'x', null, `${id}`]],
  ['a value instead of NULL', (id) => [id, null, '', null, ''], (id) => [id, 0, '', null, '']],
])('%s changes half of the bits, each of them as often', (_name, before, after) => {
  const rounds = 4000;
  const flips = new Array<number>(128).fill(0);
  for (let id = 0; id < rounds; id += 1) {
    const old = Uint32Array.from(hasher.hash(before(2 * id)));
    const now = hasher.hash(after(2 * id));
    for (let bit = 0; bit < 128; bit += 1) {
      const difference = (old[bit >> 5] ?? 0) ^ (now[bit >> 5] ?? 0);
      flips[bit] = (flips[bit] ?? 0) + ((difference >>> (bit & 31)) & 1);
    }
  }
  // The standard deviation is 32 of 2000; 6 of them in 128 bits are no accident.
  for (const flipped of flips) expect(Math.abs(flipped - rounds / 2)).toBeLessThan(192);
});

test('swapped values, split values and moved values differ', () => {
  const cells: Cell[][] = [
    [1, null, 'ab', null, 'c'],
    [1, null, 'a', null, 'bc'],
    [1, null, 'c', null, 'ab'],
    [1, null, 'abc', null, ''],
    [1, null, 'abc', null, null],
    [1, null, null, null, 'abc'],
    [1, null, null, new Uint8Array([97, 98, 99]), null],
    [1, null, 'abc\0', null, null],
    [1, null, 'abc', null, '\0'],
  ];
  expect(new Set(cells.map((one) => hexOf(one))).size).toBe(cells.length);
});

test('another table, and another column, has other hashes', () => {
  const other = new RowHasher({ ...TABLE, name: 'public.u' });
  const [id, ...rest] = TABLE.columns;
  const renamed = new RowHasher({ ...TABLE, columns: [{ name: 'key', kind: 'bigint' }, ...rest] });
  expect(id?.name).toBe('id');
  const cells = [1, 2, 'x', null, null];
  expect(new Set([hexOf(cells), hexOf(cells, other), hexOf(cells, renamed)]).size).toBe(3);
});
