import { createHmac, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, SignJWT, UnsecuredJWT } from 'jose';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { formatLsn } from '../../../src/core/lsn.ts';
import type { TokenSettings } from '../../../src/server/config.ts';
import { issueToken, type TokenRequest } from '../../../src/server/tokens.ts';
import { createTestClock, type Harness, RawClient, startServer } from './support.ts';

const SECRET = 'a secret of more than thirty-two bytes';
const OLD_SECRET = 'the previous secret, being replaced now';

let harness: Harness | undefined;

async function start(tokens: Partial<TokenSettings> = { secrets: [SECRET] }): Promise<Harness> {
  harness = await startServer({ tokens });
  return harness;
}

/** A token as of the test clock's beginning. */
function token(change: Partial<TokenRequest> = {}): Promise<string> {
  return issueToken(
    {
      ...{ secret: SECRET, subject: 'shop-1', selectors: ['FR', 'DE'], scopes: ['read'] },
      lifetimeS: 60,
      ...change,
    },
    createTestClock(),
  );
}

const nowS = (): number => Math.floor(createTestClock().wallMs() / 1000);

function get(path: string, bearer: string | undefined): Promise<Response> {
  const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  return fetch(`${harness?.url}${path}`, { headers });
}

async function codeOf(answer: Response): Promise<string> {
  const body = (await answer.json()) as { error?: { code: string } };
  return body.error?.code ?? 'none';
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

type IssuerKey = {
  readonly jwk: object;
  readonly token: () => Promise<string>;
};

async function issuerKey(kid: string): Promise<IssuerKey> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    jwk: { ...(await exportJWK(publicKey)), kid },
    token: () =>
      new SignJWT({ scope: 'read', selectors: ['FR'] })
        .setProtectedHeader({ alg: 'ES256', kid })
        .setExpirationTime(nowS() + 3600)
        .sign(privateKey),
  };
}

function keySet(...keys: readonly IssuerKey[]): string {
  return JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });
}

afterEach(async () => {
  await harness?.server.close();
  harness = undefined;
});

