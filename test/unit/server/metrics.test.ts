import { afterEach, describe, expect, test } from 'vitest';
import { type Harness, RawClient, startServer } from './support.ts';

let harness: Harness | undefined;

afterEach(async () => {
  await harness?.server.close();
  harness = undefined;
});

/** Name and labels to value. */
async function scrape({ url }: Harness): Promise<Record<string, number>> {
  const answer = await fetch(`${url}/metrics`);
  expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  const lines = (await answer.text()).split('\n').filter((line) => /^[a-z]/.test(line));
  return Object.fromEntries(
    lines.map((line) => [line.replace(/ .*/, ''), Number(line.split(' ').at(-1))]),
  );
}

describe('the metrics', () => {
  test('tell where the engine stands', async () => {
    harness = await startServer();
    expect(await scrape(harness)).toMatchObject({
      ...{ tidelock_lag_bytes: 7, tidelock_lag_seconds: 0.5, tidelock_retained_wal_bytes: 100 },
      ...{ tidelock_log_bytes: 10, tidelock_log_upper: 0x1000, tidelock_log_since: 0 },
      ...{ tidelock_transactions_total: 3, tidelock_changes_total: 5, tidelock_snapshots_total: 1 },
      ...{ tidelock_tables_live: 1, tidelock_tables_unfit: 0, tidelock_log_ok: 1 },
      ...{
        'tidelock_source_state{state="streaming"}': 1,
        'tidelock_source_state{state="down"}': 0,
      },
    });
  });

  test('tell what the server does', async () => {
    harness = await startServer();
    const client = await RawClient.open(harness.port);
    client.get('/v1/feed?selector=FR');
    await client.saw('"progress"');
    const before = await scrape(harness);
    expect(before.tidelock_subscribers).toBe(1);
    expect(before['tidelock_bytes_out_total{kind="feed"}']).toBe(
      Buffer.byteLength(client.received.split('\r\n\r\n').slice(1).join('\r\n\r\n')),
    );
    await (await fetch(`${harness.url}/v1/snapshot?selector=FR`)).arrayBuffer();
    const after = await scrape(harness);
    expect(after['tidelock_bytes_out_total{kind="snapshot"}']).toBe(4096);
    expect(before.tidelock_rss_bytes).toBeGreaterThan(1e6);
    expect(before.tidelock_event_loop_delay_p99_seconds).toBeGreaterThanOrEqual(0);
  });

  test('leave out what is not known', async () => {
    harness = await startServer();
    const { status } = harness.engine;
    const source = { ...status().source, lagBytes: null, retainedWalBytes: null };
    harness.engine.patchStatus = { source, lastCommitLagS: null };
    const names = Object.keys(await scrape(harness));
    for (const name of [
      'tidelock_lag_bytes',
      'tidelock_retained_wal_bytes',
      'tidelock_lag_seconds',
    ]) {
      expect(names).not.toContain(name);
    }
  });

  test('give the rate of changes between two scrapes', async () => {
    harness = await startServer();
    await scrape(harness);
    const { counters } = harness.engine.status();
    harness.engine.patchStatus = { counters: { ...counters, changes: counters.changes + 500 } };
    harness.clock.advance(5_000);
    expect((await scrape(harness)).tidelock_apply_changes_per_second).toBe(100);
  });

  test('each have a help text', async () => {
    harness = await startServer();
    const text = await (await fetch(`${harness.url}/metrics`)).text();
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(20);
    for (const name of names) expect(text).toMatch(new RegExp(`^# HELP ${name} \\S.{15,}`, 'm'));
  });
});
