import { afterEach, describe, expect, test } from 'vitest';
import { type Harness, RawClient, startServer, until } from './support.ts';

describe('the feed', () => {
  let harness: Harness | undefined;
  afterEach(async () => {
    await harness?.server.close();
  });

  test('starts with hello, delivers transactions as they commit, and says progress once caught up', async () => {
    harness = await startServer();
    const client = await RawClient.open(harness.port);
    client.get('/v1/feed?selector=FR');
    await client.saw('"progress"');
    harness.engine.commit('FR', ['{"type":"insert"}']);
    harness.engine.commit('DE', ['{"type":"insert"}']);
    await client.saw('"commit"');
    expect(client.lines().map(({ type }) => type)).toEqual([
      ...['hello', 'progress', 'insert', 'commit'],
    ]);
    expect(client.received).toContain('Transfer-Encoding: chunked');
  });

  test('resumes after the given position', async () => {
    harness = await startServer();
    const first = harness.engine.commit('FR', ['{"type":"insert","n":1}']);
    harness.engine.commit('FR', ['{"type":"insert","n":2}']);
    const since = `0/${first.toString(16)}`;
    const answer = await fetch(`${harness.url}/v1/feed?selector=FR&since=${since}&follow=0`);
    const lines = (await answer.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ type, n }) => n ?? type)).toEqual(['hello', 2, 'commit', 'progress']);
  });

  test('work for a client that is gone ends at once', async () => {
    harness = await startServer();
    const client = await RawClient.open(harness.port);
    client.get('/v1/feed?selector=FR');
    await client.saw('"progress"');
    expect(harness.engine.feeds.size).toBe(1);
    client.socket.destroy();
    await until('the feed is closed', () => harness?.engine.feeds.size === 0);
  });
});
