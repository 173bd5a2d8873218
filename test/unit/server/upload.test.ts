import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { exportJWK, SignJWT } from 'jose';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { TidelockError } from '../../../src/core/errors.ts';
import type { Upload } from '../../../src/core/upload.ts';
import type { Engine } from '../../../src/engine/api.ts';
import { issueToken, type TokenRequest } from '../../../src/server/tokens.ts';
import {
  type ConfigChange,
  createTestClock,
  type Harness,
  RawClient,
  startServer,
  until,
} from './support.ts';

const SECRET = 'a secret of more than thirty-two bytes';
const HEAD = `["site","01890a5d-ac96-774b-bcce-b302099a8057",{"protocol":1,"timeline":"t1","position":"0/0","settled":0}]`;
const BODY = `${HEAD}\n["t",1,"abcdef01"]\n["d","public.item",2,["k"]]\n`;
const TURNS_MAX = 500;
const NDJSON = { 'content-type': 'application/x-ndjson' };

let harness: Harness | undefined;

type Writer = Parameters<Engine['uploads']['apply']>[1];
type Applied = { readonly upload: Upload; readonly writer: Writer };

/** The server, and what reached its engine. */
async function start(change: ConfigChange = {}): Promise<Harness & { applied: Applied[] }> {
  harness = await startServer({ tokens: { secrets: [SECRET] }, ...change });
  const applied: Applied[] = [];
  const { apply } = harness.engine.uploads;
  harness.engine.uploads = {
    apply: (upload, writer) => {
      applied.push({ upload, writer });
      return apply(upload, writer);
    },
  };
  return { ...harness, applied };
}

function token(change: Partial<TokenRequest> = {}): Promise<string> {
  return issueToken(
    {
      ...{ secret: SECRET, subject: 'ann', selectors: [], scopes: ['read', 'write'] },
      lifetimeS: 60,
      ...change,
    },
    createTestClock(),
  );
}

async function post(
  body: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Response> {
  const bearer = headers.authorization ?? `Bearer ${await token()}`;
  return await fetch(`${harness?.url}/v1/upload`, {
    method: 'POST',
    body,
    headers: { ...NDJSON, ...headers, authorization: bearer },
  });
}

async function codeOf(answer: Response): Promise<string> {
  const body = (await answer.json()) as { error?: { code: string } };
  return `${answer.status} ${body.error?.code ?? ''}`.trim();
}

async function json(path: string, bearer: string, init: RequestInit = {}): Promise<unknown> {
  const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' };
  return await (await fetch(`${harness?.url}${path}`, { ...init, headers })).json();
}

/** Sends again and again, until the answer has this status. */
async function answered(status: number, send: () => Promise<Response>): Promise<Response> {
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const answer = await send();
    if (answer.status === status) return answer;
  }
  throw new Error(`none of ${TURNS_MAX} answers has status ${status}`);
}

/** Uploads that say how long they are, and send a part of it. */
async function slowUploads(
  port: number,
  { users, each = 1, bytes = 10 }: { users: number; each?: number; bytes?: number },
): Promise<readonly RawClient[]> {
  const clients: RawClient[] = [];
  for (let user = 0; user < users; user += 1) {
    const bearer = await token({ subject: `user-${user}` });
    for (let turn = 0; turn < each; turn += 1) {
      const client = await RawClient.open(port);
      client.socket.write(
        `POST /v1/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${bearer}\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100000\r\n\r\n${' '.repeat(bytes)}`,
      );
      clients.push(client);
    }
  }
  return clients;
}

afterEach(async () => {
  await harness?.server.close();
  harness = undefined;
});

