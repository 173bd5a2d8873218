/** Upstream's acceptance cases of /snapshots and /data, on a real Postgres. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { decodeSnapshot } from '../../src/bench/transicator/schema.ts';
import type { Stack } from '../support/stack.ts';
import {
  getChanges,
  getSnapshot,
  openTransicator,
  refusal,
  settled,
} from '../support/transicator-world.ts';

const SCHEMA = `
  CREATE TABLE item (id int PRIMARY KEY, note text, _change_selector text);
  CREATE TABLE pair (b int, gone int, a text, n float8, _change_selector text, PRIMARY KEY (a, b));
  ALTER TABLE pair DROP COLUMN gone;
  CREATE TABLE "Order" (id int PRIMARY KEY, "select" text, _change_selector text);
  CREATE TABLE plain (id int PRIMARY KEY);
  INSERT INTO item VALUES (1, 'one', 'foo'), (2, NULL, 'foo'), (3, '', 'bar'), (4, 'four', 'baz');
  INSERT INTO "Order" VALUES (1, 'x', 'foo');
`;
const SQLITE = 'application/transicator+sqlite';
const PROTOBUF = 'application/transicator+protobuf';

let stack: Stack;

beforeEach(async () => {
  stack = await openTransicator({
    postgresUrl: inject('postgresUrl'),
    schema: SCHEMA,
    transicator: { naming: 'both' },
  });
});

afterEach(async () => {
  await stack.close();
});

type SqliteAnswer = {
  readonly headers: Headers;
  readonly bytes: Buffer;
  readonly db: DatabaseSync;
};

async function sqliteSnapshot(query: string): Promise<SqliteAnswer> {
  const answer = await fetch(`${stack.server}/snapshots?${query}`, { headers: { accept: SQLITE } });
  const bytes = Buffer.from(await answer.arrayBuffer());
  expect([answer.status, bytes.toString('utf8', 0, 15)]).toEqual([200, 'SQLite format 3']);
  const file = join(stack.dir, 'snapshot.db');
  writeFileSync(file, bytes);
  return { headers: answer.headers, bytes, db: new DatabaseSync(file) };
}

describe('/snapshots', () => {
  test('leads to the data, scopes first, with the type that Accept names', async () => {
    const cases: readonly (readonly [string | undefined, string])[] = [
      [undefined, 'json'],
      ['*', 'json'],
      ['*/*', 'json'],
      ['application/*', 'json'],
      [SQLITE, 'sqlite'],
      [`application/json;q=0.5, ${PROTOBUF}`, 'proto'],
      [`${PROTOBUF}, ${SQLITE}`, 'sqlite'],
    ];
    for (const [accept, type] of cases) {
      const query = 'selector=b&scope=a&selector=c_-9';
      const answer = await fetch(`${stack.server}/snapshots?${query}`, {
        redirect: 'manual',
        headers: accept === undefined ? {} : { accept },
      });
      expect([answer.status, answer.headers.get('location')]).toEqual([
        303,
        `/data?selector=a&selector=b&selector=c_-9&type=${type}`,
      ]);
    }
  });

  test('refuses what it cannot serve, with the codes that clients know', async () => {
    const bad = encodeURIComponent("foo' OR 1=1");
    const html = { headers: { accept: 'text/html' } };
    for (const path of ['/snapshots', '/data']) {
      expect(await refusal(stack, path)).toMatchObject({ status: 400, code: 'MISSING_SCOPE' });
      for (const name of ['scope', 'selector']) {
        const refused = await refusal(stack, `${path}?scope=foo&${name}=${bad}`);
        expect(refused).toMatchObject({ status: 400, code: 'INVALID_REQUEST_PARAM' });
        expect(refused.text).toContain(`"description": "${name} `);
      }
    }
    expect(await refusal(stack, '/snapshots?scope=foo', html)).toMatchObject({
      ...{ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' },
    });
    const unknown = await refusal(stack, '/data?selector=foo&type=xml');
    expect(unknown).toEqual({ status: 400, code: '', text: '' });
  });
});

test('JSON by default: tables with a selector, rows of two selectors, null for no rows', async () => {
  const answer = await fetch(`${stack.server}/data?selector=foo&selector=bar`);
  expect(answer.headers.get('content-type')).toBe('application/json');
  const text = await answer.text();
  const { tables, snapshotInfo, timestamp } = JSON.parse(text);
  expect(snapshotInfo).toMatch(/^\d+:\d+:[\d,]*$/);
  expect(Math.abs(Date.parse(timestamp) - Date.now())).toBeLessThan(60_000);
  expect(tables.map(({ name }: { name: string }) => name)).toEqual([
    ...['public."Order"', 'public.item', 'public.pair'],
  ]);
  expect(tables[2]).toEqual({ name: 'public.pair', rows: null });
  expect(tables[1].rows).toHaveLength(3);
  expect(tables[1].rows[1].note).toEqual({ value: null, type: 25 });
  expect(tables[1].rows[2].note).toEqual({ value: '', type: 25 });
  expect(text).toBe(`${JSON.stringify(JSON.parse(text), null, 2)}\n`);
});

test('an unknown selector gets valid, empty tables', async () => {
  const { tables } = await getSnapshot(stack, 'scope=nobody');
  expect(tables?.map(({ rows }) => rows)).toEqual([null, null, null]);
});

