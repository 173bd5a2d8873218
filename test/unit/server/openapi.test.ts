import Fastify from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TidelockError } from '../../../src/core/errors.ts';
import { type Harness, startServer } from './support.ts';

type Operation = {
  readonly summary?: string;
  readonly parameters?: readonly { name: string; in: string; schema: object }[];
  readonly requestBody?: { content: Record<string, { schema: object }> };
  readonly responses: Record<
    string,
    { description?: string; content?: Record<string, { schema: object }>; headers?: object }
  >;
};
type Document = {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
};

let harness: Harness;
let document: Document;

beforeEach(async () => {
  harness = await startServer();
  document = (await (await fetch(`${harness.url}/openapi.json`)).json()) as Document;
});

afterEach(async () => {
  await harness.server.close();
});

/** Strict validation with the validator that Fastify brings. */
async function validator(schema: object): Promise<(value: unknown) => unknown> {
  const app = Fastify({
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  });
  app.post('/', { schema: { body: { type: 'object' } } }, async () => null);
  await app.ready();
  const compile = app.validatorCompiler;
  if (compile === undefined) throw new Error('Fastify has no validator');
  return compile({ schema, method: 'POST', url: '/', httpPart: 'body' });
}

async function expectDocumented(path: string, method: string, answer: Response): Promise<void> {
  const response = document.paths[path]?.[method]?.responses[String(answer.status)];
  expect(response, `${method} ${path} documents ${answer.status}`).toBeDefined();
  const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
  const schema = response?.content?.[type]?.schema;
  if (answer.status === 204) return;
  expect(schema, `${method} ${path} ${answer.status} documents ${type}`).toBeDefined();
  if (schema === undefined) return;
  const text = await answer.text();
  const values = type === 'application/json' ? [JSON.parse(text)] : [text];
  const items = type.endsWith('ndjson')
    ? text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    : values;
  const isLineSchema = 'properties' in schema;
  const validate = await validator(schema);
  for (const item of isLineSchema || type === 'application/json' ? items : values) {
    const result = validate(item);
    expect(result, JSON.stringify((validate as { errors?: unknown }).errors)).toBe(true);
  }
}

const JSON_BODY = { 'content-type': 'application/json' };
const HELD = { bucketCount: 1, tables: { 'public.cities': [{ digest: '0'.repeat(32), rows: 0 }] } };

/** One good request per documented operation. */
const GOOD: Record<string, { url: string; init?: RequestInit; status?: number }> = {
  'get /v1/feed': { url: '/v1/feed?selector=FR&follow=0' },
  'get /v1/snapshot': { url: '/v1/snapshot?selector=FR' },
  'post /v1/upload': {
    url: '/v1/upload',
    init: {
      ...{ method: 'POST', headers: { 'content-type': 'application/x-ndjson' } },
      body: `["site","01890a5d-ac96-774b-bcce-b302099a8057",{"protocol":1,"timeline":"t1","position":"0/0","settled":0}]`,
    },
  },
  'get /v1/session': { url: '/v1/session' },
  'post /v2/tokens': {
    url: '/v2/tokens',
    init: { method: 'POST', headers: JSON_BODY, body: '{"user":"ann"}' },
    status: 400, // this server has no secret
  },
  'post /v1/snapshot': {
    url: '/v1/snapshot',
    init: {
      ...{ method: 'POST', headers: JSON_BODY },
      body: JSON.stringify({ selectors: ['FR'], held: HELD }),
    },
  },
  'get /v1/digest': { url: '/v1/digest?selector=FR&buckets=3' },
  'get /v1/status': { url: '/v1/status' },
  'get /v1/tables': { url: '/v1/tables' },
  'get /v1/wait': { url: '/v1/wait?ts=0/1' },
  'put /v1/leases/{replica}': {
    url: '/v1/leases/r1',
    init: { method: 'PUT', headers: JSON_BODY, body: '{"ts":"0/1000"}' },
  },
  'delete /v1/leases/{replica}': { url: '/v1/leases/r1', init: { method: 'DELETE' } },
  'get /health': { url: '/health' },
  'get /ready': { url: '/ready' },
  'get /metrics': { url: '/metrics' },
  'get /openapi.json': { url: '/openapi.json' },
};

