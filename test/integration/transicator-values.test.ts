/** W6, W7, W10-W12, W14, W15, W20: every value, every name and every kind of change arrives as it is. */
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { loadSnapshot } from '../../src/bench/transicator/api.ts';
import {
  DELETE,
  decodeSnapshot,
  UPDATE,
  type WireChange,
} from '../../src/bench/transicator/schema.ts';
import { until } from '../support/stack.ts';
import { OldReceiver } from '../support/transicator/old-receiver.ts';
import { Served } from '../support/transicator/served.ts';

/** Type, and values as SQL literals; NULL is tried with each. */
const TYPES: readonly (readonly [type: string, ...values: string[]])[] = [
  ['int2', '-32768', '0', '32767'],
  ['int4', '-2147483648', '0', '2147483647'],
  ['int8', '-9223372036854775808', '0', '9007199254740993', '9223372036854775807'],
  ['oid', '0', '2147483648', '4294967295'],
  ['float4', '0', '1.5', '-3.4e38', "'NaN'", "'Infinity'"],
  ['float8', '0', '0.1', '-1e300', '5e-324', "'-Infinity'"],
  ['numeric', '0', '-12345678901234567890.000100', "'NaN'"],
  ['bool', 'true', 'false'],
  ['text', "''", '\'a "quoted" \\ backslash\'', "E'line\\nfeed\\ttab\\u0001'", "'žluťoučký 🐎'"],
  ['varchar', "''", "'x'"],
  ['bytea', "''", "'\\x00ff80fe'", "'\\x0a22'"],
  ['date', "'0044-03-15 BC'", "'2026-11-22'", "'infinity'"],
  ['time', "'00:00:00'", "'23:59:59.999999'"],
  ['timestamp', "'2000-01-01 00:00:00'", "'1969-12-31 23:59:59.5'"],
  ['timestamptz', "'2000-01-01 00:00:00+00'", "'2026-11-22 10:00:00.123456+05:30'"],
  ['uuid', "'6f1c1f0e-5ac4-4d5c-9d3e-0a4bb1a9c001'"],
  ['json', `'{"a": "\\\\ \\""}'`, "'null'"],
  ['jsonb', `'{"b":[1,null]}'`],
  ['int4[]', "'{}'", "'{1,NULL,3}'"],
];

const COLUMNS = TYPES.map(([type], index) => `c${index} ${type}`).join(', ');
const EVERY = `CREATE TABLE every (id serial PRIMARY KEY, ${COLUMNS}, _change_selector text NOT NULL);`;

/** A row of NULLs, and one for each value. */
function everyRow(selector: string): string {
  const rows = TYPES.flatMap(([type, ...values], index) =>
    values.map(
      (value) =>
        `INSERT INTO every (c${index}, _change_selector) VALUES ((${value})::${type}, '${selector}')`,
    ),
  );
  return [`INSERT INTO every (_change_selector) VALUES ('${selector}')`, ...rows].join(';');
}

/** All rows of the reader's table, by key, with SQLite's own types. */
function dump(file: string, table: string): readonly string[] {
  const db = new DatabaseSync(file, { readOnly: true });
  const columns = TYPES.map((_, index) => `quote(c${index}) AS c${index}`).join(', ');
  const rows = db.prepare(`SELECT ${columns} FROM ${table} ORDER BY id`).all();
  db.close();
  return rows.map((row) => JSON.stringify(row));
}

