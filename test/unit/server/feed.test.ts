import { afterEach, describe, expect, test } from 'vitest';
import { TidelockError } from '../../../src/core/errors.ts';
import { formatLsn } from '../../../src/core/lsn.ts';
import { type ConfigChange, type Harness, RawClient, startServer, until } from './support.ts';

let harness: Harness | undefined;

async function start(change?: ConfigChange): Promise<Harness> {
  harness = await startServer(change);
  return harness;
}

async function subscribe(port: number, query = 'selector=FR'): Promise<RawClient> {
  const client = await RawClient.open(port);
  client.get(`/v1/feed?${query}`);
  return client;
}

const types = (client: RawClient): readonly string[] => client.lines().map(({ type }) => type);

afterEach(async () => {
  await harness?.server.close();
  harness = undefined;
});

describe('a feed', () => {
  test('starts with hello, delivers transactions as they commit, and says progress once caught up', async () => {
    const { engine, port } = await start();
    const client = await subscribe(port);
    await client.saw('"progress"');
    engine.commit('FR', ['{"type":"insert"}']);
    engine.commit('DE', ['{"type":"insert"}']);
    await client.saw('"commit"');
    expect(types(client)).toEqual(['hello', 'progress', 'insert', 'commit']);
    expect(client.received).toContain('Transfer-Encoding: chunked');
  });

  test('delivers only what committed after the given position', async () => {
    const { engine, url } = await start();
    const first = engine.commit('FR', ['{"type":"insert","n":1}']);
    engine.commit('FR', ['{"type":"insert","n":2}']);
    const answer = await fetch(`${url}/v1/feed?selector=FR&since=${formatLsn(first)}&follow=0`);
    const lines = (await answer.text()).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).n ?? JSON.parse(line).type)).toEqual([
      ...['hello', 2, 'commit', 'progress'],
    ]);
  });

  test('carries several selectors', async () => {
    const { engine, port } = await start();
    const client = await subscribe(port, 'selector=FR&selector=DE&selector=FR');
    await client.saw('"progress"');
    expect(client.lines()[0]?.selectors).toEqual(['FR', 'DE']);
    engine.commit('DE', ['{"type":"insert","n":1}']);
    engine.commit('FR', ['{"type":"insert","n":2}']);
    await client.saw('"n":2');
    expect(client.received).toContain('"n":1');
  });

  test('work for a client that is gone ends at once', async () => {
    const { engine, port } = await start();
    const client = await subscribe(port);
    await client.saw('"progress"');
    client.socket.destroy();
    await until('the feed is closed', () => engine.feeds.size === 0);
  });

  test('the same frame is framed once for all its readers', async () => {
    const { engine, port } = await start();
    const clients = await Promise.all([1, 2, 3].map(() => subscribe(port)));
    for (const client of clients) await client.saw('"progress"');
    engine.commit('FR', ['{"type":"insert"}']);
    for (const client of clients) await client.saw('"commit"');
    const bodies = clients.map((client) => client.body().chunks.at(-1));
    expect(new Set(bodies).size).toBe(1);
  });

  test('a frame of many megabytes arrives whole and in order', async () => {
    const { engine, url } = await start();
    const blob = 'x'.repeat(5_000_000);
    const before = engine.upper;
    engine.commit('FR', [`{"type":"insert","blob":"${blob}"}`]);
    engine.commit('FR', ['{"type":"insert","last":true}']);
    const since = formatLsn(before);
    const answer = await fetch(`${url}/v1/feed?selector=FR&follow=0&since=${since}`);
    const lines = (await answer.text()).trim().split('\n');
    expect(JSON.parse(lines[1] ?? '').blob).toBe(blob);
    expect(JSON.parse(lines[3] ?? '').last).toBe(true);
  });

  test('a thousand small transactions arrive complete and in order', async () => {
    const { engine, url } = await start();
    const before = engine.upper;
    for (let n = 0; n < 1000; n += 1) engine.commit('FR', [`{"type":"insert","n":${n}}`]);
    const since = formatLsn(before);
    const answer = await fetch(`${url}/v1/feed?selector=FR&follow=0&since=${since}`);
    const numbers = (await answer.text())
      .split('\n')
      .filter((line) => line.includes('"insert"'))
      .map((line) => JSON.parse(line).n);
    expect(numbers).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  });

  test('an HTTP/1.0 reader gets plain lines, ended by the end of the connection', async () => {
    const { engine, port } = await start();
    const client = await RawClient.open(port);
    client.socket.write('GET /v1/feed?selector=FR HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n');
    await client.saw('"progress"');
    engine.commit('FR', ['{"type":"insert"}']);
    await client.saw('"commit"');
    expect(client.received).not.toContain('Transfer-Encoding');
    const [, body = ''] = client.received.split('\r\n\r\n');
    expect(
      body
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).type),
    ).toEqual([...['hello', 'progress', 'insert', 'commit']]);
  });
});

