import { afterEach, describe, expect, test } from 'vitest';
import { type ConfigChange, type Harness, RawClient, startServer, until } from './support.ts';

let harness: Harness | undefined;

async function start(change?: ConfigChange): Promise<Harness> {
  harness = await startServer(change);
  return harness;
}

type ErrorBody = { error: { code: string; message: string; hint?: string } };

async function failureOf(answer: Response): Promise<ErrorBody['error'] & { status: number }> {
  expect(answer.headers.get('content-type')).toContain('application/json');
  const { error } = (await answer.json()) as ErrorBody;
  return { ...error, status: answer.status };
}

afterEach(async () => {
  await harness?.server.close();
  harness = undefined;
});

describe('bad input', () => {
  const cases: readonly [string, string, string, RegExp][] = [
    ['no selector', '/v1/feed', 'BAD_REQUEST', /"selector" is missing/],
    ['an unknown parameter', '/v1/feed?selector=FR&sinze=0/1', 'BAD_REQUEST', /"sinze"/],
    ['a parameter twice', '/v1/feed?selector=FR&since=0/1&since=0/2', 'BAD_REQUEST', /since/],
    ['a position of another form', '/v1/feed?selector=FR&since=12', 'BAD_POSITION', /since/],
    [
      'a position beyond the range',
      '/v1/feed?selector=FR&since=FFFFFFFF/0',
      'BAD_POSITION',
      /2\^53/,
    ],
    ['an empty selector', '/v1/feed?selector=', 'BAD_SELECTOR', /empty/],
    ['the selector of everyone', '/v1/feed?selector=*', 'BAD_SELECTOR', /\*/],
    ['control characters', '/v1/feed?selector=a%00b', 'BAD_SELECTOR', /control/],
    ['a selector that is too long', `/v1/feed?selector=${'x'.repeat(201)}`, 'BAD_SELECTOR', /200/],
    ['broken percent-encoding', '/v1/feed?selector=%E0%A4%A', 'BAD_REQUEST', /percent-encoding/],
    ['broken percent-encoding in the path', '/v1/leases/%zz', 'BAD_REQUEST', /./],
    [
      'a switch that is neither 0 nor 1',
      '/v1/feed?selector=FR&follow=yes',
      'BAD_REQUEST',
      /follow/,
    ],
    ['a heartbeat of nothing', '/v1/feed?selector=FR&heartbeat_s=0', 'BAD_REQUEST', /heartbeat_s/],
    ['a wait of days', '/v1/wait?ts=0/1&timeout_s=99999', 'BAD_REQUEST', /timeout_s/],
    ['a wait for nothing', '/v1/wait', 'BAD_REQUEST', /ts/],
    [
      'buckets beyond the limit',
      '/v1/digest?selector=FR&buckets=1000000',
      'BAD_REQUEST',
      /buckets/,
    ],
    [
      'a bucket count that is no number',
      '/v1/digest?selector=FR&buckets=x',
      'BAD_REQUEST',
      /buckets/,
    ],
    [
      'a replica id with a path in it',
      '/v1/feed?selector=FR&replica=../x',
      'BAD_REQUEST',
      /replica/,
    ],
    ['a prototype as parameter', '/v1/feed?selector=FR&__proto__=x', 'BAD_REQUEST', /__proto__/],
    ['any parameter where there is none', '/v1/status?verbose=1', 'BAD_REQUEST', /verbose/],
  ];
  test.each(cases)('%s is refused with a code and a reason', async (_what, path, code, reason) => {
    const { url } = await start();
    const failure = await failureOf(await fetch(url + path));
    expect(failure).toMatchObject({ status: 400, code });
    expect(failure.message).toMatch(reason);
  });

  test('more selectors than allowed are refused', async () => {
    const { url } = await start({ limits: { selectorsMax: 3 } });
    const failure = await failureOf(
      await fetch(`${url}/v1/feed?${'selector=a&selector=b&selector=c&selector=d'}`),
    );
    expect(failure).toMatchObject({ code: 'BAD_REQUEST' });
    expect(failure.message).toContain('3 are allowed');
  });

  test('a thousand selectors of the length of a UUID fit into one request', async () => {
    const { url } = await start();
    const query = Array.from({ length: 1000 }, () => `selector=${crypto.randomUUID()}`).join('&');
    const answer = await fetch(`${url}/v1/feed?follow=0&${query}`);
    expect(answer.status).toBe(200);
  });

  test('an address beyond the limit is refused', async () => {
    const { url } = await start({ limits: { urlBytesMax: 2000 } });
    const answer = await fetch(`${url}/v1/feed?selector=${'x'.repeat(3000)}`);
    expect(await failureOf(answer)).toMatchObject({ code: 'TOO_LARGE', status: 413 });
  });

  test('a body that is not what the route takes is refused and changes nothing', async () => {
    const { url, engine } = await start();
    const put = (body: string, type = 'application/json'): Promise<Response> =>
      fetch(`${url}/v1/leases/r1`, { method: 'PUT', body, headers: { 'content-type': type } });
    expect(await failureOf(await put('{"ts":"x"}'))).toMatchObject({ code: 'BAD_POSITION' });
    expect(await failureOf(await put('{"ts":1}'))).toMatchObject({ code: 'BAD_POSITION' });
    expect(await failureOf(await put('{"ts":"0/1","more":1}'))).toMatchObject({
      code: 'BAD_REQUEST',
    });
    expect(await failureOf(await put('{"ts":'))).toMatchObject({ code: 'BAD_REQUEST' });
    expect(await failureOf(await put('ts=0/1', 'text/plain'))).toMatchObject({
      code: 'BAD_REQUEST',
      hint: 'send the body as Content-Type: application/json',
    });
    expect(await failureOf(await put('{"__proto__":{"ts":"0/1"}}'))).toMatchObject({
      code: 'BAD_REQUEST',
    });
    expect(engine.leases.size).toBe(0);
  });

  test('a body beyond the limit is refused', async () => {
    const { url } = await start({ limits: { bodyBytesMax: 1000 } });
    const body = JSON.stringify({ ts: 'x'.repeat(2000) });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${url}/v1/leases/r1`, { method: 'PUT', body, headers });
    expect(await failureOf(answer)).toMatchObject({ code: 'TOO_LARGE', status: 413 });
  });
});

describe('paths and methods', () => {
  test('an unknown path is told apart from an unknown method', async () => {
    const { url } = await start();
    expect(await failureOf(await fetch(`${url}/v1/fede`))).toMatchObject({ code: 'NOT_FOUND' });
    const answer = await fetch(`${url}/v1/feed`, { method: 'POST' });
    expect(answer.headers.get('allow')).toBe('GET, OPTIONS');
    expect(await failureOf(answer)).toMatchObject({ code: 'METHOD_NOT_ALLOWED', status: 405 });
  });

  test('OPTIONS lists the methods of a path', async () => {
    const { url } = await start();
    const answer = await fetch(`${url}/v1/leases/r1`, { method: 'OPTIONS' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([204, 'PUT, DELETE, OPTIONS']);
  });

  test('HEAD answers where it costs nothing and is refused where it would make a snapshot', async () => {
    const { url } = await start();
    const head = (path: string): Promise<Response> => fetch(url + path, { method: 'HEAD' });
    expect((await head('/health')).status).toBe(200);
    expect((await head('/v1/status')).status).toBe(200);
    expect((await head('/v1/feed?selector=FR')).status).toBe(405);
    expect((await head('/v1/snapshot?selector=FR')).status).toBe(405);
  });

  test('paths that climb lead nowhere', async () => {
    const { port } = await start();
    for (const path of ['/../../etc/passwd', '/v1/../../etc/passwd', '/v1/%2e%2e/%2e%2e/etc']) {
      const client = await RawClient.open(port);
      client.get(path, 'Connection: close\r\n');
      await client.closed();
      expect(client.received).toMatch(/^HTTP\/1\.1 404/);
    }
  });

  test('a web page that points its own name at this machine is refused', async () => {
    const { port } = await start();
    const client = await RawClient.open(port);
    client.socket.write(
      'GET /v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
    );
    await client.closed();
    expect(client.received).toContain('TOKEN_FORBIDS');
    const local = await RawClient.open(port);
    local.socket.write('GET /health HTTP/1.1\r\nHost: [::1]:7475\r\nConnection: close\r\n\r\n');
    await local.closed();
    expect(local.received).toContain('"ok"');
  });
});

describe('connections', () => {
  test('headers that never end are cut off in time', async () => {
    const { port } = await start({ limits: { requestS: 0.2 } });
    const client = await RawClient.open(port);
    client.socket.write('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ');
    await client.closed();
    expect(client.received).toContain('did not arrive in time');
  });

  test('a body that never ends is cut off in time', async () => {
    const { port } = await start({ limits: { requestS: 0.2 } });
    const client = await RawClient.open(port);
    client.socket.write(
      'PUT /v1/leases/r1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{',
    );
    await client.closed();
  });

  test('headers beyond the limit are refused in our own form', async () => {
    const { port } = await start();
    const client = await RawClient.open(port);
    client.get('/health', `X-Large: ${'x'.repeat(200_000)}\r\n`);
    await client.closed();
    expect(client.received).toContain('"code":"TOO_LARGE"');
  });

  test('what is not HTTP is refused in our own form', async () => {
    const { port } = await start();
    const client = await RawClient.open(port);
    client.socket.write('SSH-2.0-OpenSSH_9.2\r\n\r\n');
    await client.closed();
    expect(client.received).toMatch(/^HTTP\/1\.1 400 BAD_REQUEST/);
  });

  test('a body with broken chunks changes nothing', async () => {
    const { port, engine } = await start();
    const client = await RawClient.open(port);
    client.socket.write(
      'PUT /v1/leases/r1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{"ts":"0/1"}\r\n0\r\n\r\n',
    );
    await client.closed();
    expect(client.received).toMatch(/^HTTP\/1\.1 400/);
    expect(engine.leases.size).toBe(0);
  });

  test('two lengths in one request are refused (request smuggling)', async () => {
    const { port, engine } = await start();
    const client = await RawClient.open(port);
    client.socket.write(
      'PUT /v1/leases/r1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/tables HTTP/1.1\r\n\r\n',
    );
    await client.closed();
    expect(client.received).toMatch(/^HTTP\/1\.1 400/);
    expect(engine.leases.size).toBe(0);
  });

  test('connections beyond the limit are not accepted', async () => {
    const { port } = await start({ limits: { connectionsMax: 1 } });
    const first = await RawClient.open(port);
    first.get('/health');
    await first.saw('"ok"');
    const second = await RawClient.open(port);
    await second.closed();
    expect(second.received).toBe('');
    expect(first.isClosed).toBe(false);
  });
});

describe('the other routes', () => {
  test('a lease is set and ended', async () => {
    const { url, engine } = await start();
    const headers = { 'content-type': 'application/json' };
    const body = '{"ts":"0/1010"}';
    const put = await fetch(`${url}/v1/leases/r1`, { method: 'PUT', body, headers });
    expect([put.status, engine.leases.get('r1')]).toEqual([204, 0x1010]);
    const gone = await fetch(`${url}/v1/leases/r1`, { method: 'DELETE' });
    expect([gone.status, engine.leases.size]).toEqual([204, 0]);
  });

  test('a wait answers with the upper, or with a timeout', async () => {
    const { url, engine } = await start();
    engine.commit('FR');
    expect(await (await fetch(`${url}/v1/wait?ts=0/1000`)).json()).toEqual({ upper: '0/1010' });
    const late = await fetch(`${url}/v1/wait?ts=0/2000&timeout_s=0`);
    expect(await failureOf(late)).toMatchObject({ code: 'TIMEOUT', status: 504 });
  });

  test('waits beyond the limit are told to come back, and end at shutdown', async () => {
    const { url, engine, server } = await start({ limits: { waitsMax: 1 } });
    let waiting = 0;
    engine.waitFor = (_ts, _ms, signal) =>
      new Promise((_resolve, reject) => {
        waiting += 1;
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    const first = fetch(`${url}/v1/wait?ts=0/2000`);
    await until('one waits', () => waiting === 1);
    expect(await failureOf(await fetch(`${url}/v1/wait?ts=0/2000`))).toMatchObject({
      code: 'BUSY',
    });
    const drained = server.drain();
    expect(await failureOf(await first)).toMatchObject({ code: 'NOT_READY' });
    await drained;
  });

  test('a digest has positions as text and buckets on request', async () => {
    const { url } = await start();
    const answer = await (await fetch(`${url}/v1/digest?selector=FR&buckets=2`)).json();
    expect(answer).toMatchObject({ ts: '0/1000', digests: [{ selector: 'FR', rows: 0 }] });
    expect(answer).toHaveProperty(['buckets', 'public.cities', 'length'], 2);
  });

  test('digests wait for their turn, those beyond the line are told to come back', async () => {
    const { url, engine } = await start({ limits: { digestsMax: 1, queueMax: 0 } });
    const answer = await engine.digest({ selectors: [], signal: new AbortController().signal });
    let finish: (() => void) | undefined;
    engine.makeDigest = () =>
      new Promise((resolve) => {
        finish = () => resolve(answer);
      });
    const first = fetch(`${url}/v1/digest?selector=FR`);
    await until('the first is computed', () => finish !== undefined);
    const second = await fetch(`${url}/v1/digest?selector=FR`);
    expect(second.headers.get('retry-after')).toBe('2');
    expect(await failureOf(second)).toMatchObject({ code: 'BUSY' });
    finish?.();
    expect((await first).status).toBe(200);
  });

  test('an unexpected failure is logged and told without its details', async () => {
    const { url, engine, logged } = await start();
    engine.makeDigest = () => Promise.reject(new Error('password is hunter2'));
    const failure = await failureOf(await fetch(`${url}/v1/digest?selector=FR`));
    expect(failure).toMatchObject({ code: 'INTERNAL', status: 500 });
    expect(JSON.stringify(failure)).not.toContain('hunter2');
    expect(logged.join('')).toContain('hunter2');
  });
});
