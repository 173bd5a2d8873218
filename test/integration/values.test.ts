/**
 * P22: the same row gives the same cells by copy and by stream, for every common type. The copy decodes
 * Postgres' binary form, the stream its text: two ways to one canonical value.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { parseSelectorRule } from '../../src/core/selector.ts';
import type { TableDef } from '../../src/core/table.ts';
import { type Cell, cellFromText } from '../../src/core/value.ts';
import { describeTables } from '../../src/postgres/catalog.ts';
import { copyRows } from '../../src/postgres/copy.ts';
import { type Recorder, TestDatabase } from '../support/source-recorder.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await db.sql.query(`
    CREATE SCHEMA types;
    CREATE TYPE types.mood AS ENUM ('happy', 'so "so"', 'très triste');
    CREATE TYPE types.pair AS (a int, b text);
    CREATE DOMAIN types.small AS int CHECK (VALUE < 1000);
    CREATE DOMAIN types.smaller AS types.small;
    CREATE DOMAIN types.moody AS types.mood;
    CREATE DOMAIN types.pairs AS types.pair;
    CREATE DOMAIN types.list AS int[];
    CREATE DOMAIN types.host AS inet;`);
});

afterAll(() => db.close());

async function definition(name: string): Promise<TableDef> {
  const declarations = [{ name, selector: parseSelectorRule('*') }];
  const found = (await describeTables(db.sql, declarations)).find((one) => one.name === name);
  if (found?.kind !== 'table') throw new Error(JSON.stringify(found));
  return found.table;
}

async function copied(table: TableDef): Promise<Cell[][]> {
  const rows: Cell[][] = [];
  for await (const chunk of copyRows({ session: db.sql, table, selectors: [] })) {
    rows.push(...chunk.rows);
  }
  return rows;
}

function streamed(table: TableDef, recorder: Recorder): Cell[][] {
  return recorder.inserted(table.name).map((row) =>
    row.map((value, index) => {
      if (typeof value === 'symbol') throw new Error('an unchanged value in an insert');
      return value === null ? null : cellFromText(table.columns[index]?.kind ?? 'text', value);
    }),
  );
}

/** Makes a table of one column per type, inserts, and returns both views, sorted by id. */
async function bothWays(name: string, types: readonly string[], insert: string) {
  const columns = types.map((type, index) => `c${index} ${type}`).join(', ');
  await db.sql.query(`CREATE TABLE public.${name} (id int PRIMARY KEY, ${columns})`);
  const table = await definition(`public.${name}`);
  const { recorder } = await db.stream([table.name], { publication: name });
  await db.sql.query(insert);
  const { n } = await db.sql.queryOne(`SELECT count(*) AS n FROM public.${name}`);
  await recorder.until(() => recorder.inserted(table.name).length >= Number(n), 'all rows');
  const byId = (a: Cell[], b: Cell[]): number => Number(a[0]) - Number(b[0]);
  const result = {
    table,
    copy: (await copied(table)).sort(byId),
    stream: streamed(table, recorder).sort(byId),
  };
  await db.endStreams();
  return result;
}

