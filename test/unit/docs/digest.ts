/** The digest as docs/protocol.md defines it, beside that of the program. */
import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { bucketOf } from '../../../src/core/bucket.ts';
import { Digest } from '../../../src/core/digest.ts';
import { RowHasher } from '../../../src/core/row-hasher.ts';
import { cellFromJson, type JsonCell, type ValueKind } from '../../../src/core/value.ts';
import { fenced, section } from './pages.ts';

type Columns = readonly { readonly name: string; readonly kind: ValueKind }[];
type Row = readonly JsonCell[];
type Vector = {
  readonly table: string;
  readonly columns: Columns;
  readonly rows: readonly Row[];
  readonly hashes: readonly string[];
  readonly digest: string;
  readonly bucketsOf16: readonly number[];
};
type PageDigest = {
  readonly digest: (table: string, columns: Columns, rows: readonly Row[]) => string;
  readonly bucket: (key: Row, count: number) => number;
};

/** The functions that the page defines, run as they stand there. */
export function digestOfPage(page: string): PageDigest {
  const [code = ''] = fenced(section(page, '## Digests'), 'js');
  const globals = { TextEncoder, atob };
  return runInNewContext(`${code}\n({ digest, bucket })`, globals) as PageDigest;
}

export function digestOfProgram(name: string, columns: Columns, rows: readonly Row[]): string {
  const hasher = new RowHasher({ name, columns });
  const sum = new Digest();
  for (const row of rows) {
    const cells = columns.map(({ kind }, at) => cellFromJson(kind, row[at] ?? null));
    sum.add(hasher.hash(cells));
  }
  return sum.hex;
}

const VALUES: Readonly<Record<ValueKind, fc.Arbitrary<JsonCell>>> = {
  int: fc.integer(),
  bigint: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String),
  float: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant('NaN')),
  bool: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  timestamptz: fc.constantFrom('infinity', '2026-01-01 00:00:00+00:00'),
  text: fc.string({ unit: 'grapheme', maxLength: 60 }),
};

export const TABLE_OF_ROWS = fc
  .array(fc.constantFrom(...(Object.keys(VALUES) as ValueKind[])), { minLength: 1, maxLength: 8 })
  .chain((kinds) =>
    fc.record({
      columns: fc.constant(kinds.map((kind, at) => ({ name: `${kind} ${at}`, kind }))),
      rows: fc.array(fc.tuple(...kinds.map((kind) => fc.option(VALUES[kind]))), { maxLength: 4 }),
    }),
  );

export function checkVector(page: string): readonly string[] {
  const text = fenced(section(page, '## Digests'), 'json').find((one) => one.includes('"hashes"'));
  const vector = JSON.parse(text ?? '{}') as Vector;
  const { table, columns, rows: all } = vector;
  const theirs = digestOfPage(page);
  return [digestOfProgram, theirs.digest]
    .flatMap((digest) => [
      ...all.map((row, at) => [digest(table, columns, [row]), vector.hashes[at]]),
      [digest(table, columns, all), vector.digest],
      ...all.map(([id = 0], at) => [
        digest === digestOfProgram ? bucketOf([Number(id)], 16) : theirs.bucket([id], 16),
        vector.bucketsOf16[at],
      ]),
    ])
    .filter(([found, stated]) => found !== stated)
    .map(([found, stated]) => `${found} is stated as ${stated}`);
}