describe('a feed with follow=0', () => {
  test('ends properly after a progress line, and the connection serves the next request', async () => {
    const { port } = await start();
    const client = await subscribe(port, 'selector=FR&follow=0');
    await until('the answer is complete', () => client.body().isComplete);
    expect(types(client)).toEqual(['hello', 'progress']);
    client.received = '';
    client.get('/health');
    await client.saw('{"status":"ok"}');
  });

  test('and wait_s waits for the first transaction', async () => {
    const { engine, port } = await start();
    const client = await subscribe(port, 'selector=FR&follow=0&wait_s=20');
    await client.saw('"progress"');
    expect(client.body().isComplete).toBe(false);
    engine.commit('FR', ['{"type":"insert"}']);
    await until('the answer is complete', () => client.body().isComplete);
    expect(types(client)).toEqual(['hello', 'progress', 'insert', 'commit', 'progress']);
  });

  test('and wait_s ends without a transaction when the time is over', async () => {
    const { clock, port } = await start();
    const client = await subscribe(port, 'selector=FR&follow=0&wait_s=20');
    await client.saw('"progress"');
    clock.advance(19_000);
    clock.advance(2_000);
    await until('the answer is complete', () => client.body().isComplete);
  });
});

describe('markers', () => {
  test('P24: progress follows the log when others commit, at most once a second', async () => {
    const { engine, clock, port } = await start();
    const client = await subscribe(port);
    await client.saw('"progress"');
    for (let step = 0; step < 20; step += 1) {
      engine.advance();
      clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.saw(formatLsn(engine.upper).slice(0, 3));
    const progress = types(client).filter((type) => type === 'progress');
    expect(progress.length).toBeGreaterThanOrEqual(2);
    expect(progress.length).toBeLessThanOrEqual(3);
  });

  test('an idle feed gets a heartbeat after the interval that its reader asked for', async () => {
    const { clock, port } = await start({ heartbeatS: 5 });
    const usual = await subscribe(port);
    const slow = await subscribe(port, 'selector=FR&heartbeat_s=30');
    await usual.saw('"progress"');
    await slow.saw('"progress"');
    clock.advance(5_500);
    await usual.saw('"heartbeat"');
    clock.advance(5_500);
    await until('a second heartbeat', () => usual.received.split('"heartbeat"').length === 3);
    expect(slow.received).not.toContain('"heartbeat"');
  });

  test('P24: no marker comes before everything that it promises', async () => {
    const { engine, clock, port } = await start();
    const client = await subscribe(port);
    await client.saw('"progress"');
    for (let n = 0; n < 50; n += 1) {
      engine.commit('FR', [`{"type":"insert","n":${n}}`]);
      if (n % 3 === 0) clock.advance(1_100);
      if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await client.saw('"n":49');
    let delivered = 0;
    for (const { type, ts } of client.lines()) {
      const position = Number.parseInt(String(ts).slice(2), 16);
      if (type === 'commit') delivered = position;
      if (type === 'progress' || type === 'heartbeat') {
        const promised = (position - 0x1000) / 0x10;
        expect((Math.max(delivered, 0x1000) - 0x1000) / 0x10).toBe(promised);
      }
    }
  });
});

describe('a feed that cannot go on', () => {
  test('answers with an error when the position is too old', async () => {
    const { engine, url } = await start();
    engine.since = engine.upper;
    const answer = await fetch(`${url}/v1/feed?selector=FR&since=0/1`);
    expect(answer.status).toBe(410);
    expect(await answer.json()).toMatchObject({ error: { code: 'TOO_OLD' } });
  });

  test('says why in mid-stream and ends without a proper end', async () => {
    const { engine, port } = await start();
    const client = await subscribe(port);
    await client.saw('"progress"');
    engine.failReads(new TidelockError({ code: 'TOO_OLD', message: 'cut', hint: 'copy anew' }));
    await client.closed();
    expect(client.lines().at(-1)).toEqual({
      type: 'error',
      error: { code: 'TOO_OLD', message: 'cut', hint: 'copy anew' },
    });
    expect(client.body().isComplete).toBe(false);
    expect(engine.feeds.size).toBe(0);
  });

  test('an unexpected failure is logged and told without its details', async () => {
    const { engine, port, logged } = await start();
    const client = await subscribe(port);
    await client.saw('"progress"');
    engine.failReads(new Error('secret path /var/lib'));
    await client.closed();
    expect(client.lines().at(-1)).toMatchObject({ error: { code: 'INTERNAL' } });
    expect(client.received).not.toContain('/var/lib');
    expect(logged.join('')).toContain('secret path');
  });

  test('streams beyond the limit are told to come back later', async () => {
    const { port, url } = await start({ limits: { streamsMax: 1 } });
    const client = await subscribe(port);
    await client.saw('"progress"');
    const answer = await fetch(`${url}/v1/feed?selector=FR`);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(await answer.json()).toMatchObject({ error: { code: 'BUSY' } });
  });
});

describe('one connection', () => {
  test('a request behind a running feed ends the connection', async () => {
    const { engine, port } = await start();
    const client = await subscribe(port);
    await client.saw('"progress"');
    client.get('/health');
    await client.closed();
    expect(client.received).not.toContain('{"status":"ok"}');
    expect(engine.feeds.size).toBe(0);
  });

  test('bytes that are no request, behind a running feed, never mix an answer into the stream', async () => {
    const { port } = await start();
    const client = await subscribe(port);
    await client.saw('"progress"');
    client.socket.write('\u0000\u0001 garbage\r\n\r\n');
    await client.closed();
    expect(client.received).not.toContain('BAD_REQUEST');
  });

  test('a feed behind an unfinished request is refused in its turn', async () => {
    const { engine, port } = await start();
    let finish: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    engine.makeSnapshot = () => gate;
    const client = await RawClient.open(port);
    client.get('/v1/snapshot?selector=FR');
    client.get('/v1/feed?selector=FR');
    await until('the feed was tried', () => engine.feeds.size === 0);
    finish();
    await client.saw('"BAD_REQUEST"');
    expect(engine.feeds.size).toBe(0);
  });
});
