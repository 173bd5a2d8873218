import { afterEach, describe, expect, test } from 'vitest';
import { formatLsn } from '../../../src/core/lsn.ts';
import { type Harness, RawClient, startServer, until } from './support.ts';

/** More than kernels buffer for one connection. */
const FRAME_BYTES = 256 * 1024;
const FRAMES_MAX = 200;

let harness: Harness | undefined;

afterEach(async () => {
  await harness?.server.close();
  harness = undefined;
});

async function pausedClient(port: number, query = 'selector=FR'): Promise<RawClient> {
  const client = await RawClient.open(port);
  client.get(`/v1/feed?${query}`);
  await client.saw('"progress"');
  client.socket.pause();
  return client;
}

function largeLine(n: number): string {
  return `{"type":"insert","n":${n},"blob":"${'x'.repeat(FRAME_BYTES)}"}`;
}

/** Commits until nothing more is taken. */
async function fill({ engine }: Harness, index = 0): Promise<number> {
  const feed = [...engine.feeds][index];
  for (let n = 0; n < FRAMES_MAX; n += 1) {
    engine.commit('FR', [largeLine(n)]);
    for (let turn = 0; turn < 50; turn += 1) await new Promise((go) => setImmediate(go));
    if (feed !== undefined && feed.position < engine.upper) return n + 1;
  }
  throw new Error('the reader never stalled');
}

describe('a reader that stops reading', () => {
  test('P26: stops the pulling of frames, and does not hold up others', async () => {
    harness = await startServer();
    await pausedClient(harness.port);
    const sent = await fill(harness);
    const [feed] = harness.engine.feeds;
    const stuck = feed?.position;
    const other = await RawClient.open(harness.port);
    other.get('/v1/feed?selector=FR');
    await other.saw('"progress"');
    for (let n = 0; n < 10; n += 1) harness.engine.commit('FR', [largeLine(sent + n)]);
    await other.saw(`"n":${sent + 9}`);
    expect(feed?.position).toBe(stuck);
  });

  test('is dropped after the limit and counted by reason', async () => {
    harness = await startServer({ limits: { stallS: 30 } });
    const client = await pausedClient(harness.port);
    await fill(harness);
    harness.clock.advance(28_000);
    expect(harness.engine.feeds.size).toBe(1);
    harness.clock.advance(4_000);
    expect(harness.engine.feeds.size).toBe(0);
    client.socket.resume();
    await client.closed();
    expect(client.body().isComplete).toBe(false);
    const metrics = await (await fetch(`${harness.url}/metrics`)).text();
    expect(metrics).toContain('tidelock_streams_ended_total{reason="stalled"} 1');
  });

  test('P8: that was dropped resumes at its last commit without loss', async () => {
    harness = await startServer({ limits: { stallS: 30 } });
    const client = await pausedClient(harness.port);
    const sent = await fill(harness);
    harness.clock.advance(32_000);
    client.socket.resume();
    await client.closed();
    const first = client.lines().filter(({ type }) => type === 'commit' || type === 'insert');
    const lastCommit = first.findLastIndex(({ type }) => type === 'commit');
    const whole = first.slice(0, lastCommit + 1);
    const since = String(whole.at(-1)?.ts ?? formatLsn(harness.engine.since));
    const answer = await fetch(`${harness.url}/v1/feed?selector=FR&follow=0&since=${since}`);
    const rest = (await answer.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const numbers = [...whole, ...rest].filter(({ type }) => type === 'insert').map(({ n }) => n);
    expect(numbers).toEqual(Array.from({ length: sent }, (_, n) => n));
  });

  test('but reads again in time goes on where it was', async () => {
    harness = await startServer({ limits: { stallS: 30 } });
    const client = await pausedClient(harness.port);
    const sent = await fill(harness);
    harness.clock.advance(20_000);
    client.socket.resume();
    await client.saw(`"n":${sent - 1}`);
    harness.clock.advance(20_000);
    expect(harness.engine.feeds.size).toBe(1);
  });

  test('and others hold more together than they may: the one that stalled first is dropped early', async () => {
    harness = await startServer({ limits: { stalledBytesMax: 2 * FRAME_BYTES } });
    await pausedClient(harness.port);
    await fill(harness);
    const [first] = harness.engine.feeds;
    harness.clock.advance(1_500);
    expect(harness.engine.feeds.size).toBe(1);
    await pausedClient(harness.port, `selector=FR&since=${formatLsn(harness.engine.upper)}`);
    await fill(harness, 1);
    harness.clock.advance(2_500);
    expect(harness.engine.feeds.size).toBe(1);
    expect(harness.engine.feeds).not.toContain(first);
    const metrics = await (await fetch(`${harness.url}/metrics`)).text();
    expect(metrics).toContain('tidelock_streams_ended_total{reason="buffer_full"} 1');
  });

  test('while a snapshot is sent is cut off, and the snapshot is released', async () => {
    harness = await startServer({ limits: { stallS: 0.2 } });
    harness.engine.snapshotBytes = 64 * 1024 * 1024;
    const client = await RawClient.open(harness.port);
    client.get('/v1/snapshot?selector=FR');
    await client.saw('tidelock-position');
    client.socket.pause();
    await until('the file is released', () => harness?.engine.released.length === 1);
  });
});
