import { mkdtempSync, readdirSync, readFileSync, watch } from 'node:fs';
import { get } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type OwnPostgres, startOwnPostgres } from '../../src/bench/script/own-postgres.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { Command } from '../support/command.ts';
import { StrictClient } from '../support/lockstep/strict-client.ts';
import { until } from '../support/stack.ts';

let own: OwnPostgres;
let url: string;
let sql: PgSession;

beforeAll(async () => {
  own = await startOwnPostgres({ wal_level: 'replica' });
  url = await own.postgres.createDatabase('plain');
  sql = await PgSession.connect({ url });
  await sql.query(`
    CREATE TABLE public.item (id int, note text, txid bigint NOT NULL DEFAULT txid_current());
    CREATE INDEX ON public.item (txid);
    CREATE TABLE public.wide (id int, note text, txid bigint NOT NULL DEFAULT txid_current());
    CREATE INDEX ON public.wide (txid);
    INSERT INTO public.wide SELECT g, repeat('x', 500) FROM generate_series(1, 40000) g`);
}, 120_000);

afterAll(async () => {
  await sql.end();
  await own.end();
});

type Served = { readonly url: string; readonly port: number; readonly command: Command };

async function serve(environment: Record<string, string> = {}): Promise<Served> {
  const args = ['lockstep', 'serve', '--postgres', url, '--port', '0', '--json'];
  const command = new Command(args, { TIDELOCK_LOCKSTEP_POLL_MS: '50', ...environment });
  await until('the server is ready', () => command.stdout.includes('\n'));
  const { url: address } = JSON.parse(command.stdout) as { url: string };
  return { url: address, port: Number(new URL(address).port), command };
}

function read(port: number, path: string): StrictClient {
  const client = new StrictClient({ port, path });
  onTestFinished(() => client.leave());
  return client;
}

const has = ({ objects }: StrictClient, type: string): boolean =>
  objects.some((object) => object.type === type);
const rowsOf = ({ objects }: StrictClient): number =>
  objects.filter((object) => 'data' in object).length;
const residentMb = ({ process: { pid } }: Command): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

test('without logical decoding: a Postgres that is killed and comes back loses no reader and no row', async () => {
  const { port } = await serve();
  const client = read(port, '/lockstep/item?heartbeat=1');
  await until('the copy is complete', () => has(client, 'snapshot_completed'));
  own.postgres.kill();
  await own.postgres.restart();
  await until('it runs again', async () => {
    const session = await PgSession.connect({ url }).catch(() => null);
    await session?.end();
    return session !== null;
  });
  sql = await PgSession.connect({ url });
  await sql.query(`INSERT INTO public.item VALUES (1, 'after')`);
  await until('the row came', () => rowsOf(client) === 1, 30_000);
  expect(client.error).toBeNull();
});

test('a Postgres that is frozen: /ready says so in time, and streams go on when it thaws', async () => {
  const server = await serve();
  const client = read(server.port, '/lockstep/item?heartbeat=1');
  await until('the copy is complete', () => has(client, 'snapshot_completed'));
  const thaw = await own.freeze();
  try {
    const answer = await fetch(`${server.url}/ready`, { signal: AbortSignal.timeout(30_000) });
    expect(answer.status).toBe(503);
    const before = client.objects.length;
    await until('heartbeats come all the same', () => client.objects.length > before + 1);
  } finally {
    thaw();
  }
  const rows = rowsOf(client);
  await sql.query(`INSERT INTO public.item VALUES (2, 'thawed')`);
  await until('the row came', () => rowsOf(client) > rows);
});

test('readers above streamsMax are refused, and taken again when one has left', async () => {
  const { url: server, port } = await serve({ TIDELOCK_STREAMS_MAX: '2' });
  const clients = [read(port, '/lockstep/item'), read(port, '/lockstep/item')];
  await until('both follow', () => clients.every((client) => has(client, 'snapshot_completed')));
  const refused = await fetch(`${server}/lockstep/item`);
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ error: { code: 'BUSY' } });
  clients[0]?.leave();
  await until('there is room', async () => {
    const answer = await fetch(`${server}/lockstep/item?follow=0`);
    await answer.body?.cancel();
    return answer.status === 200;
  });
});

test('a request behind a stream ends the connection, and garbage is not answered into the stream', async () => {
  const { port } = await serve();
  for (const behind of [
    'GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    '\0\0 garbage\r\n\r\n',
  ]) {
    let text = '';
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    let isClosed = false;
    socket.on('close', () => {
      isClosed = true;
    });
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
    });
    socket.write(`GET /lockstep/item HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    await until('the copy is complete', () => text.includes('snapshot_completed'));
    socket.write(behind);
    await until('the connection ended', () => isClosed);
    expect(text.split('HTTP/1.1 ')).toHaveLength(2);
  }
});

test('whoever leaves during follow=0 leaves no file behind', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-test-'));
  const server = await serve({ TMPDIR: dir });
  let hasAnswer = false;
  const request = get(`${server.url}/lockstep/wide?follow=0`, () => {
    hasAnswer = true;
  });
  request.on('error', () => undefined);
  const watcher = watch(dir, () => request.destroy());
  onTestFinished(() => watcher.close());
  await until('it left when rows waited in a file', () => request.destroyed);
  expect(hasAnswer).toBe(false);
  await until('the file is gone', () => readdirSync(dir).length === 0);
  const whole = await fetch(`${server.url}/lockstep/wide?follow=0`);
  const text = await whole.text();
  expect(text.split('"data"')).toHaveLength(40_001);
  await until('so is that of a reader that stayed', () => readdirSync(dir).length === 0);
});

test('a reader that stops reading in a huge copy and one in a huge round take bounded memory, others get all', async () => {
  const server = await serve();
  const stalled = (path: string): void => {
    const socket = connect(server.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`);
    socket.pause();
  };
  const reader = read(server.port, '/lockstep/wide');
  await until('the copy is complete', () => has(reader, 'snapshot_completed'), 60_000);
  const before = residentMb(server.command);
  for (let index = 0; index < 5; index += 1) stalled(`/lockstep/wide?n=${index}`);
  const beside = read(server.port, '/lockstep/item');
  await until('another relation is served', () => has(beside, 'snapshot_completed'));
  await sql.query(
    `INSERT INTO public.wide SELECT g, repeat('y', 500) FROM generate_series(1, 100000) g`,
  );
  await until('the other has all', () => rowsOf(reader) === 140_000, 120_000);
  expect(reader.error).toBeNull();
  expect(residentMb(server.command) - before).toBeLessThan(150);
}, 240_000);