const operations = (): readonly string[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );

describe('the OpenAPI document', () => {
  test('has exactly the routes that are served', async () => {
    expect(document.openapi).toBe('3.1.0');
    expect([...operations()].sort()).toEqual(Object.keys(GOOD).sort());
    for (const operation of operations()) {
      const { url, init, status: expected = 200 } = GOOD[operation] ?? { url: '' };
      const { status } = await fetch(harness.url + url, init);
      expect([operation, status]).toEqual([operation, status === 204 ? 204 : expected]);
    }
    const allowed = await Promise.all(
      Object.keys(document.paths).map(async (path) => {
        const concrete = path.replace('{replica}', 'r1');
        const answer = await fetch(harness.url + concrete, { method: 'OPTIONS' });
        const methods = (answer.headers.get('allow') ?? '').toLowerCase().split(', ');
        return methods
          .filter((method) => method !== 'options' && method !== 'head')
          .map((method) => `${method} ${path}`);
      }),
    );
    expect(allowed.flat().sort()).toEqual([...operations()].sort());
  });

  test('describes every operation in words', () => {
    for (const methods of Object.values(document.paths)) {
      for (const operation of Object.values(methods)) expect(operation.summary).toBeTruthy();
    }
  });

  test('is what good requests are answered with', async () => {
    for (const [operation, { url, init }] of Object.entries(GOOD)) {
      const [method = '', path = ''] = operation.split(' ');
      await expectDocumented(path, method, await fetch(harness.url + url, init));
    }
  });

  test('is what a status full of trouble is answered with', async () => {
    harness.engine.patchStatus = {
      timeline: null,
      source: {
        ...{ state: 'unfit', since: '2026-01-01T00:00:00Z', reason: 'wal_level', attempts: 3 },
        ...{ retainedWalBytes: null, slot: 'tidelock', lagBytes: null },
      },
      tables: [{ name: 'public.t', state: 'unfit', reason: 'no primary key' }],
      lastCommitLagS: null,
    };
    await expectDocumented('/v1/status', 'get', await fetch(`${harness.url}/v1/status`));
    await expectDocumented('/ready', 'get', await fetch(`${harness.url}/ready`));
  });

  test('is what bad requests are answered with', async () => {
    for (const [operation, { init }] of Object.entries(GOOD)) {
      const [method = '', path = ''] = operation.split(' ');
      const url = `${harness.url}${path.replace('{replica}', 'r1')}?no_such_parameter=1`;
      const answer = await fetch(url, init);
      expect([operation, answer.status]).toEqual([operation, 400]);
      await expectDocumented(path, method, answer);
    }
  });

  test('is what failures of the engine are answered with', async () => {
    const codes = ['BUSY', 'NOT_READY', 'SOURCE_DOWN', 'TIMEOUT', 'INTERNAL'] as const;
    for (const code of codes) {
      const fail = (): Promise<never> =>
        Promise.reject(new TidelockError({ code, message: 'as a test', details: { a: 1 } }));
      harness.engine.makeSnapshot = fail;
      harness.engine.makeDigest = fail;
      harness.engine.waitFor = fail;
      for (const path of ['/v1/snapshot', '/v1/digest', '/v1/wait']) {
        const query = path === '/v1/wait' ? '?ts=0/1' : '?selector=FR';
        await expectDocumented(path, 'get', await fetch(harness.url + path + query));
      }
    }
    harness.engine.since = harness.engine.upper;
    const old = await fetch(`${harness.url}/v1/feed?selector=FR&since=0/1`);
    await expectDocumented('/v1/feed', 'get', old);
  });
});
