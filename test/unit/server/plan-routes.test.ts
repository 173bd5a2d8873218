/** Plans and tags over HTTP: who may ask, what is left out, and that an area is not read for everybody at once. */
import Fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { TidelockError } from '../../../src/core/errors.ts';
import type { Plan, PlannedTest } from '../../../src/planner/plan.ts';
import { toTidelockError } from '../../../src/server/errors.ts';
import type { RunsParts } from '../../../src/server/runs/parts.ts';
import { planRoutes, withinLimits } from '../../../src/server/runs/plan-routes.ts';
import type { RunPlansPort } from '../../../src/server/runs/port.ts';
import { createTestClock } from './support.ts';

const WISH = { target: 't', name: 'r', pattern: '%', tags: null };
const NO_PLAN: Plan = { target: 't', run: 'r', tests: [], findings: [] };

function world(plans?: Partial<RunPlansPort>) {
  const clock = createTestClock();
  const app = Fastify();
  app.decorateRequest('access');
  app.addHook('onRequest', async (request) => {
    request.access = { selectors: 'any' } as typeof request.access;
  });
  app.setErrorHandler((error, _request, reply) => {
    const known = toTidelockError(error);
    reply.code(known.status).type('application/json').send(JSON.stringify(known));
  });
  const port = { area: 'a', plans };
  for (const route of planRoutes({ port, clock } as unknown as RunsParts)) app.route(route);
  onTestFinished(() => app.close());
  const url = '/runs/v1/plan';
  return {
    clock,
    plan: (payload: object, headers: Record<string, string> = {}) =>
      app.inject({ method: 'POST', url, payload, headers }),
    tags: (target: string, headers: Record<string, string> = {}) =>
      app.inject({ url: `/runs/v1/tags?target=${target}`, headers }),
  };
}

function testOf(name: string, items: number): PlannedTest {
  const rest = { why: '', reason: '', waitsFor: [] };
  const execs = Array.from({ length: items }, (_, at) => ({
    ...{ ...rest, exec: `${name}/${at}`, itemPath: `${at}`, does: 'runs' as const },
  }));
  return { ...rest, name, priority: 0, items: 'known', execs };
}

test('a plan is what the area says, and what is wrong with it is an error of ours', async () => {
  const asked: unknown[] = [];
  const { plan } = world({
    plan: async (wish) => {
      asked.push(wish);
      if (wish.pattern === '(') {
        throw new TidelockError({ code: 'BAD_REQUEST', message: 'a pattern' });
      }
      return NO_PLAN;
    },
  });
  expect((await plan(WISH)).json()).toEqual({ plan: NO_PLAN, leftOut: 0 });
  expect(asked).toEqual([WISH]);
  expect((await plan({ ...WISH, pattern: '(' })).statusCode).toBe(400);
  expect((await plan({ ...WISH, more: 1 })).statusCode).toBe(400);
});

test('pages of other sites get neither plans nor tags, and nothing is read for them', async () => {
  let reads = 0;
  const { plan, tags } = world({
    plan: async () => {
      reads += 1;
      return NO_PLAN;
    },
    tags: async () => {
      reads += 1;
      return {};
    },
  });
  for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'http://evil.example' }]) {
    expect((await plan(WISH, headers)).statusCode).toBe(403);
    expect((await tags('t', headers)).statusCode).toBe(403);
  }
  expect(reads).toBe(0);
});

test('where nobody reads the area there are no tags, and it is said that there are no plans', async () => {
  const { plan, tags } = world();
  expect((await tags('t')).json()).toEqual({ tests: {} });
  expect((await plan(WISH)).json()).toMatchObject({ error: { code: 'NOT_FOUND' } });
});

test('plans are made one at a time', async () => {
  let running = 0;
  let most = 0;
  const { plan } = world({
    plan: async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return NO_PLAN;
    },
  });
  const answers = await Promise.all([plan(WISH), plan(WISH), plan(WISH)]);
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
  expect(most).toBe(1);
});

test('tags are read once for pages that open soon after one another', async () => {
  const reads: string[] = [];
  const { clock, tags } = world({
    tags: async (target) => {
      reads.push(target);
      return { one: ['x'] };
    },
  });
  for (const target of ['t', 't', 'u']) {
    expect((await tags(target)).json()).toEqual({ tests: { one: ['x'] } });
  }
  clock.advance(60_000);
  await tags('u');
  expect(reads).toEqual(['t', 'u', 'u']);
});

test('of a very large plan every test is shown, and so many items that a page can show them', () => {
  const tests = [
    testOf('big', 5000),
    ...Array.from({ length: 30 }, (_, n) => testOf(`t${n}`, 100)),
  ];
  const { plan, leftOut } = withinLimits({ ...NO_PLAN, tests });
  const shown = plan.tests.reduce((sum, { execs }) => sum + execs.length, 0);
  expect(plan.tests.map(({ name }) => name)).toEqual(tests.map(({ name }) => name));
  expect(plan.tests[0]?.execs).toHaveLength(200);
  expect(shown).toBeLessThanOrEqual(2000 + tests.length);
  expect(shown + leftOut).toBe(8000);
});
