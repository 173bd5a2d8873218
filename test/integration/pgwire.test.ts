/** The wire protocol, spoken by the `pg` client and by hostile hands, over a backend that is scripted. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { TidelockError } from '../../src/core/errors.ts';
import type { WireLimits } from '../../src/pgwire/limits.ts';
import { WireServer, type WireServerOptions } from '../../src/pgwire/server.ts';
import { binaryOf } from '../../src/pgwire/value-binary.ts';
import { toPostgresText } from '../../src/sql/text-values.ts';
import type { SqlType, SqlValue } from '../../src/sql/types.ts';
import { column, type Script, ScriptedBackend } from '../support/scripted-backend.ts';
import { until } from '../support/stack.ts';

const NUMBER = [column('n', 'int4')];

function* manyRows(count: number): Iterable<readonly (readonly SqlValue[])[]> {
  for (let n = 1; n <= count; n += 1) yield [[n]];
}

const SCRIPT: Script = {
  BEGIN: { columns: null, tag: 'BEGIN' },
  COMMIT: { columns: null, tag: 'COMMIT' },
  ROLLBACK: { columns: null, tag: 'ROLLBACK' },
  'SELECT 1': { columns: NUMBER, tag: 'SELECT 1', rows: () => [[[1]]] },
  'SELECT five': {
    columns: NUMBER,
    tag: 'SELECT 5',
    rows: () => [
      [[1], [2], [3]],
      [[4], [5]],
    ],
  },
  'SELECT many': { columns: NUMBER, tag: 'SELECT 10000000', rows: () => manyRows(10_000_000) },
  'CREATE VIEW v': { columns: null, tag: 'CREATE VIEW', notice: 'v is a small view' },
  'SUBSCRIBE v': {
    columns: [column('at', 'numeric'), column('diff', 'int8'), column('name', 'text')],
    tag: 'SUBSCRIBE',
    rows: () => [
      [
        ['17', 1n, 'a\tb\\'],
        ['17', -1n, null],
      ],
    ],
    isEndless: true,
  },
  'SELECT wide': {
    columns: Array.from({ length: 1000 }, (_, at) => column(`c${at}`, 'int4')),
    tag: 'SELECT 0',
    rows: () => [],
  },
  'SELECT $1, $2, $3': {
    columns: [column('a', 'int8'), column('b', 'bool'), column('c', 'bytea')],
    parameters: ['int8', 'bool', 'bytea'],
    tag: 'SELECT 1',
    rows: (values) => [[values]],
  },
};

let backend: ScriptedBackend;
let server: WireServer | null = null;
let port = 0;
const clients: pg.Client[] = [];
const bugs: unknown[] = [];

beforeEach(() => {
  backend = new ScriptedBackend(SCRIPT);
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)));
  await server?.close();
  server = null;
  expect(bugs.splice(0)).toEqual([]);
});

async function listen(options: Partial<WireServerOptions> = {}): Promise<void> {
  server = new WireServer({
    ...{ backend, host: '127.0.0.1', port: 0, serverVersion: '18.0 (test)', needsPassword: false },
    authenticate: async () => ({ expiresInMs: null }),
    onBug: (error) => bugs.push(error),
    ...options,
  });
  ({ port } = await server.listen());
}

async function client(config: pg.ClientConfig = {}): Promise<pg.Client> {
  const made = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'ada',
    database: 'world',
    ...config,
  });
  made.on('error', () => undefined);
  await made.connect();
  clients.push(made);
  return made;
}

test('a batch gives the results of its statements, and notices on the way', async () => {
  await listen();
  const ada = await client();
  const notices: unknown[] = [];
  ada.on('notice', ({ message }) => notices.push(message));
  const results = (await ada.query(
    'SELECT 1; CREATE VIEW v; SELECT five',
  )) as unknown as pg.QueryResult[];
  expect(results.map(({ command, rowCount, rows }) => [command, rowCount, rows])).toEqual([
    ['SELECT', 1, [{ n: 1 }]],
    ['CREATE', null, []],
    ['SELECT', 5, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }]],
  ]);
  expect(notices).toEqual(['v is a small view']);
  expect(backend.clients).toEqual([{ user: 'ada', database: 'world' }]);
  expect((await ada.query(' ; ')).rows).toEqual([]);
});

test('an error has a code, a place and a hint, and the connection goes on', async () => {
  await listen();
  const ada = await client();
  await expect(ada.query('SELECT 1; SELECT é')).rejects.toMatchObject({
    ...{ code: '42601', position: '11', severity: 'ERROR', hint: 'write it' },
    message: 'nobody wrote "SELECT é"',
  });
  await expect(ada.query({ text: 'SELECT x', values: [1] })).rejects.toMatchObject({
    code: '42601',
  });
  await ada.query('BEGIN');
  await expect(ada.query('oh')).rejects.toMatchObject({ code: '42601' });
  await expect(ada.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' });
  await ada.query('ROLLBACK');
  expect((await ada.query('SELECT 1')).rows).toEqual([{ n: 1 }]);
});

test('parameters are read as text and as bytes, and refused when they are none of their type', async () => {
  await listen();
  const ada = await client();
  const ask = (values: unknown[], binary = false): Promise<pg.QueryResult> =>
    ada.query({ name: 'three', text: 'SELECT $1, $2, $3', values, binary } as pg.QueryConfig);
  const bytes = Buffer.from([0, 255, 92]);
  expect((await ask(['9007199254740993', 'yes', bytes])).rows).toEqual([
    { a: '9007199254740993', b: true, c: bytes },
  ]);
  expect((await ask(['5', 'f', null], true)).rows).toEqual([{ a: '5', b: false, c: null }]);
  expect((await ask([null, null, '\\x00fF'])).rows).toEqual([
    { a: null, b: null, c: Buffer.from([0, 255]) },
  ]);
  await expect(ask(['one', true, bytes])).rejects.toMatchObject({ code: '22P02' });
  await expect(ask(['9223372036854775808', true, bytes])).rejects.toMatchObject({ code: '22003' });
  await expect(ask(['a\0b', true, bytes])).rejects.toMatchObject({ code: '22021' });
  await expect(ask([1])).rejects.toMatchObject({ code: '08P01' });
});

test('a portal gives as many rows as are asked for, and only then the next', async () => {
  await listen();
  const ada = await client();
  const few = (text: string): Promise<pg.QueryResult> =>
    ada.query({ text, values: [], rows: 2 } as unknown as pg.QueryConfig);
  expect((await few('SELECT five')).rows.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5]);
  await ada.query('BEGIN');
  expect((await few('SELECT five')).rows).toHaveLength(5);
  await ada.query('COMMIT');
});

test('a running statement is canceled by who knows the secret, and by nobody else', async () => {
  await listen();
  const ada = await client();
  const rows: unknown[] = [];
  const subscription = new pg.Query('SUBSCRIBE v');
  subscription.on('row', (row) => rows.push(row));
  const failed = once(subscription, 'error');
  ada.query(subscription);
  await until('the rows are here', () => rows.length === 2);
  const { processID, secretKey } = ada as unknown as { processID: number; secretKey: number };
  await sendCancel(processID, secretKey + 1);
  expect(backend.sessions.size).toBe(1);
  await sendCancel(processID, secretKey);
  expect((await failed)[0]).toMatchObject({ code: '57014' });
  expect((await ada.query('SELECT 1')).rows).toEqual([{ n: 1 }]);
});

async function sendCancel(connection: number, secret: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  const packet = Buffer.alloc(16);
  [16, 80877102, connection, secret].forEach((word, at) => void packet.writeInt32BE(word, at * 4));
  socket.end(packet);
  socket.resume();
  await once(socket, 'close');
}

test('a subscription is copied out as lines, and ends with its reader', async () => {
  await listen();
  const raw = await rawClient();
  raw.query('COPY (SUBSCRIBE v) TO STDOUT');
  await until('both lines are here', () => raw.text().includes('\\N'));
  expect(raw.text()).toContain('17\t1\ta\\tb\\\\\n');
  raw.socket.destroy();
  await until('its session is closed', () => backend.sessions.size === 0);
});

test('who takes no rows holds back who makes them, and is dropped in the end', async () => {
  await listen({ limits: { stallMs: 300 } });
  const raw = await rawClient();
  raw.socket.pause();
  raw.query('SELECT many');
  await until('it is dropped', () => backend.sessions.size === 0);
  expect(backend.rowsMade).toBeLessThan(2_000_000);
});

test('who takes no answers to its questions is not heard any more, and is dropped in the end', async () => {
  await listen({ limits: { stallMs: 300 } });
  const raw = await rawClient();
  raw.socket.pause();
  const parse = Buffer.from('\0SELECT wide\0\0\0');
  raw.socket.write(Buffer.concat([Buffer.from('P'), packet(4 + parse.length, parse)]));
  // Some 20 MB of answers, before a Sync asks for them.
  raw.socket.write(Buffer.from('D\0\0\0\x06S\0'.repeat(1000), 'latin1'));
  await until('it is dropped', () => backend.sessions.size === 0);
});

test('with tokens the password is checked before anything is opened', async () => {
  const seen: unknown[] = [];
  await listen({
    needsPassword: true,
    authenticate: async ({ user, password }) => {
      seen.push([user, password]);
      if (password === 'good') return { expiresInMs: null };
      throw new TidelockError({ code: 'TOKEN_INVALID', message: 'the token has expired' });
    },
  });
  await expect(client({ password: 'bad' })).rejects.toMatchObject({ code: '28P01' });
  expect(backend.sessions.size).toBe(0);
  const ada = await client({ password: 'good' });
  expect((await ada.query('SELECT 1')).rows).toEqual([{ n: 1 }]);
  expect(seen).toEqual([
    ['ada', 'bad'],
    ['ada', 'good'],
  ]);
});

test('a token that expires ends its connection', async () => {
  await listen({ needsPassword: true, authenticate: async () => ({ expiresInMs: 50 }) });
  const ada = await client({ password: 'soon over' });
  const [error] = await once(ada, 'error');
  expect(error).toMatchObject({ code: '57P01' });
});

const HOSTILE: readonly (readonly [string, string, Partial<WireLimits>, Buffer])[] = [
  ['a browser', '54000', {}, Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['a length below zero', '08P01', {}, Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0])],
  ['another protocol', '0A000', {}, packet(8, Buffer.from([0, 2, 0, 0]))],
  ['a start-up without end', '08P01', {}, packet(9, Buffer.from([0, 3, 0, 0, 65]))],
  ['a start-up without user', '08P01', {}, packet(9, Buffer.from([0, 3, 0, 0, 0]))],
  ['no start-up at all', '', { startupMs: 50 }, Buffer.from([0])],
];

test.each(HOSTILE)('%s is refused before anything is opened', async (_, code, limits, bytes) => {
  await listen({ limits });
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1');
  });
  socket.write(bytes);
  await once(socket, 'close');
  expect(answer).toContain(code === '' ? '' : `C${code}\0`);
  expect(backend.clients).toEqual([]);
});

test.each([
  ['a message of an unknown kind', Buffer.from('!\0\0\0\x04'), '08P01'],
  ['a message that is too long', Buffer.from('Q\x7f\0\0\0'), '54000'],
  ['text that is not UTF-8', Buffer.from('Q\0\0\0\x06\xff\0', 'latin1'), '22021'],
  [
    'values that a Bind only promises',
    Buffer.from('B\0\0\0\x0a\0\0\xff\xff\0\0', 'latin1'),
    '08P01',
  ],
])('%s ends the connection with a reason', async (_, bytes, code) => {
  await listen();
  const raw = await rawClient();
  raw.socket.write(bytes);
  await once(raw.socket, 'close');
  expect(raw.text()).toContain(`C${code}\0`);
  await until('its session is closed', () => backend.sessions.size === 0);
});

test('one connection too many is told so, and there is room again when one goes', async () => {
  await listen({ limits: { connectionsMax: 1 } });
  const ada = await client();
  await expect(client()).rejects.toMatchObject({ code: '53300' });
  await ada.end();
  await until('the place is free', () => server?.connections === 0);
  expect((await (await client()).query('SELECT 1')).rows).toEqual([{ n: 1 }]);
});

/** Values of every type, as they are in memory, and as Postgres reads them. */
const VALUES: readonly (readonly [SqlType, readonly Exclude<SqlValue, null>[]])[] = [
  ['bool', [true, false]],
  ['int2', [-32768, 7]],
  ['int4', [-(2 ** 31), 2 ** 31 - 1]],
  ['int8', [-(2n ** 63n), 2n ** 63n - 1n]],
  ['float4', [0, -0, 1e6, 123456, 1e-5, Math.fround(0.1), Number.NaN, -Infinity]],
  ['float8', [0, -0, 1e14, 1e15, 0.0001, 0.00001, 1.5e-300, 1 / 3, Number.NaN, Infinity]],
  [
    'numeric',
    ['0', '0.00', '-1.50', '12345678901234567890.000100', '0.0001', '10000', 'NaN', '-Infinity'],
  ],
  ['text', ['', 'é\n"']],
  ['uuid', ['00112233-4455-6677-8899-aabbccddeeff']],
  ['bytea', [new Uint8Array([0, 92, 255])]],
  [
    'date',
    ['2000-01-01', '1999-12-31', '0001-01-01 BC', '4713-01-01 BC', '5874897-12-31', 'infinity'],
  ],
  ['timestamp', ['2024-02-29 23:59:59.999999', '1900-03-01 00:00:00', '0044-03-15 12:00:00 BC']],
  ['timestamptz', ['2026-11-22 13:00:00.5+00', '-infinity', '0044-03-15 12:00:00+00 BC']],
  ['interval', ['1 year 2 mons -3 days -04:05:06.7', '100:00:00', '-1 days +00:00:01', '00:00:00']],
  ['jsonb', ['{"a": [1, null]}']],
];