test('W6, W7, W14: what came by a snapshot equals what came by the feed, for every type and NULL', async () => {
  const served = await Served.open({ schema: EVERY });
  const feed = await served.client('feed', ['foo']);
  await served.sql(everyRow('foo'));
  await served.settle(feed);
  const snapshot = await served.client('snapshot', ['foo']);
  await served.settle(snapshot);
  const rows = dump(served.stack.file('feed'), 'every');
  expect(rows.length).toBe(1 + TYPES.reduce((sum, [, ...values]) => sum + values.length, 0));
  expect(dump(served.stack.file('snapshot'), 'every')).toEqual(rows);
  const nulls = Object.values(JSON.parse(rows[0] ?? '{}') as Record<string, string>);
  expect(new Set(nulls)).toEqual(new Set(['NULL']));
  for (const [index, row] of rows.slice(1).entries()) {
    const filled = Object.values(JSON.parse(row) as Record<string, string>);
    expect(
      filled.filter((value) => value !== 'NULL'),
      `value ${index}: ${row}`,
    ).toHaveLength(1);
  }
  await served.expectSame('feed', 'every', 'id, c1, c8, c9', 'foo');
});

test('W7: NULL and empty are two things in snapshots of all three forms', async () => {
  const served = await Served.open({
    schema: `CREATE TABLE n (id int PRIMARY KEY, t text, b bytea, x float8, s timestamptz, y bool, _change_selector text);
      INSERT INTO n VALUES (1, NULL, NULL, NULL, NULL, NULL, 'foo'), (2, '', '', 0, '2000-01-01+00', false, 'foo')`,
  });
  const file = served.stack.file('file');
  await loadSnapshot({ server: served.url, scopes: ['foo'] }, file);
  const db = new DatabaseSync(file, { readOnly: true });
  const sql =
    'SELECT typeof(t) t, typeof(b) b, typeof(x) x, typeof(s) s, typeof(y) y FROM public_n ORDER BY id';
  expect(
    db
      .prepare(sql)
      .all()
      .map((row) => Object.values(row).join()),
  ).toEqual(['null,null,null,null,null', 'text,blob,real,text,text']);
  db.close();
  const { body } = await served.json('/data?selector=foo&type=json');
  const { tables } = body as {
    tables: { name: string; rows: Record<string, { value: unknown }>[] }[];
  };
  const values = tables
    .find(({ name }) => name === 'public.n')
    ?.rows.map(({ t, b, x, s, y }) => [t, b, x, s, y].map((column) => column?.value === null));
  expect(values).toEqual([Array(5).fill(true), Array(5).fill(false)]);
  const answer = await fetch(`${served.url}/data?selector=foo&type=proto`);
  const pieces = decodeSnapshot(new Uint8Array(await answer.arrayBuffer()));
  const rows = pieces.flatMap((piece) =>
    piece.kind === 'row' && piece.values.length === 7 ? [piece.values] : [],
  );
  expect(rows.map((row) => row.slice(1, 6).map((value) => value === null))).toEqual([
    Array(5).fill(true),
    Array(5).fill(false),
  ]);
});

test('W10: dropped columns, capitals and reserved names work in snapshots and in the feed', async () => {
  const served = await Served.open({
    schema: `CREATE TABLE "Order" (id int PRIMARY KEY, gone int, "select" text, "Größe ""x""" text, _change_selector text);
      ALTER TABLE "Order" DROP COLUMN gone;
      INSERT INTO "Order" VALUES (1, 'a', 'b', 'foo');
      CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema"."group" (id int PRIMARY KEY, "table" text, _change_selector text);
      INSERT INTO "My Schema"."group" VALUES (1, 'x', 'foo')`,
  });
  const client = await served.client('foo');
  await served.sql(`INSERT INTO "Order" VALUES (2, 'c', 'd', 'foo');
    UPDATE "Order" SET "select" = 'e' WHERE id = 1; DELETE FROM "My Schema"."group" WHERE id = 1;
    INSERT INTO "My Schema"."group" VALUES (2, 'y', 'foo'); ALTER TABLE "Order" DROP COLUMN "Größe ""x"""`);
  await served.settle(client);
  await served.sql(`INSERT INTO "Order" VALUES (3, 'f', 'foo')`);
  await served.settle(client);
  await served.expectSame('foo', '"Order"', 'id, "select"');
  const db = new DatabaseSync(served.stack.file('foo'), { readOnly: true });
  expect(db.prepare('SELECT id, "table" FROM "My Schema_group"').all()).toMatchObject([
    { id: 2, table: 'y' },
  ]);
  db.close();
});

