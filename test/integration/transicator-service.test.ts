/** W16-W19, W21: memory, ends of bodies, access, delay, and keepalives of the service for Transicator's clients. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { expect, inject, onTestFinished, test } from 'vitest';
import { decodeChanges, decodeSnapshot } from '../../src/bench/transicator/schema.ts';
import { systemClock } from '../../src/server/clock.ts';
import { issueToken } from '../../src/server/tokens.ts';
import { until } from '../support/stack.ts';
import { AskingProxy } from '../support/transicator/asking-proxy.ts';
import { Served } from '../support/transicator/served.ts';

const ITEM = `CREATE TABLE item (id int PRIMARY KEY, body text, _change_selector text NOT NULL);`;
const ROWS = 100_000;
const MANY = `INSERT INTO item SELECT g, repeat('x', 120), 'foo' FROM generate_series(1, ${ROWS}) g`;
const MIB = 1024 * 1024;

/** Resident memory of a process, now and at its highest since `resetPeak`. */
function memoryOf(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string): number =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
  return { now: of('VmRSS'), peak: of('VmHWM') };
}

function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

test.runIf(process.platform === 'linux')(
  'W16: one answer of 100,000 rows, in every form, takes bounded memory',
  async () => {
    const served = await Served.open({ schema: ITEM });
    await served.sql(MANY);
    await served.logged();
    const pid = served.process.process.pid ?? 0;
    const forms = [
      ['/changes?scope=foo&limit=100000', 'application/transicator+protobuf'],
      ['/changes?scope=foo&limit=100000', 'application/json'],
      ['/snapshots?scope=foo', 'application/transicator+protobuf'],
      ['/snapshots?scope=foo', 'application/json'],
      ['/snapshots?scope=foo', 'application/transicator+sqlite'],
    ] as const;
    for (const [path, accept] of forms) {
      resetPeak(pid);
      const before = memoryOf(pid).now;
      const answer = await fetch(`${served.url}${path}`, { headers: { accept } });
      const bytes = new Uint8Array(await answer.arrayBuffer());
      const words = answer.status === 200 ? '' : Buffer.from(bytes).toString();
      expect([answer.status, words]).toEqual([200, '']);
      const grownMib = Math.round((memoryOf(pid).peak - before) / MIB);
      console.log(`W16 ${path} ${accept}: ${bytes.length} bytes, grew ${grownMib} MiB`);
      expect(rowsIn(path, accept, bytes)).toBe(ROWS);
      expect(grownMib, `${path} as ${accept}`).toBeLessThan(160);
    }
  },
  120_000,
);

function rowsIn(path: string, accept: string, bytes: Uint8Array): number {
  if (accept.endsWith('sqlite')) return ROWS; // read by other tests
  const isJson = accept.endsWith('json');
  if (path.startsWith('/changes')) {
    if (!isJson) return decodeChanges(bytes).changes.length;
    return (JSON.parse(Buffer.from(bytes).toString()) as { changes: unknown[] }).changes.length;
  }
  if (!isJson) return decodeSnapshot(bytes).filter(({ kind }) => kind === 'row').length;
  const { tables } = JSON.parse(Buffer.from(bytes).toString()) as {
    tables: { name: string; rows: unknown[] | null }[];
  };
  return tables.find(({ name }) => name === 'public.item')?.rows?.length ?? 0;
}

async function open(url: string): Promise<IncomingMessage> {
  const [answer] = (await once(get(url), 'response')) as [IncomingMessage];
  return answer;
}

/** The whole body, or the error that cut it. */
async function bodyOf(answer: IncomingMessage): Promise<Buffer | Error> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

test('W17: a body that ends early is told from a complete one', async () => {
  const served = await Served.open({ schema: `${ITEM} ${MANY}` });
  const whole = await open(`${served.url}/data?selector=foo&type=proto`);
  const body = await bodyOf(whole);
  const pieces = decodeSnapshot(body as Buffer);
  expect(pieces.filter(({ kind }) => kind === 'row')).toHaveLength(ROWS);
  expect(whole.trailers['transicator-snapshot-rows']).toBe(String(ROWS));
  for (const type of ['proto', 'json']) {
    const cut = await open(`${served.url}/data?selector=foo&type=${type}`);
    await once(cut, 'readable');
    await until('the snapshot is being read', async () => (await endSnapshots(served)) > 0);
    expect(await bodyOf(cut), type).toBeInstanceOf(Error);
  }
  const file = await open(`${served.url}/data?selector=foo&type=sqlite`);
  expect(Number(file.headers['content-length'])).toBe(((await bodyOf(file)) as Buffer).length);
});

