/** The dashboard's files and its live stream, over HTTP. */
import { afterEach, expect, test } from 'vitest';
import { inTime } from '../../../src/server/dashboard/look-routes.ts';
import { issueToken } from '../../../src/server/tokens.ts';
import { type Harness, RawClient, startServer, until } from './support.ts';

const SECRET = 'a secret that is long enough for HS256, of 32 bytes';

let harness: Harness | undefined;

afterEach(async () => {
  await harness?.server.close();
  harness = undefined;
});

test('the page is small, is asked for each time, and may run nothing but its own script', async () => {
  harness = await startServer();
  const page = await fetch(`${harness.url}/dashboard/log`);
  const html = await page.text();
  expect(page.status).toBe(200);
  expect(html).not.toMatch(/<script(?! type="module" src="\/dashboard\/app-[A-Z0-9]{8}\.js")/);
  expect(html).not.toMatch(/https?:/);
  expect(page.headers.get('cache-control')).toBe('no-cache');
  const policy = page.headers.get('content-security-policy') ?? '';
  for (const part of [
    "default-src 'none'",
    "script-src 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ])
    expect(policy).toContain(part);
  const etag = page.headers.get('etag') ?? '';
  const again = await fetch(`${harness.url}/dashboard/`, { headers: { 'if-none-match': etag } });
  expect(again.status).toBe(304);
});

test('files with a hash in their name are kept for a year, others are not there', async () => {
  harness = await startServer();
  const html = await (await fetch(`${harness.url}/dashboard/`)).text();
  const [script = ''] = /\/dashboard\/app-[A-Z0-9]{8}\.js/.exec(html) ?? [];
  const file = await fetch(`${harness.url}${script}`);
  expect(file.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  expect(file.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  expect((await file.text()).length).toBeLessThan(200_000);
  for (const path of ['app-AAAAAAAA.js', '..%2f..%2fpackage.json', '__proto__.js'])
    expect((await fetch(`${harness.url}/dashboard/${path}`)).status).toBe(404);
  const root = await fetch(`${harness.url}/`, { redirect: 'manual' });
  expect(root.headers.get('location')).toBe('/dashboard/');
});

test('a page of another name gets nothing from a server without tokens', async () => {
  harness = await startServer();
  for (const path of ['/dashboard/', '/v1/live', '/']) {
    const client = await RawClient.open(harness.port);
    client.socket.write(`GET ${path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`);
    await until('the answer is there', () => client.isClosed);
    expect(client.received).toMatch(/^HTTP\/1\.1 403 /);
  }
});

test('the page is open, what it shows needs a token', async () => {
  harness = await startServer({ tokens: { secrets: [SECRET] } });
  expect((await fetch(`${harness.url}/dashboard/`)).status).toBe(200);
  expect((await fetch(`${harness.url}/v1/live`)).status).toBe(401);
  const request = { subject: 'ann', selectors: ['FR'], scopes: ['read'], lifetimeS: 60 } as const;
  const token = await issueToken({ ...request, secret: SECRET }, harness.clock);
  const abort = new AbortController();
  const live = await fetch(`${harness.url}/v1/live`, {
    headers: { authorization: `Bearer ${token}` },
    signal: abort.signal,
  });
  expect(live.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const first = await live.body?.getReader().read();
  const text = Buffer.from(first?.value ?? []).toString();
  expect(text).toMatch(/^event: state\ndata: \{/);
  expect(text).toContain('"isAdmin":false');
  expect(text).not.toContain('"holds"');
  abort.abort();
});

test('closing the server ends live streams', async () => {
  harness = await startServer();
  const client = await RawClient.open(harness.port);
  client.socket.write('GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until('the view is there', () => client.received.includes('event: state'));
  await harness.server.drain();
  await until('the stream has ended', () => client.isClosed);
});

test('a look that takes too long is given up, and told to be tried again', async () => {
  const forever = (signal: AbortSignal): Promise<never> =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  const nobodyLeaves = new AbortController().signal;
  await expect(inTime(5, nobodyLeaves, forever)).rejects.toMatchObject({ code: 'BUSY' });
});
