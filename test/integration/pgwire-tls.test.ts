/** TLS on the SQL port, and where a token is taken; what the port counts. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { WireServer, type WireServerOptions } from '../../src/pgwire/server.ts';
import { column, ScriptedBackend } from '../support/scripted-backend.ts';
import { until } from '../support/stack.ts';

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const NUMBER = [column('n', 'int4')];
const backend = new ScriptedBackend({
  'SELECT 1': { columns: NUMBER, tag: 'SELECT 1', rows: () => [[[1]]] },
  'SELECT two': { columns: NUMBER, tag: 'SELECT 2', rows: () => [[[1], [2]]] },
  'SUBSCRIBE v': { columns: NUMBER, tag: 'SUBSCRIBE', rows: () => [[[1]]], isEndless: true },
});

let folder: string;
let tls: { cert: string; key: string };
let server: WireServer;
let port: number;
const clients: pg.Client[] = [];
const bugs: unknown[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidelock-wire-tls-'));
  const [cert, key] = [join(folder, 'server.crt'), join(folder, 'server.key')];
  const made = [
    ...['req', '-new', '-x509', '-days', '2', '-nodes', '-subj', '/CN=127.0.0.1'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-out', cert, '-keyout', key],
  ];
  execFileSync('openssl', made, { stdio: 'ignore' });
  tls = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function listen(options: Partial<WireServerOptions> = {}): Promise<void> {
  server = new WireServer({
    ...{ backend, host: '127.0.0.1', port: 0, serverVersion: '18.0 (test)', needsPassword: true },
    authenticate: async () => ({ expiresInMs: null }),
    onBug: (error) => bugs.push(error),
    ...options,
  });
  ({ port } = await server.listen());
}

beforeEach(() => bugs.splice(0));

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)));
  await server.close();
  expect(bugs).toEqual([]);
});

async function open(config: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({
    ...{ host: '127.0.0.1', port, user: 'ada', database: 'world', password: 'a token' },
    ...config,
  });
  client.on('error', () => undefined);
  clients.push(client);
  await client.connect();
  return client;
}

test('a client that wants TLS gets it, and checks who answers', async () => {
  await listen({ tls });
  const checked = await open({ ssl: { ca: tls.cert } });
  expect((await checked.query('SELECT 1')).rows).toEqual([{ n: 1 }]);
  const required = await open({ ssl: { rejectUnauthorized: false } });
  expect((await required.query('SELECT two')).rows).toHaveLength(2);
  const plain = await open();
  expect((await plain.query('SELECT 1')).rows).toEqual([{ n: 1 }]);
});

test('without a certificate TLS is refused, and who insists on it goes', async () => {
  await listen();
  await expect(open({ ssl: { rejectUnauthorized: false } })).rejects.toThrow(/SSL/);
});

test('a token is not taken in the clear from another machine', async () => {
  await listen({ tls, isLocal: () => false });
  await expect(open()).rejects.toMatchObject({
    code: '28P01',
    hint: 'connect with sslmode=require',
  });
  const encrypted = await open({ ssl: { ca: tls.cert } });
  expect((await encrypted.query('SELECT 1')).rows).toEqual([{ n: 1 }]);
});

test('what is sent ahead of TLS, in the clear, ends the connection', async () => {
  await listen({ tls });
  const socket = connect(port, '127.0.0.1');
  socket.write(Buffer.concat([SSL_REQUEST, Buffer.from('anything')]));
  const answer = await new Promise<Buffer>((resolve) => {
    const parts: Buffer[] = [];
    socket.on('data', (part) => parts.push(part));
    socket.on('close', () => resolve(Buffer.concat(parts)));
  });
  expect(answer.subarray(0, 1).toString()).toBe('E');
  expect(answer.toString()).toContain('08P01');
});

test('a handshake that fails is the fault of the client: it ends the connection, and nothing else', async () => {
  await listen({ tls });
  for (const words of ['GET / HTTP/1.1\r\n\r\n', null]) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(SSL_REQUEST);
    await once(socket, 'data');
    if (words === null) socket.destroy();
    else socket.write(words);
    if (!socket.destroyed) socket.resume();
    await once(socket, 'close');
  }
  await until('both are gone', () => server.connections === 0);
  expect(bugs).toEqual([]);
});

test('sessions, statements by kind and result, rows, bytes and subscriptions are counted', async () => {
  await listen();
  const ada = await open();
  await ada.query('SELECT two');
  await ada.query({ text: 'SELECT 1', name: 'one' });
  await ada.query('SELECT nothing').catch(() => undefined);
  const { counts } = server;
  expect(counts).toMatchObject({ sessions: 1, subscriptions: 0, rows: 3 });
  expect(counts.bytesOut).toBeGreaterThan(100);
  const streaming = ada.query('SUBSCRIBE v').catch((error: { code: string }) => error.code);
  await until('the subscription runs', () => counts.subscriptions === 1);
  for (const session of backend.sessions) backend.cancel(session.connection, session.secret);
  expect(await streaming).toBe('57014');
  expect(
    counts.statements.map(({ kind, result, count, seconds }) => [kind, result, count, seconds > 0]),
  ).toEqual([
    ['select', 'ok', 2, true],
    ['select', 'error', 1, true],
    ['subscribe', 'canceled', 1, true],
  ]);
  expect(counts.subscriptions).toBe(0);
});
