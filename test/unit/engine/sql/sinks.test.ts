import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import avro from 'avsc';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SinkTarget } from '../../../../src/sql/statement.ts';
import { column, openBed } from './worker-bed.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidelock-sinks-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const COLUMNS = [
  column('a', 'int4'),
  column('big', 'int8'),
  column('?', 'text'),
  column('b', 'bytea'),
];

type Bed = ReturnType<typeof openBed>;

function openTable(): Bed {
  const bed = openBed(join(folder, 'sql.db'));
  bed.worker.handle({ kind: 'createTable', id: 'u1', columns: COLUMNS, since: 0 });
  return bed;
}

function createSink(bed: Bed, into: SinkTarget, hasSnapshot = true): void {
  const asOf = 1;
  const from = 'u1';
  bed.worker.handle({
    kind: 'createSink',
    id: 'u2',
    from,
    columns: COLUMNS,
    into,
    asOf,
    hasSnapshot,
  });
}

function change(bed: Bed, time: number, ...deltas: readonly (readonly [number, number])[]): void {
  const bytes = new Uint8Array([1, 255]);
  const rows = deltas.map(([a, diff]) => ({ row: [a, 2n ** 60n, null, bytes], diff }));
  bed.worker.handle({ kind: 'insert', time, updates: [{ id: 'u1', deltas: rows }] });
  bed.worker.handle({ kind: 'advanceTables', to: time + 1 });
}

const LINE_1 =
  '{"time":1,"diff":2,"row":{"a":7,"big":1152921504606846976,"?":null,"b":"\\\\x01ff"}}';
const LINE_2 =
  '{"time":3,"diff":-1,"row":{"a":7,"big":1152921504606846976,"?":null,"b":"\\\\x01ff"}}';

test('JSON lines: the rows, then each change once, also when the process ended in between', () => {
  const path = join(folder, 'out.jsonl');
  const first = openTable();
  createSink(first, { kind: 'json', path });
  expect(first.take()).toEqual([{ kind: 'sinkReady', id: 'u2' }]);
  change(first, 1, [7, 2]);
  expect(first.take()).toContainEqual({
    kind: 'uppers',
    uppers: [
      { id: 'u1', upper: 2 },
      { id: 'u2', upper: 2 },
    ],
  });
  first.worker.close();
  first.store.close();
  appendFileSync(path, '{"time":3,"torn');
  const second = openTable();
  createSink(second, { kind: 'json', path });
  change(second, 3, [7, -1]);
  expect(readFileSync(path, 'utf8')).toBe(`${LINE_1}\n${LINE_2}\n`);
  second.worker.close();
  second.store.close();
});

test('a sink without a snapshot begins with the first change after its time', () => {
  const path = join(folder, 'out.jsonl');
  const bed = openTable();
  createSink(bed, { kind: 'json', path }, false);
  change(bed, 1, [7, 2]);
  change(bed, 3, [7, -1]);
  expect(readFileSync(path, 'utf8')).toBe(`${LINE_2}\n`);
  bed.worker.close();
});

test('Avro: a container file that its library reads, with 64-bit numbers and bytes', async () => {
  const path = join(folder, 'out.avro');
  const bed = openTable();
  createSink(bed, { kind: 'avro', path });
  change(bed, 1, [7, 2]);
  change(bed, 3, [7, -1], [8, 1]);
  const found: unknown[] = [];
  for await (const one of avro.createFileDecoder(path, { parseHook: withBigInts })) found.push(one);
  const row = (a: number) => ({ a, big: 2n ** 60n, _: null, b: Buffer.from([1, 255]) });
  expect(JSON.parse(JSON.stringify(found, text))).toEqual(
    JSON.parse(
      JSON.stringify(
        [
          { time: 1n, diff: 2n, row: row(7) },
          { time: 3n, diff: -1n, row: row(7) },
          { time: 3n, diff: 1n, row: row(8) },
        ],
        text,
      ),
    ),
  );
  bed.worker.close();
});

const text = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? String(value) : value;

function withBigInts(schema: unknown): avro.Type {
  const long = avro.types.LongType.__with({
    fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
    toBuffer: () => Buffer.alloc(8),
    fromJSON: BigInt,
    toJSON: Number,
    isValid: (value: unknown) => typeof value === 'bigint',
    compare: () => 0,
  });
  return avro.Type.forSchema(schema as avro.Schema, { registry: { long }, wrapUnions: false });
}

test('SQLite: the file has the rows of now, and how far it is', () => {
  const path = join(folder, 'out.db');
  const first = openTable();
  createSink(first, { kind: 'sqlite', path });
  change(first, 1, [7, 2], [8, 1]);
  first.worker.close();
  first.store.close();
  const second = openTable();
  createSink(second, { kind: 'sqlite', path });
  change(second, 3, [7, -1], [8, -1], [9, 1]);
  const file = new DatabaseSync(path, { readOnly: true });
  expect(file.prepare('SELECT a FROM data ORDER BY a').all()).toEqual([{ a: 7 }, { a: 9 }]);
  expect(file.prepare('SELECT upper FROM tidelock_sink').all()).toEqual([{ upper: 4 }]);
  file.close();
  second.worker.close();
  second.store.close();
});

test('a sink does not write over a file that is there', () => {
  const path = join(folder, 'mine.txt');
  writeFileSync(path, 'mine');
  const bed = openTable();
  createSink(bed, { kind: 'json', path });
  expect(bed.take()).toMatchObject([{ kind: 'failed', id: 'u2', code: '58030' }]);
  expect(readFileSync(path, 'utf8')).toBe('mine');
  bed.store.close();
});

test('what a sink has still to write is not forgotten, and a dropped sink holds nothing', () => {
  const bed = openTable();
  createSink(bed, { kind: 'json', path: join(folder, 'out.jsonl') });
  bed.worker.handle({ kind: 'allowCompaction', since: [{ id: 'u1', since: 5 }] });
  expect(bed.store.get('u1').state.since).toBe(1);
  bed.worker.handle({ kind: 'drop', ids: ['u2'] });
  expect(bed.store.get('u1').state.since).toBe(5);
  bed.store.close();
});