/** Ends the connections that copy tables; how many there were. */
async function endSnapshots(served: Served): Promise<number> {
  const { rows } = await served.stack.sql.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'COPY%'`,
  );
  return rows.length;
}

test('W18: with keys a reader needs a token for its scopes, and marking down needs one too', async () => {
  const secret = 's'.repeat(40);
  const environment = { TIDELOCK_TOKEN_SECRETS: secret };
  const served = await Served.open({ schema: ITEM, environment });
  const token = await issueToken(
    {
      ...{ secret, subject: 'reader', selectors: ['foo'], scopes: ['read'], lifetimeS: 600 },
      ...{ issuer: undefined, audience: undefined },
    },
    systemClock,
  );
  const ask = async (path: string, bearer: string | null, method = 'GET'): Promise<number> => {
    const headers: Record<string, string> =
      bearer === null ? {} : { authorization: `Bearer ${bearer}` };
    const answer = await fetch(`${served.url}${path}`, { method, headers, redirect: 'manual' });
    await answer.arrayBuffer();
    return answer.status;
  };
  // Snapshots need the stream, which begins a little after the log can be read.
  await until('it streams', async () => (await ask('/data?selector=foo', token)) === 200);
  for (const path of ['/changes?scope=foo', '/snapshots?scope=foo', '/data?selector=foo']) {
    expect(await ask(path, null), path).toBe(401);
    expect(await ask(path, token), path).toBeLessThan(400);
    expect(await ask(path.replace('foo', 'bar'), token), path).toBe(403);
  }
  for (const method of ['GET', 'POST']) expect(await ask('/markdown', token, method)).toBe(403);
  expect(await ask('/changes?scope=foo', token)).toBe(200);
  expect(await ask('/diagnostics/stack', token)).toBeGreaterThanOrEqual(400);
});

test('W18: without keys a page that is merely visited marks nothing down', async () => {
  const served = await Served.open({ schema: ITEM });
  expect((await fetch(`${served.url}/markdown`)).status).toBeGreaterThanOrEqual(400);
  expect((await fetch(`${served.url}/changes?scope=foo`)).status).toBe(200);
});

test('W19: a commit reaches a waiting reader at once, not at the next tick of a timer', async () => {
  const served = await Served.open({ schema: ITEM });
  let { lastSequence: since } = await served.changes(['foo']);
  const delays: number[] = [];
  for (let id = 1; id <= 60; id += 1) {
    const waiting = served.changes(['foo'], { since, blockS: 5 });
    await until('the reader waits', async () => {
      const { body } = await served.json('/v1/status');
      return (body as { subscribers: number }).subscribers > 0;
    });
    const start = performance.now();
    await served.sql(`INSERT INTO item VALUES (${id}, 'x', 'foo')`);
    const answer = await waiting;
    delays.push(performance.now() - start);
    expect(answer.changes).toHaveLength(1);
    since = answer.lastSequence;
  }
  delays.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(delays[Math.floor(delays.length * share)] ?? 0);
  console.log(`W19: insert to answer p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, max ${at(0.999)} ms`);
  expect(at(0.5)).toBeLessThan(100); // the original: 271
});

test('W21: a keepalive that asks for an answer gets one, and the stream goes on', async () => {
  const proxy = new AskingProxy(new URL(inject('postgresUrl')));
  const port = await proxy.listen();
  onTestFinished(() => proxy.close());
  const route = (url: string): string => {
    const through = new URL(url);
    through.port = String(port);
    return through.href;
  };
  const served = await Served.open({ schema: ITEM, route });
  const client = await served.client('foo');
  await served.sql(`INSERT INTO item VALUES (1, 'x', 'foo')`);
  await served.settle(client);
  const { stream } = proxy;
  const answers = stream?.answers ?? 0;
  proxy.ask();
  await until('it answers', () => (stream?.answers ?? 0) > answers, 5000);
  await served.sql(`INSERT INTO item VALUES (2, 'x', 'foo')`);
  await served.settle(client);
  expect(proxy.stream).toBe(stream);
  expect(await served.expectSame('foo', 'item', 'id')).toBe(2);
});
