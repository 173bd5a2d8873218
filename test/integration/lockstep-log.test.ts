import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { timerClock } from '../../src/lockstep/clock.ts';
import { PollingRowStreams } from '../../src/lockstep/row-streams.ts';
import { StrictClient } from '../support/lockstep/strict-client.ts';
import { Stack, until } from '../support/stack.ts';

let stack: Stack;
let port: number;

beforeAll(async () => {
  stack = await Stack.open({
    postgresUrl: inject('postgresUrl'),
    schema: `
      CREATE TABLE city (id int PRIMARY KEY, name text, country text);
      ALTER TABLE city REPLICA IDENTITY FULL;
      INSERT INTO city SELECT g, 'c' || g, 'FR' FROM generate_series(1, 50) g;`,
    tables: { 'public.city': 'country' },
    lockstep: (url) =>
      new PollingRowStreams({
        ...{ url, clock: timerClock, allowed: null, pollMs: 50, wakeMs: 5, copiesMax: 8 },
      }),
  });
  port = Number(new URL(stack.server).port);
});

afterAll(() => stack.close());

function read(path: string): StrictClient {
  const client = new StrictClient({ port, path });
  onTestFinished(() => client.leave());
  return client;
}

type Objects = StrictClient['objects'];
const has = ({ objects }: StrictClient, type: string): boolean =>
  objects.some((object) => object.type === type);

/** What a client that applies by key has in the end. */
function applied(objects: Objects): Record<string, unknown> {
  const held: Record<string, unknown> = {};
  for (const { data, deleted } of objects) {
    const row = data as { id: number; name?: string } | undefined;
    if (row === undefined) continue;
    if (deleted === true) delete held[row.id];
    else held[row.id] = row.name;
  }
  return held;
}

test('P1 P17: a replicated table without txid is streamed out of the log, physical deletes and moves included', async () => {
  const client = read('/lockstep/city?selector=FR');
  await until('the copy is complete', () => has(client, 'snapshot_completed'));
  expect(Object.keys(applied(client.objects))).toHaveLength(50);
  await stack.sql.query(`INSERT INTO city VALUES (100, 'new', 'FR')`);
  await stack.sql.query(`UPDATE city SET name = 'changed' WHERE id = 1`);
  await stack.sql.query('DELETE FROM city WHERE id = 2');
  await stack.sql.query(`UPDATE city SET country = 'DE' WHERE id = 3`);
  await stack.sql.query('UPDATE city SET id = 200 WHERE id = 4');
  await stack.sql.query(`INSERT INTO city VALUES (300, 'last', 'FR')`);
  await until('all of it came', () => '300' in applied(client.objects));
  const held = applied(client.objects);
  expect(['1', '2', '3', '4', '100', '200'].map((id) => held[id])).toEqual([
    ...['changed', undefined, undefined, undefined, 'new', 'c4'],
  ]);
  expect(client.error).toBeNull();
  const rows = client.objects.filter(({ data }) => data !== undefined).slice(50);
  const txids = rows.map(({ txid }) => Number(txid));
  expect(txids).toEqual([...txids].sort((a, b) => a - b));
});

test('P19: a reader that leaves behind any line of the log and comes back gets the rest, and nothing twice', async () => {
  const client = read('/lockstep/city?selector=IT');
  await until('the copy is complete', () => has(client, 'snapshot_completed'));
  await stack.sql.query(`INSERT INTO city SELECT 1000 + g, 'i', 'IT' FROM generate_series(1, 5) g`);
  await stack.sql.query(`UPDATE city SET name = 'j' WHERE country = 'IT'`);
  const changes = (): Objects => client.objects.filter(({ data }) => data !== undefined);
  await until('all of it came', () => changes().length === 10);
  const all = changes();
  for (const [at, { since }] of all.entries()) {
    const again = read(`/lockstep/city?selector=IT&follow=1&since=${String(since)}`);
    await until('the rest came', () => has(again, 'snapshot_completed'));
    expect(again.objects.filter(({ data }) => data !== undefined)).toEqual(all.slice(at + 1));
    again.leave();
  }
});

test('a table that is not replicated, and a position of another kind, are refused with a remedy', async () => {
  const ask = async (path: string): Promise<unknown[]> => {
    const answer = await fetch(`${stack.server}/lockstep/${path}`);
    const { error } = (await answer.json()) as { error: { code: string; hint?: string } };
    return [answer.status, error.code, error.hint !== undefined];
  };
  expect(await ask('nowhere?selector=FR')).toEqual([404, 'NOT_FOUND', true]);
  expect(await ask('city?selector=FR&since=77')).toEqual([400, 'BAD_POSITION', true]);
  expect(await ask('city')).toEqual([400, 'RELATION_UNFIT', true]); // no txid, and no selector
});
