/** Postgres is not there, stands still or is cut off without a word (P27, F2, F13): readers are served, and all comes by itself. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import { type OwnPostgres, startOwnPostgres } from '../../src/bench/script/own-postgres.ts';
import { DEFAULT_POLICY, type EngineOptions } from '../../src/engine/engine.ts';
import type { Replica } from '../../src/replica.ts';
import { Command } from '../support/command.ts';
import { FaultyProxy } from '../support/faulty-proxy.ts';
import { expectEqual, SCHEMA, TABLES } from '../support/small-world.ts';
import { Stack, until } from '../support/stack.ts';

let own: OwnPostgres;
let stack: Stack;
let replica: Replica;
let resyncs: string[];

async function begin(engine: Partial<EngineOptions> = {}): Promise<void> {
  resyncs = [];
  own = await startOwnPostgres({});
  stack = await Stack.prepare({
    ...{ postgresUrl: own.postgres.url, schema: SCHEMA, tables: TABLES },
    engine: { measureMs: 100, policy: { ...DEFAULT_POLICY, reconnectMsMax: 500 }, ...engine },
  });
}

async function follow(): Promise<void> {
  replica = await stack.replica('r', ['FR', 'DE']);
  replica.on('resync', ({ reason }) => resyncs.push(reason));
}

afterEach(async () => {
  await stack.close();
  await own.end();
});

type Status = {
  readonly source: { readonly state: string; readonly reason?: string; readonly attempts: number };
};

async function statusOf(server: string): Promise<Status> {
  return (await (await fetch(`${server}/v1/status`)).json()) as Status;
}

async function expectAllThere(): Promise<void> {
  await stack.reconnect();
  await stack.sql.query(`INSERT INTO city VALUES (9000, 'after', 'FR', 1)`);
  await stack.settle(replica);
  await expectEqual(stack, 'r', ['FR', 'DE']);
  expect(resyncs).toEqual([]);
}

/** Every try waits twice as long as the one before, so nobody is flooded. A slow machine only adds to this. */
function waitsBetween(attempt: number, last: number): number {
  const { reconnectMsMin } = DEFAULT_POLICY;
  return reconnectMsMin * (2 ** (last - 1) - 2 ** (attempt - 1));
}

test('P27: `serve` starts while Postgres is down, says so, and streams when it comes', async () => {
  await begin();
  await own.postgres.stop();
  const data = mkdtempSync(join(tmpdir(), 'tidelock-away-'));
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  const tables = Object.entries(TABLES).flatMap(([name, rule]) => ['--table', `${name}=${rule}`]);
  const server = new Command([
    ...['serve', '--json', '--port', '0', '--postgres', stack.url, '--data', data],
    ...['--slot', stack.name, '--publication', stack.name, ...tables],
  ]);
  await until('it is ready', () => server.stdout.includes('\n') || !server.isAlive, 30_000);
  const { url } = JSON.parse(server.stdout) as { url: string };
  const since = { ms: performance.now(), attempts: (await statusOf(url)).source.attempts };
  await until('it has tried again', async () => (await statusOf(url)).source.attempts >= 5);
  const down = await statusOf(url);
  const waitsMs = waitsBetween(since.attempts + 1, down.source.attempts);
  expect(performance.now() - since.ms).toBeGreaterThan(waitsMs);
  expect(['down', 'starting']).toContain(down.source.state);
  expect(down.source.reason).toMatch(/cannot be used: .*ECONNREFUSED/);
  expect(server.stderr).toContain('the source is lost');
  expect((await fetch(`${url}/ready`)).status).toBe(503);
  const early = await fetch(`${url}/v1/snapshot?selector=FR`);
  expect(await early.json()).toMatchObject({ error: { code: 'SOURCE_DOWN' } });
  await own.postgres.restart();
  await until('it streams', async () => (await statusOf(url)).source.state === 'streaming');
  expect((await fetch(`${url}/ready`)).status).toBe(200);
  const copy = await fetch(`${url}/v1/snapshot?selector=FR`);
  expect(copy.status).toBe(200);
  await copy.arrayBuffer();
  expect(await server.kill('SIGTERM')).toBe(0);
});

test('P27, P28: while Postgres is down what is known is served, and the status says so', async () => {
  await begin();
  await stack.start();
  await follow();
  await stack.sql.query(`INSERT INTO city VALUES (8000, 'known', 'FR', 1)`);
  await stack.settle(replica);
  const before = await stack.position();
  await own.postgres.stop();
  await until('the status says so', async () => {
    return (await statusOf(stack.server)).source.state === 'down';
  });
  expect((await statusOf(stack.server)).source.reason).toMatch(/Postgres/);
  const known = await fetch(`${stack.server}/v1/feed?selector=FR&follow=0&since=0/1`);
  expect(known.status, 'the log begins later').toBe(410);
  const { error } = (await known.json()) as { error: { details: { since: string } } };
  const feed = await fetch(
    `${stack.server}/v1/feed?selector=FR&follow=0&since=${error.details.since}`,
  );
  expect(await feed.text()).toContain('"known"');
  expect(replica.status.state.kind).toBe('live');
  expect((await fetch(`${stack.server}/ready`)).status).toBe(200);
  const wait = await fetch(`${stack.server}/v1/wait?ts=FFFF/FFFFFFFF&timeout_s=1`);
  expect(wait.status).toBe(503);
  expect(await wait.json()).toMatchObject({ error: { code: 'SOURCE_DOWN' } });
  expect((await fetch(`${stack.server}/v1/wait?ts=${before}&timeout_s=1`)).status).toBe(200);
  const digest = await fetch(`${stack.server}/v1/digest?selector=FR`);
  expect(await digest.json()).toMatchObject({ error: { code: 'SOURCE_DOWN' } });
  await own.postgres.restart();
  await expectAllThere();
});

test('P27, F2: a Postgres that stands still for longer than it may is given up, and taken up again', async () => {
  await begin({ silenceMsMax: 1500 });
  await stack.start();
  await follow();
  const thaw = await own.freeze();
  try {
    await until('it is given up', () => stack.notices.join().includes('no sign of life'));
    const status = await statusOf(stack.server);
    expect(status.source.state).not.toBe('streaming');
    expect(status.source.reason).toContain('no sign of life');
    const feed = await fetch(`${stack.server}/v1/feed?selector=FR&follow=0`);
    expect(await feed.text()).toContain('"progress"');
    expect(replica.status.state.kind).toBe('live');
  } finally {
    thaw();
  }
  await expectAllThere();
});

test('P27, F13: connections to Postgres that pass nothing on any more are given up, and made anew', async () => {
  await begin({ silenceMsMax: 1500 });
  const proxy = await FaultyProxy.start(own.postgres.url, new SeededRandom(7));
  onTestFinished(() => proxy.close());
  const url = new URL(stack.url);
  url.port = new URL(proxy.url).port;
  stack.useUrl(url.href);
  await stack.start();
  await follow();
  // Nobody ever says that these connections are dead; new ones would work.
  proxy.silence();
  await stack.sql.query(`INSERT INTO city VALUES (8001, 'behind', 'FR', 1)`);
  await until('it is given up', () => stack.notices.join().includes('no sign of life'));
  await expectAllThere();
});