describe('an upload', () => {
  test('is taken as it is, as gzip and as zstd, for the token’s user, claims and selectors', async () => {
    const { applied } = await start();
    const bearer = await token({ selectors: ['FR'], claims: { org: 7 } });
    const authorization = `Bearer ${bearer}`;
    const bodies: readonly (readonly [string | Buffer, Record<string, string>])[] = [
      [BODY, {}],
      [gzipSync(BODY), { 'content-encoding': 'gzip' }],
      [zstdCompressSync(BODY), { 'content-encoding': 'zstd' }],
    ];
    for (const [body, headers] of bodies) {
      const answer = await post(body, { ...headers, authorization });
      expect([answer.status, await answer.json()]).toEqual([
        200,
        { accepted: 1, timeline: 't1', position: '0/1000', rejected: [] },
      ]);
    }
    const [first] = applied;
    expect(applied.map(({ upload }) => upload)).toEqual([
      first?.upload,
      first?.upload,
      first?.upload,
    ]);
    expect(first?.writer).toMatchObject({ userid: 'ann', claims: { org: 7, sub: 'ann' } });
    expect(first?.writer.selectors).toEqual(new Set(['FR', 'user:ann']));
  });

  test('needs the scope write, which neither read nor admin has', async () => {
    const { applied } = await start();
    for (const scopes of [['read'], ['admin'], ['read', 'admin']] as const) {
      const authorization = `Bearer ${await token({ scopes })}`;
      expect(await codeOf(await post(BODY, { authorization }))).toBe('403 TOKEN_FORBIDS');
    }
    expect(applied).toEqual([]);
  });

  test('is refused when it is too large, packed or unpacked, and when it cannot be read', async () => {
    const { applied } = await start({ limits: { uploadBodyBytesMax: 2000, uploadBytesMax: 5000 } });
    const bomb = Buffer.alloc(1_000_000, ' ');
    const gzip = { 'content-encoding': 'gzip' };
    const zstd = { 'content-encoding': 'zstd' };
    expect(await codeOf(await post(' '.repeat(2001)))).toBe('413 TOO_LARGE');
    expect(await codeOf(await post(gzipSync(bomb), gzip))).toBe('413 TOO_LARGE');
    expect(await codeOf(await post(zstdCompressSync(bomb), zstd))).toBe('413 TOO_LARGE');
    expect(await codeOf(await post('not gzip', gzip))).toBe('400 BAD_REQUEST');
    expect(await codeOf(await post('not zstd', zstd))).toBe('400 BAD_REQUEST');
    expect(await codeOf(await post(BODY, { 'content-encoding': 'br' }))).toBe('400 BAD_REQUEST');
    expect(await codeOf(await post(BODY, { 'content-encoding': '__proto__' }))).toBe(
      '400 BAD_REQUEST',
    );
    expect(await codeOf(await post(Buffer.from([0x5b, 0xff, 0x5d])))).toBe('400 BAD_REQUEST');
    expect(await codeOf(await post('["site"]'))).toBe('400 BAD_REQUEST');
    expect(await codeOf(await post(BODY, { 'content-type': 'application/json' }))).toBe(
      '400 BAD_REQUEST',
    );
    expect(applied).toEqual([]);
  });

  test('waits for its turn, and is refused when its token ends meanwhile', async () => {
    const { engine, clock, applied } = await start({ limits: { uploadsMax: 1, queueMax: 1 } });
    let release = (): void => {};
    const busy = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { apply } = engine.uploads;
    let entered = 0;
    engine.uploads = {
      apply: async (upload, writer) => {
        entered += 1;
        await busy;
        return await apply(upload, writer);
      },
    };
    const first = post(BODY);
    await until('the first is under way', () => entered === 1);
    // One of them waits, so the other one is answered first.
    const others = [post(BODY), post(BODY)].map(async (answer) => await codeOf(await answer));
    expect(await Promise.race(others)).toBe('503 BUSY');
    clock.advance(70_000);
    release();
    expect((await first).status).toBe(200);
    expect((await Promise.all(others)).sort()).toEqual(['401 TOKEN_INVALID', '503 BUSY']);
    expect([entered, applied.length]).toEqual([1, 1]);
  });

  test('that arrives slowly holds neither a turn nor others up, and is cut off in time', async () => {
    const limits = { requestS: 1, uploadsMax: 1, queueMax: 1 };
    const { port, applied } = await start({ limits });
    const slow = await slowUploads(port, { users: 40 });
    expect((await post(BODY)).status).toBe(200);
    for (const client of slow) client.socket.write('[');
    for (const client of slow) await client.closed();
    for (const { received } of slow) expect(received).toContain('did not arrive in time');
    expect((await post(BODY)).status).toBe(200);
    expect(applied).toHaveLength(2);
  });

  test('is one of a few of its user, however slowly they arrive; others are not kept out', async () => {
    const { port } = await start({ limits: { uploadsPerUserMax: 3 } });
    const slow = await slowUploads(port, { users: 1, each: 3 });
    const authorization = `Bearer ${await token({ subject: 'user-0' })}`;
    const mine = (): Promise<Response> => post(BODY, { authorization });
    const refused = await answered(503, mine);
    expect([await codeOf(refused), refused.headers.get('retry-after')]).toEqual(['503 BUSY', '2']);
    expect((await post(BODY)).status).toBe(200);
    for (const client of slow) client.socket.destroy();
    await answered(200, mine);
  });

  test('of a client that left while its token was checked takes no place', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] });
    const asked = Promise.withResolvers<() => void>();
    const issuer = createServer((_request, response) => {
      asked.resolve(() => response.setHeader('content-type', 'application/json').end(keys));
    });
    issuer.listen(0, '127.0.0.1');
    await once(issuer, 'listening');
    onTestFinished(() => void issuer.close());
    const jwksUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
    const { port } = await start({
      limits: { uploadsPerUserMax: 1 },
      tokens: { secrets: [SECRET], jwksUrl },
    });
    const signed = await new SignJWT({ scope: 'write', selectors: [] })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setSubject('ann')
      .setExpirationTime(Math.floor(createTestClock().wallMs() / 1000) + 60)
      .sign(privateKey);
    const client = await RawClient.open(port);
    client.socket.write(
      `POST /v1/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${signed}\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100\r\n\r\n`,
    );
    const answer = await asked.promise;
    client.socket.destroy();
    await client.closed();
    // Both are waiting for the keys; the first one's connection is gone.
    const second = post(BODY, { authorization: `Bearer ${signed}` });
    await post(BODY, { authorization: `Bearer ${await token({ subject: 'bob' })}` });
    answer();
    expect((await second).status).toBe(200);
    expect((await post(BODY)).status).toBe(200);
  });

  test('finds no room when bodies that wait fill it, and finds it again', async () => {
    const { port } = await start({ limits: { uploadBufferBytesMax: 50_000 } });
    const row = `["d","public.item",2,["${'k'.repeat(300_000)}"]]`;
    const large = (): Promise<Response> => post(`${HEAD}\n["t",1,"abcdef01"]\n${row}\n`);
    expect((await large()).status, 'one alone').toBe(200);
    const slow = await slowUploads(port, { users: 5, bytes: 9000 });
    expect(await codeOf(await answered(503, large))).toBe('503 BUSY');
    expect((await post(BODY)).status, 'a small one').toBe(200);
    for (const client of slow) client.socket.destroy();
    await answered(200, large);
  });

  test('is refused when its token ends while its body arrives', async () => {
    const { port, clock, applied } = await start({ limits: { uploadsPerUserMax: 1 } });
    const client = await RawClient.open(port);
    const head = `Authorization: Bearer ${await token()}\r\nContent-Type: application/x-ndjson`;
    client.socket.write(
      `POST /v1/upload HTTP/1.1\r\nHost: 127.0.0.1\r\n${head}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY.slice(0, 20)}`,
    );
    await answered(503, () => post(BODY)); // its token was read, and it has the user's only place
    clock.advance(70_000);
    const before = applied.length;
    client.socket.write(BODY.slice(20));
    await client.saw('TOKEN_INVALID');
    expect(client.received).toContain('HTTP/1.1 401');
    expect(applied).toHaveLength(before);
  });

  test('tells what the engine refuses, and is counted', async () => {
    const { engine } = await start();
    const refused = [{ number: 1, code: 'DENIED', message: 'no' }] as const;
    const { apply } = engine.uploads;
    engine.uploads = {
      apply: async (upload, writer) => ({
        ...(await apply(upload, writer)),
        ...{ rejected: refused, refused, applied: 0 },
      }),
    };
    expect(await (await post(BODY)).json()).toMatchObject({ rejected: refused });
    const bearer = await token({ scopes: ['admin'] });
    const headers = { authorization: `Bearer ${bearer}` };
    const metrics = await (await fetch(`${harness?.url}/metrics`, { headers })).text();
    expect(metrics).toContain('tidelock_refused_transactions_total{code="DENIED"} 1');
    expect(metrics).toContain('tidelock_upload_seconds_count 1');
    for (const code of ['SITE_TAKEN', 'SITE_CLONED', 'UPLOAD_GAP', 'RESYNC_FIRST'] as const) {
      engine.uploads = { apply: () => Promise.reject(new TidelockError({ code, message: 'x' })) };
      expect(await codeOf(await post(BODY))).toMatch(new RegExp(`^40[39] ${code}$`));
    }
  });
});