test('W11: deletes and changed keys of a table with default identity reach their readers', async () => {
  const served = await Served.open({
    schema: `CREATE TABLE item (id int PRIMARY KEY, note text, _change_selector text);
      INSERT INTO item SELECT g, 'n', 'foo' FROM generate_series(1, 4) g`,
  });
  const client = await served.client('foo');
  const since = (await served.changes(['foo'])).lastSequence;
  await served.sql(`DELETE FROM item WHERE id = 1; UPDATE item SET id = 20 WHERE id = 2`);
  await served.settle(client);
  const { changes } = await served.changes(['foo'], { since });
  expect(changes.map(({ operation }) => operation)).toEqual([DELETE, UPDATE]);
  expect(valuesOf(changes[0], 'oldColumns')).toEqual({
    id: 1n,
    note: 'n',
    _change_selector: 'foo',
  });
  expect(valuesOf(changes[1], 'oldColumns')).toMatchObject({ id: 2n });
  expect(valuesOf(changes[1], 'newColumns')).toMatchObject({ id: 20n });
  expect((await served.changes([], { since })).changes).toEqual([]);
  expect(await served.expectSame('foo', 'item', 'id, note')).toBe(3);
});

function valuesOf(change: WireChange | undefined, side: 'newColumns' | 'oldColumns'): unknown {
  return Object.fromEntries((change?.[side] ?? []).map(({ name, value }) => [name, value]));
}

test('W11: after TRUNCATE, added columns and a table made anew, readers are equal again', async () => {
  const served = await Served.open({
    schema: `CREATE TABLE item (id int PRIMARY KEY, note text, _change_selector text);
      INSERT INTO item SELECT g, 'n', 'foo' FROM generate_series(1, 4) g`,
  });
  const client = await served.client('foo');
  await served.sql(`TRUNCATE item; INSERT INTO item VALUES (9, 'after', 'foo')`);
  await served.settle(client);
  expect(await served.expectSame('foo', 'item', 'id, note')).toBe(1);
  await served.sql(`ALTER TABLE item ADD COLUMN more int DEFAULT 7;
    INSERT INTO item VALUES (10, 'more', 'foo', 8)`);
  await until('the column is there', async () => {
    await served.settle(client);
    const db = new DatabaseSync(served.stack.file('foo'), { readOnly: true });
    const found = db
      .prepare(`SELECT count(*) AS n FROM pragma_table_info('item') WHERE name = 'more'`)
      .get();
    db.close();
    return found?.n === 1;
  });
  expect(await served.expectSame('foo', 'item', 'id, note, more')).toBe(2);
  await served.sql(`DROP TABLE item; CREATE TABLE item (id int PRIMARY KEY, other text, _change_selector text);
    INSERT INTO item VALUES (1, 'new', 'foo')`);
  await served.settle(client);
  expect(await served.expectSame('foo', 'item', 'id, other')).toBe(1);
});

test('W11: a table without identity that may not be given one is told in /ready', async () => {
  const served = await Served.open({
    schema: 'CREATE TABLE item (id int PRIMARY KEY, _change_selector text)',
    flags: ['--replica-identity', 'leave'],
  });
  const { status, body } = await served.json('/ready');
  expect(status).toBe(200);
  expect(JSON.stringify(body)).toContain('not replicated: 2');
  const { body: state } = await served.json('/v1/status');
  expect(JSON.stringify(state)).toContain(
    'ALTER TABLE \\"public\\".\\"item\\" REPLICA IDENTITY FULL',
  );
});

