/** The log is cut by size under those who need it: nobody takes what is left for everything. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { expect, inject, onTestFinished, test } from 'vitest';
import { parseLsn } from '../../src/core/lsn.ts';
import { DEFAULT_POLICY } from '../../src/engine/engine.ts';
import { timerClock } from '../../src/lockstep/clock.ts';
import { PollingRowStreams } from '../../src/lockstep/row-streams.ts';
import { parseSequence } from '../../src/protocol/transicator/sequence.ts';
import { StrictClient } from '../support/lockstep/strict-client.ts';
import { Stack, until } from '../support/stack.ts';
import { HoldingProxy } from '../support/transicator/holding-proxy.ts';
import { getChanges, type JsonChanges, settled } from '../support/transicator-world.ts';

const MEGABYTE = 1024 ** 2;

async function openStack(logBytesMax: number): Promise<Stack> {
  const stack = await Stack.open({
    postgresUrl: inject('postgresUrl'),
    schema: 'CREATE TABLE item (id serial PRIMARY KEY, note text, _change_selector text);',
    tables: {},
    engine: {
      ...{ keepsOldRows: true, replicaIdentity: 'full' },
      policy: { ...DEFAULT_POLICY, logBytesMax },
    },
    server: { transicator: { prefix: '', naming: 'schema_table' } },
    lockstep: (url) =>
      new PollingRowStreams({
        ...{ url, clock: timerClock, allowed: null, pollMs: 50, wakeMs: 5, copiesMax: 8 },
      }),
  });
  onTestFinished(() => stack.close());
  return stack;
}

/** One transaction of so many megabytes. */
async function fill(stack: Stack, selector: string, megabytes: number): Promise<void> {
  await stack.sql.query(
    `INSERT INTO item (note, _change_selector) SELECT repeat('x', 1000), '${selector}'
     FROM generate_series(1, ${megabytes * 1024})`,
  );
}

/** An answer of which nothing is read yet. */
async function open(url: string, accept: string): Promise<IncomingMessage> {
  const request = get(url, { headers: { accept } });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return answer;
}

async function bodyOf(answer: IncomingMessage): Promise<Buffer | Error> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const FORMS = ['application/json', 'application/transicator+protobuf'] as const;

test('W22: an answer and a stream under which the log is cut break off, and do not look complete', async () => {
  const stack = await openStack(20 * MEGABYTE);
  await stack.sql.query(`INSERT INTO item (_change_selector) VALUES ('foo')`);
  await settled(stack);
  const { lastSequence } = await getChanges(stack, 'scope=foo');
  await fill(stack, 'foo', 16);
  await settled(stack);
  const query = `${stack.server}/changes?scope=foo&limit=100000&since=${lastSequence}`;
  const answers = await Promise.all(FORMS.map((form) => open(query, form)));
  const stream = `${stack.server}/lockstep/item?selector=foo&since=${lastSequence}`;
  const following = await open(stream, 'application/json');
  const end = parseLsn(await stack.position(), 'here');
  for (let round = 0; round < 2; round += 1) await fill(stack, 'bar', 14);
  await until('the log was cut', () => stack.engine.status().log.since >= end);
  for (const answer of answers) expect(await bodyOf(answer)).toBeInstanceOf(Error);
  const lines = String(await bodyOf(following));
  expect(lines).toMatch(/TOO_OLD|aborted/);
  expect(lines).not.toContain('snapshot_completed');
});

test('P7: a snapshot whose late transactions were cut from the log meanwhile is taken again', async () => {
  const stack = await openStack(2 * MEGABYTE);
  const proxy = await HoldingProxy.start(stack.url);
  onTestFinished(() => proxy.close());
  await stack.stop();
  stack.useUrl(proxy.url);
  await stack.start();
  const late = await stack.client();
  await late.query(`BEGIN; INSERT INTO item (note, _change_selector) VALUES ('late', 'foo')`);
  proxy.hold('AS snapshot');
  const headers = { accept: 'application/x-ndjson' };
  const asking = fetch(`${stack.server}/v1/snapshot?selector=foo`, { headers });
  await until('the snapshot is taken', () => proxy.isHolding);
  await late.query('COMMIT');
  const committed = parseLsn(await stack.position(), 'here');
  for (let round = 0; round < 4; round += 1) await fill(stack, 'bar', 1);
  await until('the log was cut', () => stack.engine.status().log.since >= committed);
  proxy.release();
  const text = await (await asking).text();
  expect(text).toContain('"late"');
  expect(text).toContain('snapshot_completed');
});

test('T8: those who wait for a quiet selector are not too old because what others wrote is cut', async () => {
  const stack = await openStack(2 * MEGABYTE);
  await stack.sql.query(`INSERT INTO item (_change_selector) VALUES ('foo')`);
  await settled(stack);
  const { lastSequence } = await getChanges(stack, 'scope=foo');
  const asking = fetch(`${stack.server}/changes?scope=foo&block=60&since=${lastSequence}`);
  const stream = new StrictClient({
    port: Number(new URL(stack.server).port),
    path: `/lockstep/item?selector=foo&heartbeat=1&since=${lastSequence}`,
  });
  onTestFinished(() => stream.leave());
  await until('both wait', () => stack.engine.status().subscribers === 2);
  const end = parseLsn(await stack.position(), 'here');
  for (let round = 0; round < 4; round += 1) await fill(stack, 'bar', 1);
  await until('the log was cut', () => stack.engine.status().log.since >= end);
  const heartbeat = (): unknown =>
    stream.objects.findLast(({ type }) => type === 'heartbeat')?.since;
  await until('the stream knows that it may go on behind that', () => {
    const since = parseSequence(String(heartbeat()));
    return since !== null && since.ts >= stack.engine.status().log.since;
  });
  await stack.sql.query(`INSERT INTO item (note, _change_selector) VALUES ('new', 'foo')`);
  const answer = await asking;
  expect(answer.status).toBe(200);
  expect(((await answer.json()) as JsonChanges).changes).toMatchObject([
    { newRow: { note: { value: 'new' } } },
  ]);
  await until('the row is there', () =>
    stream.objects.some(({ data }) => (data as { note?: string } | undefined)?.note === 'new'),
  );
  expect(stream.error).toBeNull();
});
