import { afterEach, describe, expect, test } from 'vitest';
import { type Harness, RawClient, startServer, until } from './support.ts';

let harness: Harness | undefined;

afterEach(async () => {
  await harness?.server.close();
  harness = undefined;
});

describe('a drain', () => {
  test('ends idle feeds properly, after a progress line', async () => {
    harness = await startServer();
    const client = await RawClient.open(harness.port);
    client.get('/v1/feed?selector=FR');
    await client.saw('"progress"');
    await harness.server.drain();
    await client.closed();
    expect(client.body().isComplete).toBe(true);
    expect(client.lines().at(-1)?.type).toBe('progress');
  });

  test('P5: never ends a feed inside a transaction', async () => {
    harness = await startServer();
    const client = await RawClient.open(harness.port);
    client.get('/v1/feed?selector=FR');
    await client.saw('"progress"');
    client.socket.pause();
    const part = Buffer.from(`{"type":"insert","blob":"${'x'.repeat(1 << 20)}"}\n`);
    const last = Buffer.from('{"type":"commit","ts":"0/1010","txid":"7","micros":1}\n');
    harness.engine.commitFrames('FR', [...Array.from({ length: 8 }, () => part), last]);
    harness.engine.commit('FR', ['{"type":"insert","late":true}']);
    await new Promise((resolve) => setImmediate(resolve));
    const drained = harness.server.drain();
    client.socket.resume();
    await drained;
    await until('the feed is complete', () => client.body().isComplete);
    const kinds = client.lines().map(({ type }) => type);
    expect(kinds.filter((type) => type === 'insert')).toHaveLength(8);
    expect(kinds.slice(-2)).toEqual(['commit', 'progress']);
    expect(client.lines().at(-1)?.ts).toBe('0/1010');
  });

  test('refuses new feeds and says so to load balancers', async () => {
    harness = await startServer({ limits: { drainS: 30 } });
    const { server, engine, url, port } = harness;
    let finish: (() => void) | undefined;
    engine.makeSnapshot = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const slow = await RawClient.open(port);
    slow.get('/v1/snapshot?selector=FR', 'Connection: close\r\n');
    await until('the snapshot is being made', () => finish !== undefined);
    const drained = server.drain();
    const feed = await fetch(`${url}/v1/feed?selector=FR`);
    const ready = await fetch(`${url}/ready`);
    expect([feed.status, ready.status]).toEqual([503, 503]);
    expect(await feed.json()).toMatchObject({ error: { code: 'NOT_READY' } });
    finish?.();
    await slow.saw('tidelock-position');
    await drained;
    expect(engine.released).toHaveLength(1);
  });

  test('does not wait for ever for a reader that takes nothing', async () => {
    harness = await startServer({ limits: { drainS: 0.2 } });
    const client = await RawClient.open(harness.port);
    client.get('/v1/feed?selector=FR');
    await client.saw('"progress"');
    client.socket.pause();
    const part = Buffer.alloc(1 << 20, 'x');
    harness.engine.commitFrames(
      'FR',
      Array.from({ length: 30 }, () => part),
    );
    await new Promise((resolve) => setImmediate(resolve));
    await harness.server.drain();
    expect(harness.engine.feeds.size).toBe(0);
  });
});