/** [type, values as SQL literals]; NULL is added to each. */
const SAMPLES: readonly (readonly [string, readonly string[]])[] = [
  ['int2', ['-32768', '32767']],
  ['int4', ['-2147483648', '2147483647', '0']],
  ['int8', ['-9223372036854775808', '9223372036854775807', '9007199254740993', '9007199254740991']],
  ['oid', ['4294967295']],
  ['bool', ['true', 'false']],
  [
    'float4',
    ["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", '0.1', '1e-45', '3.4028235e38', '16777216'],
  ],
  [
    'float8',
    [
      "'NaN'",
      "'Infinity'",
      "'-Infinity'",
      "'-0'",
      '0.1',
      '5e-324',
      '1.7976931348623157e308',
      '1e22',
    ],
  ],
  ['numeric', ["'NaN'", "'Infinity'", '1.10', '-0.000', `1${'0'.repeat(300)}.5`, "'1e-100'"]],
  ['numeric(10,2)', ['1.1', '99999999.99']],
  ['money', ['-1234.5']],
  [
    'text',
    ["''", "'it''s'", "E'tab\\tline\\nnul-free \\\\ end'", "'日本 🚀 é'", "repeat('long ', 5000)"],
  ],
  ['varchar(20)', ["'x  '"]],
  ['char(5)', ["'ab'", "''"]],
  ['"char"', ["'a'", "'\\200'", "''"]],
  ['name', ["'a name'"]],
  ['bytea', ["''", "'\\x00ff10'", "'\\x5c78'", "decode(repeat('00ff', 5000), 'hex')"]],
  ['date', ["'2026-02-28'", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'5874897-12-31'"]],
  ['time', ["'00:00:00.000001'", "'24:00:00'"]],
  ['timetz', ["'12:00:00+05:30'"]],
  [
    'timestamp',
    [
      "'2026-01-01 12:34:56.789'",
      "'infinity'",
      "'0044-03-15 01:02:03 BC'",
      "'294276-12-31 23:59:59.999999'",
    ],
  ],
  [
    'timestamptz',
    [
      "'2026-01-01 12:34:56.789+05:30'",
      "'infinity'",
      "'-infinity'",
      "'0044-03-15 01:02:03+00 BC'",
      "'1883-11-18 12:00:00+00'",
    ],
  ],
  ['interval', ["'1 year 2 mons -3 days 04:05:06.789'", "'0'", "'infinity'"]],
  ['uuid', ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]],
  ['json', [`'{"b": 1, "a":  [1, null], "b": 2}'`]],
  ['jsonb', [`'{"b": 1, "a":  [1.10, null], "é": "\\u00e9"}'`, `'"x"'`, "'null'"]],
  ['xml', ["'<a>é</a>'"]],
  ['inet', ["'10.0.0.1'", "'10.0.0.1/8'", "'::1'"]],
  ['cidr', ["'10.0.0.0/8'"]],
  ['macaddr', ["'08:00:2b:01:02:03'"]],
  ['bit(5)', ["B'10101'"]],
  ['varbit', ["B''", "B'1'"]],
  ['point', ["'(1.5,-0)'"]],
  ['box', ["'(1,1),(0,0)'"]],
  ['tsvector', [`'a:1 ''quo te'':2B'`]],
  ['tsquery', ["'a & !b'"]],
  ['int4range', ["'[1,5)'", "'empty'"]],
  ['tstzmultirange', ["'{[2026-01-01,2026-02-01)}'"]],
  ['pg_lsn', ["'16/B374D848'"]],
  ['xid8', ["'18446744073709551615'"]],
  ['regclass', ["'pg_class'", "'types.pair'"]],
  ['jsonpath', ["'$.a[*] ? (@ > 1)'"]],
  ['int4[]', ["'{}'", "'{1,NULL,3}'", "'[0:1]={1,2}'", "'{{1,2},{3,4}}'"]],
  ['text[]', [`'{"a b","q\\"uote","",NULL,"NULL"}'`]],
  ['timestamptz[]', ["'{2026-01-01 00:00:00+00}'"]],
  ['bool[]', ["'{t,f}'"]],
  ['float4[]', ["'{0.1,NaN}'"]],
  ['bytea[]', [`'{"\\\\x00ff"}'`]],
  ['types.mood', ['\'so "so"\'', "'très triste'"]],
  ['types.mood[]', [`'{happy,"so \\"so\\""}'`]],
  ['types.pair', [`'(1,"a ""b""")'`, 'ROW(NULL,NULL)::types.pair']],
  ['types.pair[]', ["ARRAY[ROW(1,'x')::types.pair]"]],
  ['types.smaller', ['7']],
  ['types.moody', ["'happy'"]],
  ['types.pairs', ['ROW(1,NULL)::types.pair']],
  ['types.list', ["'{1,2}'"]],
  ['types.host', ["'10.0.0.1'"]],
];

test('P22: copy and stream give the same cells for every type and its awkward values', async () => {
  const inserts = SAMPLES.flatMap(([type, values], column) =>
    [...values, 'NULL'].map((value, index) => ({ column, value, id: column * 100 + index, type })),
  );
  const { copy, stream } = await bothWays(
    'every_type',
    SAMPLES.map(([type]) => type),
    inserts
      .map(
        ({ id, column, value, type }) =>
          `INSERT INTO public.every_type (id, c${column}) VALUES (${id}, ${value === 'NULL' ? 'NULL' : `(${value})::${type}`})`,
      )
      .join(';'),
  );
  expect(copy).toHaveLength(inserts.length);
  for (const [index, { column, type, value }] of inserts.entries()) {
    expect(copy[index]?.[column + 1], `${type}: ${value}`).toEqual(stream[index]?.[column + 1]);
  }
  expect(copy).toEqual(stream);
});

test('P22: cells have the canonical form', async () => {
  const { copy } = await bothWays(
    'canonical',
    ['int8', 'float4', 'float8', 'bool', 'bytea', 'timestamptz', 'char(3)', '"char"', 'types.pair'],
    `INSERT INTO public.canonical VALUES (1, 9007199254740993, 0.1, 'NaN', true, '\\x00ff',
      '2026-01-01 00:00:00+00', 'a', '\\200', ROW(NULL, NULL))`,
  );
  expect(copy).toEqual([
    [
      ...[1, 9007199254740993n, 0.1, 'NaN', 1, new Uint8Array([0, 255])],
      ...['2026-01-01 00:00:00+00:00', 'a  ', '\\200', '(,)'],
    ],
  ]);
});

test('P22: mixed-case, reserved and odd names, dropped and generated columns', async () => {
  await db.sql.query(`
    CREATE TABLE public."Odd ""Name"" select" ("Id" int PRIMARY KEY, gone int, "select" text,
      "ünï.code" text, doubled int GENERATED ALWAYS AS ("Id" * 2) STORED,
      shown int GENERATED ALWAYS AS ("Id" * 3) VIRTUAL);
    ALTER TABLE public."Odd ""Name"" select" DROP COLUMN gone;`);
  const table = await definition('public.Odd "Name" select');
  expect(table.columns.map(({ name }) => name)).toEqual(['Id', 'select', 'ünï.code', 'doubled']);
  const { recorder } = await db.stream([table.name], { publication: 'Odd "pub"' });
  await db.sql.query(`INSERT INTO public."Odd ""Name"" select" VALUES (21, 's', NULL)`);
  await recorder.until(() => recorder.committed.length === 1, 'the row');
  expect(streamed(table, recorder)).toEqual([[21, 's', null, 42]]);
  expect(await copied(table)).toEqual(streamed(table, recorder));
  await db.endStreams();
});

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const nullable = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 8 });
const texts = fc
  .string({ unit: 'binary', maxLength: 60 })
  .map((text) => text.replaceAll('\0', '').toWellFormed());

