import { afterEach, expect, inject, test } from 'vitest';
import { Stack, until } from '../support/stack.ts';
import { RawClient } from '../unit/server/support.ts';

const SCHEMA = `
  CREATE TABLE city (id int PRIMARY KEY, name text, country text);
  ALTER TABLE city REPLICA IDENTITY FULL;
  CREATE TABLE note (id int PRIMARY KEY, text text);
`;

let stack: Stack | undefined;

async function newStack(): Promise<{ stack: Stack; port: number }> {
  const tables = { 'public.city': 'country' };
  stack = await Stack.open({ postgresUrl: inject('postgresUrl'), schema: SCHEMA, tables });
  return { stack, port: Number(new URL(stack.server).port) };
}

afterEach(async () => {
  await stack?.close();
  stack = undefined;
});

function number(position: unknown): number {
  const [high = '0', low = '0'] = String(position).split('/');
  return Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
}

test('P24: a marker at p comes only after everything that committed at or before p', async () => {
  const { stack, port } = await newStack();
  const client = await RawClient.open(port);
  client.get('/v1/feed?selector=FR&heartbeat_s=1');
  await client.saw('"progress"');
  /** The id of each row, and a position that lies after its commit. */
  const committed: { id: number; after: number }[] = [];
  for (let id = 1; id <= 150; id += 1) {
    await stack.sql.query(`INSERT INTO city VALUES (${id}, 'x', '${id % 3 === 0 ? 'DE' : 'FR'}')`);
    if (id % 5 === 0) await stack.sql.query(`INSERT INTO note VALUES (${id}, 'not replicated')`);
    if (id % 3 !== 0) committed.push({ id, after: number(await stack.position()) });
  }
  const end = number(await stack.position());
  await until('a marker passes the end', async () => {
    await stack.sql.query(`INSERT INTO note VALUES ((SELECT max(id) FROM note) + 1, 'on')`);
    return client.lines().some(({ type, ts }) => isMarker(type) && number(ts) >= end);
  });
  const seen = new Set<number>();
  let markers = 0;
  for (const line of client.lines()) {
    if (line.type === 'insert') seen.add((line.row as number[])[0] ?? 0);
    if (!isMarker(line.type)) continue;
    markers += 1;
    const missing = committed.filter(({ id, after }) => after <= number(line.ts) && !seen.has(id));
    expect(missing).toEqual([]);
  }
  expect(markers).toBeGreaterThan(1);
  expect(seen.size).toBe(committed.length);
});

test('P26: a reader that stalls in a large transaction holds up nobody and resumes without loss', async () => {
  const { stack, port } = await newStack();
  const since = await stack.position();
  // A position that the log has not reached would be one of another history.
  await stack.logged();
  const slow = await RawClient.open(port);
  slow.get(`/v1/feed?selector=FR&since=${since}`);
  await slow.saw('"progress"');
  slow.socket.pause();
  await stack.sql.query(
    `INSERT INTO city SELECT g, repeat('x', 1000), 'FR' FROM generate_series(1, 20000) g`,
  );
  await stack.sql.query(`INSERT INTO city VALUES (0, 'after', 'FR')`);
  await stack.logged();
  const other = await RawClient.open(port);
  other.get(`/v1/feed?selector=FR&since=${since}&follow=0`);
  await until('the other reader is done', () => other.body().isComplete);
  const wanted = [...Array.from({ length: 20_000 }, (_, n) => n + 1), 0].join();
  expect(ids(other).join() === wanted).toBe(true);
  slow.socket.resume();
  await until('the slow reader is done', () => slow.received.includes('"after"'));
  expect(ids(slow).join() === wanted).toBe(true);
});

test('a snapshot and the feed from its position meet without a gap, under writes', async () => {
  const { stack } = await newStack();
  await stack.sql.query(`INSERT INTO city SELECT g, 'x', 'FR' FROM generate_series(1, 500) g`);
  let next = 501;
  let isWriting = true;
  const writing = (async () => {
    const client = await stack.client();
    while (isWriting) await client.query(`INSERT INTO city VALUES (${next++}, 'x', 'FR')`);
  })();
  const headers = { accept: 'application/x-ndjson' };
  const snapshot = await fetch(`${stack.server}/v1/snapshot?selector=FR`, { headers });
  const lines = parse(await snapshot.text());
  const completed = lines.at(-1);
  expect(completed).toMatchObject({ type: 'snapshot_completed' });
  isWriting = false;
  await writing;
  await stack.logged();
  const query = `selector=FR&follow=0&since=${completed?.ts}&timeline=${completed?.timeline}`;
  const feed = parse(await (await fetch(`${stack.server}/v1/feed?${query}`)).text());
  const rows = [...lines, ...feed].filter(({ type }) => type === 'row' || type === 'insert');
  const found = rows.map(({ row }) => (row as number[])[0]).sort((a = 0, b = 0) => a - b);
  expect(found.join() === Array.from({ length: next - 1 }, (_, n) => n + 1).join()).toBe(true);
});

type Line = { type: string; [field: string]: unknown };

function parse(text: string): readonly Line[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function isMarker(type: string): boolean {
  return type === 'progress' || type === 'heartbeat';
}

function ids(client: RawClient): readonly number[] {
  return client
    .lines()
    .filter(({ type }) => type === 'insert')
    .map(({ row }) => (row as number[])[0] ?? 0);
}
