/** What runs would do, and the tags of tests: asked of the area itself, one question at a time. */
import type { RouteOptions } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import type { Plan, PlannedTest } from '../../planner/plan.ts';
import { type PlanAnswer, parsePlanWish, RUNS_PREFIX } from '../../protocol/runs.ts';
import { requireSelectors } from '../auth.ts';
import { Gate } from '../gate.ts';
import { requireSameSite } from '../same-site.ts';
import { object } from '../schemas.ts';
import type { RunsParts } from './parts.ts';

/** Items of one answer, those of a test, and what pages wait for behind each other. */
const ITEMS_MAX = 2000;
const ITEMS_OF_TEST_MAX = 200;
const WAITING_MAX = 8;
const WAIT_MS_MAX = 15_000;
const TARGET_CHARS_MAX = 1000;
/** Reading an area is not for every page that opens. */
const TAGS_MS = 10_000;

/** Both read the area, which may run programs of its own: not for pages of other sites. */
export function planRoutes(parts: RunsParts): readonly RouteOptions[] {
  const gate = new Gate({
    ...{ name: 'plans', runningMax: 1, queueMax: WAITING_MAX, queueMs: WAIT_MS_MAX },
  });
  const inLine = async <T>(work: () => Promise<T>): Promise<T> => {
    const leave = await gate.enter(AbortSignal.timeout(WAIT_MS_MAX * 2));
    try {
      return await work();
    } finally {
      leave();
    }
  };
  return [planRoute(parts, inLine), tagsRoute(parts, inLine)];
}

type InLine = <T>(work: () => Promise<T>) => Promise<T>;

/** POST /runs/v1/plan */
function planRoute({ port }: RunsParts, inLine: InLine): RouteOptions {
  return {
    method: 'POST',
    url: `${RUNS_PREFIX}/plan`,
    config: { scope: 'write' },
    schema: { hide: true, querystring: object({}) },
    handler: async (request): Promise<PlanAnswer> => {
      requireSameSite(request);
      requireSelectors(request.access, [port.area]);
      const wish = parsePlanWish(request.body);
      const { plans } = port;
      if (plans === undefined) throw noPlans();
      return withinLimits(await inLine(() => plans.plan(wish)));
    },
  };
}

type TestTags = Readonly<Record<string, readonly string[]>>;

/** GET /runs/v1/tags?target=: as the area is written for this target. Empty where plans are not made. */
function tagsRoute({ port, clock }: RunsParts, inLine: InLine): RouteOptions {
  let last: { readonly target: string; readonly at: number; readonly tests: TestTags } | null =
    null;
  return {
    method: 'GET',
    url: `${RUNS_PREFIX}/tags`,
    config: { scope: 'read' },
    schema: {
      hide: true,
      querystring: object({ target: { type: 'string', maxLength: TARGET_CHARS_MAX } }),
    },
    handler: async (request): Promise<{ readonly tests: TestTags }> => {
      requireSameSite(request);
      requireSelectors(request.access, [port.area]);
      const { target } = request.query as { readonly target: string };
      const { plans } = port;
      if (plans === undefined) return { tests: {} };
      return await inLine(async () => {
        const isKnown = last?.target === target && clock.now() - last.at < TAGS_MS;
        if (last === null || !isKnown)
          last = { target, tests: await plans.tags(target), at: clock.now() };
        return { tests: last.tests };
      });
    },
  };
}

function noPlans(): TidelockError {
  return new TidelockError({
    code: 'NOT_FOUND',
    message: 'this server makes no plans',
    hint: 'ask on the home host: tidelock runs run --dry-run',
  });
}

/** A plan of 100,000 items is more than a page can show. */
export function withinLimits(plan: Plan): PlanAnswer {
  let left = ITEMS_MAX;
  let leftOut = 0;
  const tests = plan.tests.map((test): PlannedTest => {
    const kept = Math.min(test.execs.length, ITEMS_OF_TEST_MAX, Math.max(left, 1));
    left -= kept;
    leftOut += test.execs.length - kept;
    return { ...test, execs: test.execs.slice(0, kept) };
  });
  return { plan: { ...plan, tests }, leftOut };
}