describe('a token', () => {
  test('opens the selectors that it names and no others', async () => {
    await start();
    const good = await token();
    expect((await get('/v1/digest?selector=FR&selector=DE', good)).status).toBe(200);
    const refused = await get('/v1/digest?selector=FR&selector=IT', good);
    expect([refused.status, await codeOf(refused)]).toEqual([403, 'TOKEN_FORBIDS']);
    const feed = await get('/v1/feed?selector=IT', good);
    expect(await codeOf(feed)).toBe('TOKEN_FORBIDS');
    expect(await codeOf(await get('/v1/snapshot?selector=IT', good))).toBe('TOKEN_FORBIDS');
    expect((await get('/v1/digest?selector=IT', await token({ selectors: 'any' }))).status).toBe(
      200,
    );
  });

  test('P25: moves no lease of somebody else, whoever knows the replica’s id', async () => {
    const { engine, url } = await start();
    const ours = await token();
    const theirs = await token({ subject: 'shop-2' });
    const put = (bearer: string, ts: string): Promise<Response> =>
      fetch(`${url}/v1/leases/r1`, {
        method: 'PUT',
        body: JSON.stringify({ ts }),
        headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      });
    const since = formatLsn(engine.upper);
    expect((await put(ours, since)).status).toBe(204);
    expect((await put(theirs, 'F/0')).status).toBe(204);
    await get('/v1/feed?selector=FR&replica=r1&follow=0', theirs);
    await get('/v1/snapshot?selector=FR&replica=r1', theirs);
    expect(engine.leases.get('r1@shop-1')).toBe(engine.upper);
    expect([...engine.leases.keys()].sort()).toEqual(['r1@shop-1', 'r1@shop-2']);
    const admin = await token({ scopes: ['read', 'admin'], subject: 'ops' });
    const { leases } = (await (await get('/v1/status', admin)).json()) as { leases: object[] };
    expect(leases).toContainEqual(expect.objectContaining({ replica: 'r1', subject: 'shop-2' }));
    const init = { method: 'DELETE', headers: { authorization: `Bearer ${admin}` } };
    expect((await fetch(`${url}/v1/leases/r1`, init)).status).toBe(204);
    expect(engine.leases.size).toBe(0);
  });

  test('is needed by every route but health and ready', async () => {
    const { url } = await start();
    const all = ['/v1/feed?selector=FR', '/v1/snapshot?selector=FR', '/v1/digest?selector=FR'];
    const rest = ['/v1/status', '/v1/tables', '/v1/wait?ts=0/1', '/metrics', '/openapi.json'];
    for (const path of [...all, ...rest]) {
      const answer = await get(path, undefined);
      expect([path, answer.status]).toEqual([path, 401]);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
    for (const method of ['PUT', 'DELETE']) {
      expect((await fetch(`${url}/v1/leases/r1`, { method })).status).toBe(401);
    }
    expect((await fetch(`${url}/v1/snapshot`, { method: 'POST' })).status).toBe(401);
    expect((await get('/health', undefined)).status).toBe(200);
    expect((await get('/ready', undefined)).status).toBe(200);
  });

  test('needs the scope admin for metrics, the API document and the leases of others', async () => {
    await start();
    const reader = await token();
    const admin = await token({ scopes: ['read', 'admin'] });
    expect(await codeOf(await get('/metrics', reader))).toBe('TOKEN_FORBIDS');
    expect(await codeOf(await get('/openapi.json', reader))).toBe('TOKEN_FORBIDS');
    expect((await get('/metrics', admin)).status).toBe(200);
    expect(await (await get('/v1/status', reader)).json()).not.toHaveProperty('leases');
    expect(await (await get('/v1/status', admin)).json()).toHaveProperty('leases');
    const writer = await token({ scopes: ['admin'] });
    expect(await codeOf(await get('/v1/status', writer))).toBe('TOKEN_FORBIDS');
  });

  test('of any of several secrets is accepted while one is being replaced', async () => {
    await start({ secrets: [SECRET, OLD_SECRET] });
    expect((await get('/v1/tables', await token())).status).toBe(200);
    expect((await get('/v1/tables', await token({ secret: OLD_SECRET }))).status).toBe(200);
    const other = await token({ secret: 'somebody elses secret of enough bytes' });
    expect((await get('/v1/tables', other)).status).toBe(401);
  });

  test('is good until its end and a little longer for clocks that differ', async () => {
    const { clock } = await start({ secrets: [SECRET], clockToleranceS: 5 });
    const good = await token({ lifetimeS: 60 });
    clock.advance(63_000);
    expect((await get('/v1/tables', good)).status).toBe(200);
    clock.advance(3_000);
    expect(await codeOf(await get('/v1/tables', good))).toBe('TOKEN_INVALID');
  });

  test('ends a running feed when it expires, with the reason', async () => {
    const { clock, port, engine } = await start({ secrets: [SECRET], clockToleranceS: 0 });
    const client = await RawClient.open(port);
    const good = await token({ lifetimeS: 60 });
    client.get('/v1/feed?selector=FR', `Authorization: Bearer ${good}\r\n`);
    await client.saw('"progress"');
    clock.advance(58_000);
    expect(engine.feeds.size).toBe(1);
    clock.advance(4_000);
    await client.closed();
    expect(client.lines().at(-1)).toMatchObject({
      type: 'error',
      error: { code: 'TOKEN_INVALID' },
    });
    expect(client.body().isComplete).toBe(false);
  });

  test('with the wrong issuer or audience is refused', async () => {
    await start({ secrets: [SECRET], issuer: 'me', audience: 'tidelock' });
    const right = await token({ issuer: 'me', audience: 'tidelock' });
    expect((await get('/v1/tables', right)).status).toBe(200);
    expect((await get('/v1/tables', await token({ issuer: 'me' }))).status).toBe(401);
    const wrong = await token({ issuer: 'you', audience: 'tidelock' });
    expect((await get('/v1/tables', wrong)).status).toBe(401);
  });
});

describe('a forged token', () => {
  const claims = { sub: 'x', scope: 'read admin', selectors: '*', exp: nowS() + 60 };

  test('without a signature is refused', async () => {
    await start();
    const unsigned = new UnsecuredJWT(claims).encode();
    expect((await get('/v1/tables', unsigned)).status).toBe(401);
    expect((await get('/v1/tables', `${encode({ alg: 'None' })}.${encode(claims)}.`)).status).toBe(
      401,
    );
    expect((await get('/v1/tables', `${encode({})}.${encode(claims)}.`)).status).toBe(401);
  });

  test('with another claim under an old signature is refused', async () => {
    await start();
    const [head, , signature] = (await token()).split('.');
    expect((await get('/v1/tables', `${head}.${encode(claims)}.${signature}`)).status).toBe(401);
  });

  test('signed by HS256 with the public key of the issuer is refused (algorithm confusion)', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const folder = mkdtempSync(join(tmpdir(), 'tidelock-jwks-'));
    const jwksFile = join(folder, 'keys.json');
    writeFileSync(jwksFile, JSON.stringify({ keys: [await exportJWK(publicKey)] }));
    await start({ jwksFile });
    const input = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
    const signature = createHmac('sha256', pem).update(input).digest('base64url');
    expect((await get('/v1/tables', `${input}.${signature}`)).status).toBe(401);
  });

  test('that is no token at all is refused', async () => {
    const { url } = await start();
    const noise = ['x', 'a.b.c', '..', `${'a'.repeat(20_000)}.b.c`];
    for (const text of noise) expect((await get('/v1/tables', text)).status).toBe(401);
    const headers = { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` };
    expect((await fetch(`${url}/v1/tables`, { headers })).status).toBe(401);
  });

  test('that never ends, or has claims of another form, is refused', async () => {
    await start();
    const sign = (payload: Record<string, unknown>): Promise<string> =>
      new SignJWT(payload)
        .setProtectedHeader({ alg: 'HS256' })
        .sign(new TextEncoder().encode(SECRET));
    const { exp, ...endless } = claims;
    expect((await get('/v1/tables', await sign(endless))).status).toBe(401);
    expect((await get('/v1/tables', await sign({ ...endless, exp, scope: ['read'] }))).status).toBe(
      401,
    );
    expect((await get('/v1/tables', await sign({ ...endless, exp, selectors: 'FR' }))).status).toBe(
      401,
    );
    expect(
      (await get('/v1/tables', await sign({ ...endless, exp, nbf: nowS() + 999 }))).status,
    ).toBe(401);
  });
});

describe('tokens of an issuer', () => {
  test('are checked with its public keys, of which there may be several', async () => {
    const pairs = [1, 2].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
    const keys = await Promise.all(
      pairs.map(async ({ publicKey }, index) => ({
        ...(await exportJWK(publicKey)),
        kid: `${index}`,
      })),
    );
    const jwksFile = join(mkdtempSync(join(tmpdir(), 'tidelock-jwks-')), 'keys.json');
    writeFileSync(jwksFile, JSON.stringify({ keys }));
    await start({ jwksFile });
    for (const [index, { privateKey }] of pairs.entries()) {
      const signed = await new SignJWT({ scope: 'read', selectors: ['FR'] })
        .setProtectedHeader({ alg: 'ES256', kid: `${index}` })
        .setExpirationTime(nowS() + 60)
        .sign(privateKey);
      expect((await get('/v1/digest?selector=FR', signed)).status).toBe(200);
    }
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const foreign = await new SignJWT({ scope: 'read' })
      .setProtectedHeader({ alg: 'ES256', kid: '0' })
      .setExpirationTime(nowS() + 60)
      .sign(stranger.privateKey);
    expect((await get('/v1/tables', foreign)).status).toBe(401);
  });

  test('are checked with the keys that its file has now: new ones count, retired ones do not, a broken file changes nothing', async () => {
    const jwksFile = join(mkdtempSync(join(tmpdir(), 'tidelock-jwks-')), 'keys.json');
    const [old, next] = [await issuerKey('old'), await issuerKey('next')];
    writeFileSync(jwksFile, keySet(old));
    const { clock } = await start({ jwksFile });
    const statusOf = async (key: IssuerKey): Promise<number> => {
      clock.advance(1100);
      return (await get('/v1/tables', await key.token())).status;
    };
    expect([await statusOf(old), await statusOf(next)]).toEqual([200, 401]);
    writeFileSync(jwksFile, keySet(old, next));
    expect([await statusOf(old), await statusOf(next)]).toEqual([200, 200]);
    writeFileSync(jwksFile, keySet(next).slice(0, 40));
    expect([await statusOf(old), await statusOf(next)]).toEqual([200, 200]);
    rmSync(jwksFile);
    expect(await statusOf(next)).toBe(200);
    writeFileSync(jwksFile, keySet(next));
    expect([await statusOf(old), await statusOf(next)]).toEqual([401, 200]);
  });

  test('are checked with a new key within seconds after its address has it, without asking for each unknown one', async () => {
    const [old, next] = [await issuerKey('old'), await issuerKey('next')];
    let keys = keySet(old);
    let asked = 0;
    const issuer = createServer((_request, response) => {
      asked += 1;
      response.setHeader('content-type', 'application/json');
      response.end(keys);
    });
    issuer.listen(0, '127.0.0.1');
    await once(issuer, 'listening');
    onTestFinished(() => void issuer.close());
    await start({ jwksUrl: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/keys` });
    const statusOf = async (key: IssuerKey): Promise<number> =>
      (await get('/v1/tables', await key.token())).status;
    expect([await statusOf(old), await statusOf(next), await statusOf(next)]).toEqual([
      200, 401, 401,
    ]);
    const before = asked;
    expect(before).toBeLessThanOrEqual(2);
    keys = keySet(old, next);
    const end = performance.now() + 10_000;
    while ((await statusOf(next)) !== 200) {
      if (performance.now() > end) throw new Error('the new key was not taken within 10 s');
    }
    expect(await statusOf(old)).toBe(200);
    expect(asked - before, 'once a second at most').toBeLessThan(10);
  });

  test('cannot be checked while its address does not answer: that is not the fault of the token', async () => {
    await start({ jwksUrl: 'http://127.0.0.1:9/keys' });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signed = await new SignJWT({ scope: 'read' })
      .setProtectedHeader({ alg: 'ES256' })
      .setExpirationTime(nowS() + 60)
      .sign(privateKey);
    const answer = await get('/v1/tables', signed);
    expect([answer.status, await codeOf(answer)]).toEqual([503, 'NOT_READY']);
  });
});

describe('keys', () => {
  test('that are too short, or a file that cannot be read, stop the start', async () => {
    await expect(start({ secrets: ['short'] })).rejects.toMatchObject({ code: 'BAD_CONFIG' });
    await expect(start({ jwksFile: '/nowhere.json' })).rejects.toMatchObject({
      code: 'BAD_CONFIG',
      message: expect.stringContaining('/nowhere.json'),
    });
  });
});