test('W12: JSON and protobuf snapshots are one state with one position', async () => {
  const served = await Served.open({
    schema: `CREATE TABLE debit (id int PRIMARY KEY, n int, _change_selector text);
      CREATE TABLE credit (id int PRIMARY KEY, n int, _change_selector text);`,
  });
  const writer = await served.stack.client();
  let isDone = false;
  let written = 0;
  const writing = (async () => {
    for (; !isDone; written += 1) {
      await writer.query(`BEGIN; INSERT INTO debit VALUES (${written}, 1, 'foo');
        INSERT INTO credit VALUES (${written}, 1, 'foo'); COMMIT`);
    }
  })();
  await until('some rows', () => written > 20);
  for (let round = 0; round < 5; round += 1) {
    const { body } = await served.json('/data?selector=foo&type=json');
    const { tables, snapshotInfo } = body as JsonSnapshot;
    const counts = ['debit', 'credit'].map(
      (name) => tables.find((table) => table.name === `public.${name}`)?.rows?.length ?? 0,
    );
    expect(counts[0]).toBe(counts[1]);
    await expectRest(served, snapshotInfo, counts[0] ?? 0);
    const answer = await fetch(`${served.url}/data?selector=foo&type=proto`);
    const pieces = decodeSnapshot(new Uint8Array(await answer.arrayBuffer()));
    const [header] = pieces;
    const rows = pieces.filter(({ kind }) => kind === 'row').length;
    expect(rows % 2).toBe(0);
    await expectRest(served, header?.kind === 'header' ? header.snapshot : '', rows / 2);
  }
  isDone = true;
  await writing;
});

type JsonSnapshot = {
  readonly snapshotInfo: string;
  readonly tables: readonly { readonly name: string; readonly rows: readonly unknown[] | null }[];
};

/** What the snapshot shows and what the changes bring are together all rows, each once. */
async function expectRest(served: Served, snapshot: string, shown: number): Promise<void> {
  await served.logged();
  const { changes } = await served.changes(['foo'], { snapshot });
  const debits = changes.filter(({ table }) => table === 'public.debit');
  const first = Number(debits[0]?.newColumns.find(({ name }) => name === 'id')?.value ?? shown);
  expect(first).toBe(shown);
}

test('W15, W20: bytes, quotes, backslashes and large oids are exact, in JSON too', async () => {
  const served = await Served.open({
    schema: `CREATE TABLE item (id int PRIMARY KEY, b bytea, t text, o oid, _change_selector text)`,
  });
  await served.sql(
    `INSERT INTO item VALUES (1, '\\x00ff80fe22', E'"\\\\\\n\\t\\'', 4294967295, 'foo')`,
  );
  const { changes } = await served.changesUntil(['foo'], (list) => list.changes.length === 1);
  expect(valuesOf(changes[0], 'newColumns')).toMatchObject({
    b: Uint8Array.of(0, 0xff, 0x80, 0xfe, 0x22),
    t: '"\\\n\t\'',
    o: 4294967295n,
  });
  const { body } = await served.json('/changes?scope=foo');
  const [change] = (body as { changes: { newRow: Record<string, { value: string }> }[] }).changes;
  const { b, t, o } = change?.newRow ?? {};
  expect([b?.value, t?.value, o?.value]).toEqual(['\\x00ff80fe22', '"\\\n\t\'', '4294967295']);
});

test('an old receiver takes updates, deletes and moves too, without an error', async () => {
  const served = await Served.open({
    schema: `CREATE TABLE item (id int PRIMARY KEY, note text, _change_selector text)`,
    flags: ['--transicator-naming', 'both'],
  });
  const file = served.stack.file('old');
  const old = new OldReceiver({
    server: served.url,
    selector: 'foo',
    file,
    onLast: () => undefined,
  });
  old.start();
  await served.sql(`INSERT INTO item SELECT g, 'n', 'foo' FROM generate_series(1, 9) g`);
  await served.sql(`UPDATE item SET note = 'm' WHERE id < 4; DELETE FROM item WHERE id = 1;
    UPDATE item SET _change_selector = 'bar' WHERE id = 2`);
  await served.logged();
  await old.end();
  expect(old.printed).toEqual([]);
  expect(await served.expectSame('old', 'item', 'id, note', 'foo')).toBe(7);
});