test('P22: copy and stream agree on generated rows', async () => {
  const generated = fc.record({
    small: nullable(fc.integer({ min: -32768, max: 32767 }).map(String)),
    big: nullable(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)),
    single: nullable(
      fc.float().map((value) => literal(Object.is(value, -0) ? '-0' : String(value))),
    ),
    double: nullable(
      fc.double().map((value) => literal(Object.is(value, -0) ? '-0' : String(value))),
    ),
    flag: nullable(fc.boolean().map(String)),
    text: nullable(texts.map(literal)),
    bytes: nullable(
      fc.uint8Array({ maxLength: 40 }).map((b) => literal(`\\x${Buffer.from(b).toString('hex')}`)),
    ),
    list: nullable(
      fc
        .array(nullable(texts), { maxLength: 4 })
        .map(
          (items) =>
            `ARRAY[${items.map((item) => (item === null ? 'NULL' : literal(item))).join(',')}]::text[]`,
        ),
    ),
    json: nullable(
      fc
        .json({ noUnicodeString: false })
        .filter((json) => !json.includes('\\u0000'))
        .map(literal),
    ),
    micros: nullable(
      fc
        .bigInt({ min: -62_000_000_000_000_000n, max: 250_000_000_000_000_000n })
        .map((n) => `'epoch'::timestamptz + ${n} * interval '1 microsecond'`),
    ),
    uuid: nullable(fc.uuid().map(literal)),
  });
  const rows = fc.sample(generated, { numRuns: 300, seed: 42 });
  const values = rows.map(
    (row, id) => `(${[id, ...Object.values(row).map((v) => v ?? 'NULL')].join(', ')})`,
  );
  const { copy, stream } = await bothWays(
    'generated',
    [
      'int2',
      'int8',
      'float4',
      'float8',
      'bool',
      'text',
      'bytea',
      'text[]',
      'jsonb',
      'timestamptz',
      'uuid',
    ],
    `INSERT INTO public.generated VALUES ${values.join(', ')}`,
  );
  expect(copy).toHaveLength(300);
  expect(copy).toEqual(stream);
});
