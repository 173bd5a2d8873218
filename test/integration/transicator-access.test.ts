/** Who may read what through Transicator's routes, where they are, and whether they are as documented. */
import Fastify from 'fastify';
import { afterEach, expect, inject, test } from 'vitest';
import { systemClock } from '../../src/server/clock.ts';
import { NO_TOKENS } from '../../src/server/config.ts';
import { issueToken } from '../../src/server/tokens.ts';
import { Stack } from '../support/stack.ts';
import { openTransicator, refusal, settled } from '../support/transicator-world.ts';

const SCHEMA = `CREATE TABLE item (id int PRIMARY KEY, note text, _change_selector text);
  CREATE TABLE empty (id int PRIMARY KEY, _change_selector text);
  INSERT INTO item VALUES (1, 'a', 'foo')`;
const SECRET = 'x'.repeat(32);

let stack: Stack;

afterEach(async () => {
  await stack.close();
});

const open = (server: Parameters<typeof openTransicator>[0]['server'] = {}): Promise<Stack> =>
  openTransicator({ postgresUrl: inject('postgresUrl'), schema: SCHEMA, server });

type Answers = Readonly<Record<string, { readonly content?: Record<string, { schema: object }> }>>;
type Document = { readonly paths: Record<string, Record<string, { readonly responses: Answers }>> };

async function isValid(schema: object, value: unknown): Promise<boolean> {
  const app = Fastify({ ajv: { customOptions: { coerceTypes: false, useDefaults: false } } });
  app.post('/', { schema: { body: { type: 'object' } } }, async () => null);
  await app.ready();
  const validate = app.validatorCompiler?.({ schema, method: 'POST', url: '/', httpPart: 'body' });
  return validate !== undefined && (await validate(value)) === true;
}

test('the OpenAPI document has the routes, and good and bad answers are as it says', async () => {
  stack = await open();
  await stack.sql.query("UPDATE item SET note = NULL; INSERT INTO item VALUES (2, 'b', 'foo')");
  await settled(stack);
  const document = (await (await fetch(`${stack.server}/openapi.json`)).json()) as Document;
  const requests: readonly (readonly [string, string, RequestInit, number])[] = [
    ['/changes', '?scope=foo', {}, 200],
    ['/changes', '?scope=nobody', {}, 200],
    ['/changes', '?scope=foo', { headers: { accept: 'application/transicator+protobuf' } }, 200],
    ['/changes', '?scope=FOO', {}, 400],
    ['/changes', '?scope=foo&since=0.0.1', {}, 400],
    ['/changes', '?scope=foo', { headers: { accept: 'text/html' } }, 415],
    ['/data', '?scope=foo', {}, 200],
    ['/data', '?scope=foo&type=sqlite', {}, 200],
    ['/data', '?scope=foo&type=proto', {}, 200],
    ['/data', '', {}, 400],
    ['/snapshots', '?scope=foo', { redirect: 'manual' }, 303],
    ['/snapshots', '?scope=foo', { headers: { accept: 'text/html' } }, 415],
    ['/markdown', '', { method: 'POST' }, 200],
    ['/changes', '?scope=foo', {}, 503],
  ];
  for (const [path, query, init, status] of requests) {
    const answer = await fetch(`${stack.server}${path}${query}`, init);
    const documented = document.paths[path]?.[(init.method ?? 'GET').toLowerCase()]?.responses;
    expect([path, query, answer.status]).toEqual([path, query, status]);
    expect(documented?.[String(status)], `${path} documents ${status}`).toBeDefined();
    const type = answer.headers.get('content-type') ?? '';
    const body = await answer.text();
    if (type === '') continue;
    const schema = documented?.[String(status)]?.content?.[type]?.schema;
    expect(schema, `${path} ${status} documents ${type}`).toBeDefined();
    if (type === 'application/json')
      expect(await isValid(schema ?? {}, JSON.parse(body))).toBe(true);
  }
});

test('tokens bind clients to selectors, also to the empty one, and marking down needs an administrator', async () => {
  stack = await open({ tokens: { ...NO_TOKENS, secrets: [SECRET] } });
  const bearer = async (selectors: readonly string[] | 'any', isAdmin = false) => {
    const scopes = isAdmin ? (['read', 'admin'] as const) : (['read'] as const);
    const request = { secret: SECRET, subject: 'client', selectors, scopes, lifetimeS: 60 };
    return { headers: { authorization: `Bearer ${await issueToken(request, systemClock)}` } };
  };
  const foo = await bearer(['foo']);
  for (const path of ['/changes', '/data', '/snapshots']) {
    expect((await fetch(`${stack.server}${path}?scope=foo`, foo)).status).toBe(200);
    expect(await refusal(stack, `${path}?scope=foo`)).toMatchObject({
      ...{ status: 401, code: 'UNAUTHORIZED' },
    });
    expect(await refusal(stack, `${path}?scope=foo&selector=bar`, foo)).toMatchObject({
      ...{ status: 403, code: 'FORBIDDEN' },
    });
  }
  expect(await refusal(stack, '/changes', foo)).toMatchObject({ status: 403 });
  expect((await fetch(`${stack.server}/changes`, await bearer('any'))).status).toBe(200);
  expect(await refusal(stack, '/markdown', foo)).toMatchObject({ status: 403 });
  const admin = await bearer('any', true);
  expect((await fetch(`${stack.server}/markdown`, admin)).status).toBe(200);
  expect(await refusal(stack, '/changes?scope=foo', foo)).toMatchObject({
    ...{ status: 503, code: 'UNAVAILABLE' },
  });
});

test('a prefix stands before all paths, also in the redirect', async () => {
  stack = await open({ transicator: { prefix: '/edge', naming: 'schema_table' } });
  const answer = await fetch(`${stack.server}/edge/snapshots?scope=foo`, { redirect: 'manual' });
  expect(answer.headers.get('location')).toBe('/edge/data?selector=foo&type=json');
  expect((await fetch(`${stack.server}/edge/changes?scope=foo`)).status).toBe(200);
  expect((await fetch(`${stack.server}/changes?scope=foo`)).status).toBe(404);
});

test('switched off, as by default, there are no such routes', async () => {
  stack = await Stack.open({ postgresUrl: inject('postgresUrl'), schema: SCHEMA, tables: {} });
  for (const path of ['/changes', '/data', '/snapshots', '/markdown']) {
    expect((await fetch(`${stack.server}${path}?scope=foo`)).status).toBe(404);
  }
});
