import { afterEach, describe, expect, test } from 'vitest';
import { TidelockError } from '../../../src/core/errors.ts';
import type { HeldDigests } from '../../../src/engine/api.ts';
import { lineOf } from './memory-engine.ts';
import { type ConfigChange, type Harness, RawClient, startServer, until } from './support.ts';

let harness: Harness | undefined;

async function start(change?: ConfigChange): Promise<Harness> {
  harness = await startServer(change);
  return harness;
}

const held = (bucketCount: number, buckets = bucketCount): HeldDigests => ({
  bucketCount,
  tables: {
    'public.cities': Array.from({ length: buckets }, () => ({ digest: 'a'.repeat(32), rows: 1 })),
  },
});

function post(url: string, body: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return fetch(`${url}/v1/snapshot`, { method: 'POST', headers, body: JSON.stringify(body) });
}

afterEach(async () => {
  await harness?.server.close();
  harness = undefined;
});

describe('a snapshot', () => {
  test('is a SQLite file with its position and length, released when sent', async () => {
    const { url, engine } = await start();
    engine.snapshotBytes = 3_000_000;
    const answer = await fetch(`${url}/v1/snapshot?selector=FR&replica=r1`);
    expect(answer.headers.get('content-type')).toBe('application/vnd.sqlite3');
    expect(answer.headers.get('content-length')).toBe('3000000');
    expect(answer.headers.get('tidelock-position')).toBe('0/1000');
    expect(answer.headers.get('tidelock-timeline')).toBe('t1');
    const bytes = new Uint8Array(await answer.arrayBuffer());
    expect(bytes.every((byte) => byte === 7) && bytes.length === 3_000_000).toBe(true);
    await until('the file is released', () => engine.released.length === 1);
  });

  test('is NDJSON when the client prefers it', async () => {
    const { url } = await start();
    const answer = await fetch(`${url}/v1/snapshot?selector=FR`, {
      headers: { accept: 'application/vnd.sqlite3;q=0.1, application/x-ndjson' },
    });
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    expect(await answer.text()).toContain('snapshot_completed');
  });

  test('in a format that nobody has is refused', async () => {
    const { url } = await start();
    const headers = { accept: 'text/csv' };
    const answer = await fetch(`${url}/v1/snapshot?selector=FR`, { headers });
    expect(answer.status).toBe(406);
  });

  test('of a client that leaves while it is made is given up, and released', async () => {
    const { port, engine } = await start();
    let signal: AbortSignal | undefined;
    engine.makeSnapshot = (request) =>
      new Promise((resolve) => {
        signal = request.signal;
        request.signal.addEventListener('abort', () => resolve());
      });
    const client = await RawClient.open(port);
    client.get('/v1/snapshot?selector=FR');
    await until('it is being made', () => signal !== undefined);
    client.socket.destroy();
    await until('the file is released', () => engine.released.length === 1);
  });

  test('of a client that leaves in the middle is released', async () => {
    const { port, engine } = await start();
    engine.snapshotBytes = 64 * 1024 * 1024;
    const client = await RawClient.open(port);
    client.get('/v1/snapshot?selector=FR');
    await client.saw('tidelock-position');
    client.socket.destroy();
    await until('the file is released', () => engine.released.length === 1);
  });

  test('that fails before its first byte is an ordinary error', async () => {
    const { url, engine } = await start();
    const error = new TidelockError({ code: 'SOURCE_DOWN', message: 'no Postgres' });
    engine.makeSnapshot = () => Promise.reject(error);
    const answer = await fetch(`${url}/v1/snapshot?selector=FR`);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(await answer.json()).toMatchObject({ error: { code: 'SOURCE_DOWN' } });
  });

  test('as lines that fails in the middle says why and ends without a proper end', async () => {
    const { port, engine } = await start();
    engine.makeLines = async function* () {
      yield lineOf({ type: 'hello' });
      throw new TidelockError({ code: 'SOURCE_DOWN', message: 'Postgres went away' });
    };
    const client = await RawClient.open(port);
    client.get('/v1/snapshot?selector=FR', 'Accept: application/x-ndjson\r\n');
    await client.closed();
    expect(client.lines().at(-1)).toMatchObject({ type: 'error', error: { code: 'SOURCE_DOWN' } });
    expect(client.body().isComplete).toBe(false);
  });
});

describe('snapshots at the same time', () => {
  test('wait for their turn; those beyond the line are told to come back', async () => {
    const { url, engine } = await start({ limits: { snapshotsMax: 1, queueMax: 1 } });
    const finish: (() => void)[] = [];
    engine.makeSnapshot = () => new Promise((resolve) => finish.push(() => resolve()));
    const first = fetch(`${url}/v1/snapshot?selector=FR`);
    await until('the first is being made', () => finish.length === 1);
    const others = [1, 2].map(() => fetch(`${url}/v1/snapshot?selector=FR`));
    const refused = await Promise.race(others);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ error: { code: 'BUSY' } });
    finish[0]?.();
    expect((await (await first).arrayBuffer()).byteLength).toBe(4096);
    await until('the second is being made', () => finish.length === 2);
    finish[1]?.();
    const statuses = (await Promise.all(others)).map(({ status }) => status).sort();
    expect(statuses).toEqual([200, 503]);
  });

  test('do not wait longer than the limit', async () => {
    const { url, engine } = await start({ limits: { snapshotsMax: 1, queueS: 0.05 } });
    engine.makeSnapshot = ({ signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason)),
      );
    const leave = new AbortController();
    const first = fetch(`${url}/v1/snapshot?selector=FR`, { signal: leave.signal });
    const second = await fetch(`${url}/v1/snapshot?selector=FR`);
    expect(second.status).toBe(503);
    leave.abort();
    await expect(first).rejects.toThrow();
  });
});

describe('a difference snapshot', () => {
  test('gives the engine what the replica holds', async () => {
    const { url, engine } = await start();
    let seen: unknown;
    engine.makeLines = async function* (request, digests) {
      seen = { selectors: request.selectors, replica: request.replica, digests };
      yield lineOf({ type: 'snapshot_completed' });
    };
    const answer = await post(url, { selectors: ['FR'], replica: 'r1', held: held(2) });
    expect(await answer.text()).toContain('snapshot_completed');
    expect(seen).toEqual({ selectors: ['FR'], replica: 'r1', digests: held(2) });
  });

  test('takes bodies of megabytes', async () => {
    const { url } = await start();
    const answer = await post(url, { selectors: ['FR'], held: held(50_000) });
    expect(answer.status).toBe(200);
    await answer.text();
  });

  test('beyond the limit of its body is refused', async () => {
    const { url } = await start({ limits: { digestBodyBytesMax: 10_000 } });
    const answer = await post(url, { selectors: ['FR'], held: held(1000) });
    expect([answer.status, await answer.json()]).toMatchObject([
      413,
      { error: { code: 'TOO_LARGE' } },
    ]);
  });

  test('is refused when buckets are missing, malformed or too many', async () => {
    const { url } = await start();
    const bad = [
      { selectors: ['FR'], held: held(3, 2) },
      { selectors: ['FR'], held: held(0) },
      { selectors: ['FR'], held: { bucketCount: 1, tables: { t: [{ digest: 'x', rows: 1 }] } } },
      { selectors: ['FR'] },
      { selectors: [], held: held(1) },
      { selectors: 'FR', held: held(1), extra: true },
    ];
    for (const body of bad) expect((await post(url, body)).status).toBe(400);
  });
});
