/** The fault proxy between a real client and a real server, both of Node. */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FaultProxy, NETWORK_FAULTS } from '../../../../src/bench/proxy/fault-proxy.ts';
import { HttpProxy } from '../../../../src/bench/proxy/http-proxy.ts';
import { TcpProxy } from '../../../../src/bench/proxy/tcp-proxy.ts';
import { SeededRandom } from '../../../../src/bench/random.ts';
import { until } from '../../../../src/bench/until.ts';

const WAIT = { limitMs: 10_000, signal: new AbortController().signal };
/** More than a socket takes at once. */
const LARGE = 'x'.repeat(3_000_000);

/** What reached the server, in order. */
let arrived: string[];
let url: string;
let closers: (() => Promise<unknown>)[];

beforeEach(async () => {
  arrived = [];
  closers = [];
  const server = createServer(async (incoming, response) => {
    let body = '';
    for await (const chunk of incoming) body += chunk;
    arrived.push(`${incoming.method} ${incoming.url} ${body}`);
    const type = incoming.url === '/stream' ? 'application/x-ndjson' : 'application/json';
    response.writeHead(200, { 'content-type': type });
    if (incoming.url === '/large') response.end(LARGE);
    else response.end(`{"number":${arrived.length}}\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  url = `http://127.0.0.1:${address.port}`;
  closers.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
});

afterEach(async () => {
  for (const close of closers.reverse()) await close();
});

async function tcpProxy(): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(url, new SeededRandom(1));
  closers.push(() => proxy.close());
  return proxy;
}

async function httpProxy(capture?: (text: string) => void): Promise<HttpProxy> {
  const proxy = await HttpProxy.start({
    target: url,
    capture: () => (chunk) => {
      if (chunk !== null) capture?.(Buffer.from(chunk).toString());
    },
  });
  closers.push(() => proxy.close());
  return proxy;
}

const get = (address: string): Promise<string> => ask(address, 'GET');
const post = (address: string, body: string): Promise<string> => ask(address, 'POST', body);

/** The body, or `error: code`. A connection of its own for every request. */
function ask(address: string, method: string, body?: string): Promise<string> {
  return new Promise((resolve) => {
    const failed = (error: Error & { code?: string }): void => resolve(`error: ${error.code}`);
    const outgoing = request(address, { method, agent: false }, async (answer) => {
      const chunks: string[] = [];
      answer.on('error', failed);
      answer.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
      answer.on('end', () => resolve(`${answer.statusCode} ${chunks.join('')}`.trim()));
    });
    outgoing.on('error', failed);
    outgoing.end(body);
  });
}

test('without a fault everything passes, small and large', async () => {
  const proxy = await tcpProxy();
  expect(await post(`${proxy.url}/a`, 'hello')).toBe('200 {"number":1}');
  expect(await get(`${proxy.url}/large`)).toBe(`200 ${LARGE}`);
  expect(arrived).toEqual(['POST /a hello', 'GET /large ']);
  expect(proxy.heal()).toEqual([]);
});

test('while the network is away every connection breaks, and afterwards none', async () => {
  const proxy = await tcpProxy();
  proxy.inject({ kind: 'reset' });
  expect(await get(`${proxy.url}/a`)).toBe('error: ECONNRESET');
  expect(proxy.heal()).toEqual(['connections reset: 1']);
  expect(await get(`${proxy.url}/a`)).toBe('200 {"number":1}');
});

test('a half-open connection says nothing until it is reset', async () => {
  const proxy = await tcpProxy();
  proxy.inject({ kind: 'half-open' });
  let isAnswered = false;
  const answer = get(`${proxy.url}/a`).finally(() => {
    isAnswered = true;
  });
  expect(await Promise.race([answer, get(`${url}/beside`)])).toBe('200 {"number":1}');
  expect(isAnswered).toBe(false);
  const seen = proxy.heal();
  expect(await answer).toBe('error: ECONNRESET');
  expect(seen[0]).toBe('connections held open in silence: 1');
  expect(arrived).toEqual(['GET /beside ']);
});

test('delays and slices change no byte', async () => {
  const proxy = await tcpProxy();
  proxy.inject({ kind: 'delay', delayMs: 5, jitterMs: 5 });
  expect(await post(`${proxy.url}/a`, 'hello')).toBe('200 {"number":1}');
  expect(proxy.heal().join()).toMatch(/^chunks that came late: \d+$/);
  proxy.inject({ kind: 'slice', sliceBytes: 7, pauseMs: 0 });
  expect(await post(`${proxy.url}/a`, 'hello')).toBe('200 {"number":2}');
  expect(proxy.heal().join()).toMatch(/^slices: \d\d+$/);
  expect(arrived).toEqual(['POST /a hello', 'POST /a hello']);
});

test('a connection is cut in the middle of an answer', async () => {
  const proxy = await tcpProxy();
  proxy.inject({ kind: 'cut', afterBytes: 100_000 });
  expect(await get(`${proxy.url}/large`)).toBe('error: ECONNRESET');
  expect(await get(`${proxy.url}/a`)).toBe('200 {"number":2}');
  expect(proxy.heal()).toEqual(['connections cut after 100000 bytes: 1']);
});

test('one direction is silent: the server has done the work before its answer arrives', async () => {
  const proxy = await tcpProxy();
  proxy.inject({ kind: 'one-way', silent: 'down' });
  const answer = post(`${proxy.url}/a`, 'hello');
  await until('the request arrives', () => arrived.length === 1, WAIT);
  await until('the answer is held back', () => proxy.isHolding, WAIT);
  const seen = proxy.heal();
  expect(await answer).toBe('200 {"number":1}');
  expect(seen.map((line) => line.split(':')[0])).toEqual([
    'bytes passed up',
    'bytes held back down',
  ]);
});

test('an upload reaches the server twice, another request does not', async () => {
  const proxy = await httpProxy();
  proxy.inject({ kind: 'duplicate' }, 1);
  expect(proxy.hasEffect).toBe(false);
  await post(`${proxy.url}/v1/snapshot`, 'held');
  expect(await post(`${proxy.url}/v1/upload`, 'one')).toBe('200 {"number":3}');
  expect(await post(`${proxy.url}/v1/upload`, 'two')).toBe('200 {"number":4}');
  expect(arrived).toEqual([
    'POST /v1/snapshot held',
    'POST /v1/upload one',
    'POST /v1/upload one',
    'POST /v1/upload two',
  ]);
  expect(await proxy.heal()).toEqual(['POST /v1/upload twice, first answered 200: 1']);
});

test('an old upload comes once more, behind a newer one', async () => {
  const proxy = await httpProxy();
  await post(`${proxy.url}/v1/upload`, 'one');
  proxy.inject({ kind: 'replay' }, 1);
  await post(`${proxy.url}/v1/upload`, 'two');
  await until('it came again', () => arrived.length === 3, WAIT);
  expect(arrived).toEqual(['POST /v1/upload one', 'POST /v1/upload two', 'POST /v1/upload one']);
  await until('its answer is in', () => proxy.isIdle, WAIT);
  expect(await proxy.heal()).toEqual(['an older POST /v1/upload again, answered 200: 1']);
});

test('an upload that its client has given up arrives behind the next one', async () => {
  const proxy = await httpProxy();
  proxy.inject({ kind: 'reorder' }, 2);
  expect(await post(`${proxy.url}/v1/upload`, 'one')).toBe('error: ECONNRESET');
  expect(await post(`${proxy.url}/v1/upload`, 'two')).toBe('200 {"number":1}');
  await until('it is late', () => arrived.length === 2, WAIT);
  expect(arrived).toEqual(['POST /v1/upload two', 'POST /v1/upload one']);
});

test('an upload that was lost arrives at the latest when the fault ends', async () => {
  const proxy = await httpProxy();
  proxy.inject({ kind: 'reorder' }, 2);
  await post(`${proxy.url}/v1/upload`, 'one');
  expect((await proxy.heal()).join()).toContain('came late, answered 200');
  expect(arrived).toEqual(['POST /v1/upload one']);
});

test('an error comes instead of the answer, whether the work was done or not', async () => {
  const proxy = await httpProxy();
  proxy.inject({ kind: 'status', status: 502, isWorkDone: true }, 1);
  expect(await post(`${proxy.url}/a`, 'one')).toBe('502 <html><h1>502</h1></html>');
  expect(await proxy.heal()).toEqual(['POST /a answered 502 after the work was done: 1']);
  expect(arrived).toEqual(['POST /a one']);
  proxy.inject({ kind: 'status', status: 503, isWorkDone: false }, 1);
  expect(await post(`${proxy.url}/a`, 'two')).toBe('503 <html><h1>503</h1></html>');
  expect(arrived).toHaveLength(1);
});

test('what is not the protocol comes instead of an answer, and behind the first part of a stream', async () => {
  const proxy = await httpProxy();
  proxy.inject({ kind: 'malformed' }, 2);
  const whole = await get(`${proxy.url}/a`);
  expect(whole).toContain('hotel');
  expect(() => JSON.parse(whole.slice(4))).toThrow();
  expect(await get(`${proxy.url}/stream`)).toMatch(/^200 \{"number":2\}\n.*hotel/s);
});

test('an answer breaks off in the middle', async () => {
  const proxy = await httpProxy();
  proxy.inject({ kind: 'truncated' }, 1);
  expect(await get(`${proxy.url}/a`)).toMatch(/^error: /);
  expect(await get(`${proxy.url}/a`)).toBe('200 {"number":2}');
});

test('what a client was given is captured, and nothing that it was not given', async () => {
  const captured: string[] = [];
  const proxy = await httpProxy((text) => captured.push(text));
  proxy.inject({ kind: 'duplicate' }, 1);
  await post(`${proxy.url}/v1/upload`, 'one');
  expect(captured).toEqual(['{"number":2}\n']);
});

test('each fault can be put between client and server, and taken away', async () => {
  const proxy = await FaultProxy.start({ target: url, seed: 1 });
  closers.push(() => proxy.close());
  for (const fault of NETWORK_FAULTS) {
    proxy.inject(fault);
    const answers = ['one', 'two'].map((body) => post(`${proxy.url}/v1/upload`, fault + body));
    if (!['net-half-open', 'net-one-way'].includes(fault)) await Promise.all(answers);
    else await until(`${fault} is felt`, () => proxy.isHolding, WAIT);
    expect(await proxy.heal(), fault).not.toEqual(fault === 'net-cut' ? ['?'] : []);
    await Promise.all(answers);
    expect(await post(`${proxy.url}/a`, 'after')).toMatch(/^200 /);
  }
});

test('a fault that another one has replaced tells what was seen of it, and ends nothing', async () => {
  const proxy = await FaultProxy.start({ target: url, seed: 1 });
  closers.push(() => proxy.close());
  const first = await proxy.take('http-duplicate');
  expect(first.hasEffect).toBe(false);
  await post(`${proxy.url}/v1/upload`, 'one');
  expect(first.hasEffect).toBe(true);
  const [second, seen] = await Promise.all([proxy.take('net-reset'), first.end()]);
  expect(seen).toEqual(['POST /v1/upload twice, first answered 200: 1']);
  expect(await get(`${proxy.url}/a`)).toBe('error: ECONNRESET');
  expect([first.hasEffect, second.hasEffect]).toEqual([true, true]);
  expect(await first.end()).toEqual(seen);
  expect(proxy.isTaken).toBe(true);
  expect((await second.end()).join()).toContain('connections reset');
  expect(await get(`${proxy.url}/a`)).toMatch(/^200 /);
});