test('a SQLite file has its digest and snapshot in the header, lists its columns, and flags keys', async () => {
  const { headers, bytes, db } = await sqliteSnapshot('scope=foo');
  expect(headers.get('content-type')).toBe(SQLITE);
  expect(headers.get('etag')).toBe(`"${createHash('sha256').update(bytes).digest('hex')}"`);
  const [meta] = db.prepare('SELECT * FROM _transicator_metadata').all();
  expect(meta).toEqual({ key: 'snapshot', value: headers.get('transicator-snapshot-txid') });
  expect([bytes.readUInt16BE(16), bytes[18], bytes.readUInt32BE(60)]).toEqual([4096, 2, 0]);
  const listed = db.prepare('SELECT * FROM _transicator_tables').all() as {
    tableName: string;
    columnName: string;
    primaryKey: number;
    typid: number;
  }[];
  const names = (table: string) =>
    listed
      .filter(({ tableName }) => tableName === table)
      .map(({ columnName, primaryKey, typid }) => `${columnName} ${typid} ${primaryKey}`);
  expect(names('public_pair')).toEqual([
    ...['b 23 1', 'a 25 1', 'n 701 0', '_change_selector 25 0'],
  ]);
  expect(names('public.pair')).toEqual(names('public_pair'));
  expect(names('public_Order')).toEqual(['id 23 1', 'select 25 0', '_change_selector 25 0']);
  const schema = db.prepare("SELECT sql FROM sqlite_schema WHERE name = 'public_pair'").get();
  expect(schema?.sql).toContain('primary key ("b", "a")');
  expect(db.prepare('SELECT * FROM "public_Order"').all()).toEqual([
    { id: 1, select: 'x', _change_selector: 'foo' },
  ]);
  db.close();
});

test('with both names, the old one is a view that writes through', async () => {
  const { db } = await sqliteSnapshot('scope=foo');
  db.exec("INSERT INTO item (id, note, _change_selector) VALUES (9, 'nine', 'foo')");
  db.exec("UPDATE item SET note = 'uno', _change_selector = 'foo' WHERE id = 1");
  db.exec('DELETE FROM item WHERE id = 2');
  expect(db.prepare('SELECT id, note FROM public_item ORDER BY id').all()).toEqual([
    { id: 1, note: 'uno' },
    { id: 9, note: 'nine' },
  ]);
  expect(() => db.exec('INSERT INTO item (id) VALUES (9)')).toThrow('UNIQUE');
  db.close();
});

test('protobuf: a header, each table with its rows, and a trailer that tells it is complete', async () => {
  await stack.sql.query("INSERT INTO pair VALUES (-1, 'k', 'NaN', 'foo'), (2, 'k', NULL, 'foo')");
  await settled(stack);
  const { body, trailers, headers } = await withTrailers('/data?selector=foo&type=proto');
  expect(headers['content-type']).toBe(PROTOBUF);
  const pieces = decodeSnapshot(body);
  expect(pieces[0]).toMatchObject({
    ...{ kind: 'header', snapshot: headers['transicator-snapshot-txid'] },
  });
  const shown = pieces.slice(1).map((piece) => {
    if (piece.kind === 'table') return piece.name;
    return piece.kind === 'row' ? piece.values.map(plain) : '?';
  });
  expect(shown).toEqual([
    'public."Order"',
    [1n, 'x', 'foo'],
    'public.item',
    [1n, 'one', 'foo'],
    [2n, null, 'foo'],
    'public.pair',
    [-1n, 'k', 'NaN', 'foo'],
    [2n, 'k', null, 'foo'],
  ]);
  expect(trailers).toEqual({ 'transicator-snapshot-rows': '5' });
});

const plain = (value: unknown): unknown =>
  value instanceof Uint8Array ? Buffer.from(value).toString() : value;

type TrailedAnswer = {
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly trailers: NodeJS.Dict<string>;
  readonly body: Buffer;
};

/** `fetch` hides trailers. */
function withTrailers(path: string): Promise<TrailedAnswer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${stack.server}${path}`, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const { headers, trailers } = answer;
        resolve({ headers, trailers, body: Buffer.concat(chunks) });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('a database that is away is a 500, in the form of clients', async () => {
  const admin = new pg.Client(inject('postgresUrl'));
  await admin.connect();
  await admin.query(`ALTER DATABASE ${stack.name} ALLOW_CONNECTIONS false`);
  try {
    const { status, code } = await refusal(stack, '/data?selector=foo');
    expect([status, code]).toEqual([500, 'INTERNAL_SERVER_ERROR']);
  } finally {
    await admin.query(`ALTER DATABASE ${stack.name} ALLOW_CONNECTIONS true`);
    await admin.end();
  }
  expect((await getSnapshot(stack, 'scope=foo')).tables).toHaveLength(3);
});

test('a snapshot and the changes after it agree in every form of a value', async () => {
  await stack.sql.query("INSERT INTO pair VALUES (5, 'k', '1e-7', 'foo'), (6, 'k', '-0', 'foo')");
  await settled(stack);
  const changes = await getChanges(stack, 'scope=foo');
  const { tables } = await getSnapshot(stack, 'scope=foo');
  const rows = tables?.find(({ name }) => name === 'public.pair')?.rows;
  expect(rows).toEqual(changes.changes?.map(({ newRow }) => newRow));
});