describe('a session', () => {
  test('tells who the token is for and what it may read', async () => {
    await start();
    const bearer = await token({ selectors: ['FR'], scopes: ['read'] });
    expect(await json('/v1/session', bearer)).toEqual({
      ...{
        user: 'ann',
        canWrite: false,
        selectors: ['FR', 'user:ann'],
        timeline: 't1',
        tables: [],
      },
    });
    const any = await token({ selectors: 'any' });
    expect(await json('/v1/session', any)).toMatchObject({
      canWrite: true,
      selectors: ['user:ann'],
    });
  });

  test('P15: a user’s own selector is good for reading, another user’s is not', async () => {
    await start();
    const headers = { authorization: `Bearer ${await token()}` };
    const get = (selector: string): Promise<Response> =>
      fetch(`${harness?.url}/v1/digest?selector=${selector}`, { headers });
    expect((await get('user:ann')).status).toBe(200);
    expect(await codeOf(await get('user:bob'))).toBe('403 TOKEN_FORBIDS');
  });
});

describe('tokens for users', () => {
  const make = async (body: object, scopes: TokenRequest['scopes'] = ['admin']): Promise<unknown> =>
    await json('/v2/tokens', await token({ scopes }), {
      method: 'POST',
      body: JSON.stringify(body),
    });

  test('are asked for with a body that arrives in time, or not at all', async () => {
    const { port } = await start({ limits: { requestS: 0.2 } });
    const admin = await token({ scopes: ['admin'] });
    const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(port)));
    for (const { socket } of clients) {
      socket.write(
        `POST /v2/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${admin}\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{`,
      );
    }
    for (const client of clients) await client.closed();
    for (const { received } of clients) expect(received).not.toContain('200 OK');
  });

  test('are made for an administrator, and work until they end', async () => {
    const { clock } = await start();
    const body = { user: 'bob', claims: { org: 7 }, selectors: ['FR'], lifetimeS: 30 };
    const made = (await make(body)) as { token: string; expiresAt: string };
    expect(Date.parse(made.expiresAt)).toBe(1_800_000_031_000);
    expect(await json('/v1/session', made.token)).toMatchObject({
      ...{ user: 'bob', canWrite: true, selectors: ['FR', 'user:bob'] },
    });
    const reader = (await make({ user: 'bob', scopes: ['read'] })) as { token: string };
    expect(await json('/v1/session', reader.token)).toMatchObject({ canWrite: false });
    clock.advance(40_000);
    expect(await json('/v1/session', made.token)).toMatchObject({
      error: { code: 'TOKEN_INVALID' },
    });
  });

  test.each([
    [{}, 'BAD_REQUEST'],
    [{ user: '' }, 'BAD_REQUEST'],
    [{ user: 'b', scopes: ['admin'] }, 'BAD_REQUEST'],
    [{ user: 'b', scopes: [] }, 'BAD_REQUEST'],
    [{ user: 'b', lifetimeS: 0 }, 'BAD_REQUEST'],
    [{ user: 'b', claims: { sub: 'root' } }, 'BAD_REQUEST'],
    [{ user: 'b', claims: { scope: 'admin' } }, 'BAD_REQUEST'],
    [{ user: 'b', selectors: ['*'] }, 'BAD_SELECTOR'],
  ])('are not made for %o', async (body, code) => {
    await start();
    expect(await make(body)).toMatchObject({ error: { code } });
  });

  test('are not made for who is no administrator, and not by a server that cannot sign', async () => {
    await start();
    expect(await make({ user: 'b' }, ['read', 'write'])).toMatchObject({
      error: { code: 'TOKEN_FORBIDS' },
    });
    await harness?.server.close();
    harness = await startServer();
    expect(await json('/v2/tokens', '', { method: 'POST', body: '{"user":"b"}' })).toMatchObject({
      error: { code: 'BAD_REQUEST', message: expect.stringContaining('public keys') },
    });
  });
});
