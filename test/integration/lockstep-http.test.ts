import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import { install, installSql } from '../../src/postgres/lockstep-install.ts';
import { Command } from '../support/command.ts';
import { StrictClient, type StrictOptions } from '../support/lockstep/strict-client.ts';
import { TestDatabase } from '../support/source-recorder.ts';
import { until } from '../support/stack.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await db.sql.query(`
    CREATE TABLE public.domains (name text PRIMARY KEY, n int, content bytea);
    INSERT INTO public.domains SELECT 'd' || g, g, decode(repeat('ff', g % 50), 'hex') FROM generate_series(1, 3000) g;
    CREATE TABLE public.empty (id int PRIMARY KEY, txid bigint DEFAULT txid_current());
    CREATE TABLE public.plain (id int);`);
  await install(
    db.sql,
    await installSql(db.sql, { table: 'domains', isSoftDelete: true, hasView: true }),
  );
});

afterAll(() => db.close());

async function serve(
  ...more: readonly string[]
): Promise<{ readonly url: string; readonly port: number }> {
  const args = ['lockstep', 'serve', '--postgres', db.url, '--port', '0', '--json', ...more];
  const command = new Command(args, { TIDELOCK_LOCKSTEP_POLL_MS: '50' });
  await until('the server is ready', () => command.stdout.includes('\n'));
  const { url } = JSON.parse(command.stdout) as { url: string };
  return { url, port: Number(new URL(url).port) };
}

function read(options: StrictOptions): StrictClient {
  const client = new StrictClient(options);
  onTestFinished(() => client.leave());
  return client;
}

const isRow = (object: Readonly<Record<string, unknown>>): boolean => 'data' in object;
const types = (client: StrictClient): readonly unknown[] =>
  client.objects.filter((object) => !isRow(object)).map(({ type, heartbeat }) => type ?? heartbeat);

test('every HTTP chunk holds exactly one object, however the network cuts them', async () => {
  const { port } = await serve();
  for (const pieceBytes of [1, 7, 1 << 20]) {
    const client = read({ port, path: '/lockstep/domains', pieceBytes });
    await until('the copy is complete', () => types(client).includes('snapshot_completed'), 60_000);
    expect([client.status, client.error]).toEqual([200, null]);
    expect(client.objects.filter(isRow)).toHaveLength(3000);
    client.leave();
  }
});

test('an idle stream sends heartbeats, in the form that was asked for', async () => {
  const { port } = await serve();
  const control = read({ port, path: '/lockstep/empty?heartbeat=1&since=' });
  const original = read({
    port,
    path: '/lockstep/empty?heartbeat=1&heartbeat_format=lockstep&update=true',
  });
  await until('both had two', () => control.objects.length >= 3 && original.objects.length >= 3);
  expect(types(control).slice(0, 3)).toEqual(['snapshot_completed', 'heartbeat', 'heartbeat']);
  expect(original.objects.slice(1, 3)).toEqual([{ heartbeat: true }, { heartbeat: true }]);
});

test('what cannot be streamed is refused before the stream starts, with code and remedy', async () => {
  const { url } = await serve('--lockstep', 'public.domains');
  const ask = async (path: string): Promise<unknown[]> => {
    const answer = await fetch(`${url}/lockstep/${path}`);
    const { error } = (await answer.json()) as { error: { code: string; hint?: string } };
    return [answer.status, error.code, error.hint !== undefined];
  };
  expect(await ask('nowhere')).toEqual([404, 'NOT_FOUND', true]);
  expect(await ask('public.empty')).toEqual([404, 'NOT_FOUND', true]); // not in the list
  expect(await ask('plain')).toEqual([400, 'RELATION_UNFIT', true]);
  expect(await ask('domains?since=1e9')).toEqual([400, 'BAD_POSITION', true]);
  expect(await ask('domains?mode=fast')).toEqual([400, 'BAD_REQUEST', true]);
  expect(await ask(`${encodeURIComponent('x"; DROP TABLE domains; --')}`)).toEqual([
    404,
    'NOT_FOUND',
    true,
  ]);
});

test('follow=0 ends by its length, also when it is longer than what is kept in memory', async () => {
  const { url } = await serve();
  await db.sql.query(
    `INSERT INTO public.domains SELECT 'big' || g, g, decode(repeat('00', 20000), 'hex') FROM generate_series(1, 200) g`,
  );
  const answer = await fetch(`${url}/lockstep/domains_lockstep?follow=0`);
  const text = await answer.text();
  expect(Number(answer.headers.get('content-length'))).toBe(Buffer.byteLength(text));
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.filter(isRow)).toHaveLength(3200);
  expect(lines.at(-1)).toMatchObject({ type: 'snapshot_completed' });
});

test('a token is needed where keys are set, as Bearer or as the password of the address', async () => {
  const secret = 'a secret of at least thirty-two bytes!';
  const command = new Command(
    ['lockstep', 'serve', '--postgres', db.url, '--port', '0', '--json'],
    { TIDELOCK_TOKEN_SECRETS: secret },
  );
  await until('the server is ready', () => command.stdout.includes('\n'));
  const { url } = JSON.parse(command.stdout) as { url: string };
  const tokenFor = async (...args: readonly string[]): Promise<string> => {
    const issue = new Command(['token', ...args], { TIDELOCK_TOKEN_SECRETS: secret });
    expect(await issue.exit()).toBe(0);
    return issue.stdout.trim();
  };
  const status = async (authorization?: string): Promise<number> => {
    const headers = authorization === undefined ? {} : { authorization };
    return (await fetch(`${url}/lockstep/empty?follow=0`, { headers })).status;
  };
  const token = await tokenFor('--any-selector');
  expect(await status()).toBe(401);
  expect(await status(`Bearer ${await tokenFor('--selector', 'FR')}`)).toBe(403);
  expect(await status(`Bearer ${token}`)).toBe(200);
  expect(await status(`Basic ${Buffer.from(`me:${token}`).toString('base64')}`)).toBe(200);
});

/** What Postgres has, as text. */
async function truth(): Promise<readonly string[]> {
  const rows = await db.sql.query('SELECT name, n FROM public.domains WHERE NOT deleted');
  return rows.map(({ name, n }) => `${name} ${n}`).sort();
}

test('P1 P19: a follower that is killed at random and resumes holds exactly the table', async () => {
  const { url } = await serve();
  const file = join(mkdtempSync(join(tmpdir(), 'tidelock-')), 'd.db');
  const args = ['lockstep', 'follow', `${url}/lockstep/domains`, '--db', file, '--key', 'name'];
  const random = new SeededRandom(7);
  for (let life = 0; life < 6; life += 1) {
    const follower = new Command([...args, '--json']);
    for (let index = 0; index < 40; index += 1) {
      const n = random.between(1, 3000);
      await db.sql.query(
        random.next() < 0.3
          ? `DELETE FROM public.domains WHERE name = 'd${n}'`
          : `INSERT INTO public.domains VALUES ('d${n}', ${index}) ON CONFLICT (name) DO UPDATE SET n = ${index * 10_000 + life}, deleted = false`,
      );
    }
    await until('it has applied something', () => follower.stdout.length > 0);
    await follower.kill('SIGKILL');
  }
  const last = new Command([...args, '--once']);
  expect(await last.exit()).toBe(0);
  const sql = new DatabaseSync(file, { readOnly: true });
  const held = sql.prepare('SELECT name, n FROM domains').all();
  sql.close();
  expect(held.map(({ name, n }) => `${name} ${n}`).sort()).toEqual(await truth());
});