test('every value has the text and the bytes that Postgres has for it', async () => {
  const postgres = new pg.Client(inject('postgresUrl'));
  await postgres.connect();
  clients.push(postgres);
  await postgres.query("SET timezone = 'UTC'");
  for (const [type, values] of VALUES) {
    const send = UNDERSCORED.includes(type) ? `${type}_send` : `${type}send`;
    const texts = values.map((value) => toPostgresText(type, value) ?? '');
    const { rows } = await postgres.query({
      text: `SELECT v::${type}, ${send}(v::${type}) FROM unnest($1::text[]) WITH ORDINALITY u (v, n) ORDER BY n`,
      values: [texts],
      rowMode: 'array',
      types: { getTypeParser: () => String },
    });
    const bytes = values.map((value) => `\\x${Buffer.from(binaryOf(type, value)).toString('hex')}`);
    expect([type, rows]).toEqual([type, texts.map((text, at) => [text, bytes[at]])]);
  }
});

/** Types whose output function is written with an underscore. */
const UNDERSCORED: readonly SqlType[] = [
  ...(['numeric', 'uuid', 'date', 'timestamp', 'timestamptz', 'interval', 'jsonb'] as const),
];

function packet(size: number, content: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeInt32BE(size);
  return Buffer.concat([head, content]);
}

type RawClient = { socket: Socket; text(): string; query(sql: string): void };

/** Through the start-up, and then in the hands of the test. */
async function rawClient(): Promise<RawClient> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  const parameters = Buffer.from('user\0eve\0\0');
  socket.write(
    packet(8 + parameters.length, Buffer.concat([Buffer.from([0, 3, 0, 0]), parameters])),
  );
  await until('the server is ready', () => received.endsWith('Z\0\0\0\x05I'));
  const query = (sql: string): void => {
    const text = Buffer.from(`${sql}\0`);
    socket.write(Buffer.concat([Buffer.from('Q'), packet(4 + text.length, text)]));
  };
  return { socket, text: () => received, query };
}
