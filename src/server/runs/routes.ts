/** What pages and people ask of a run manager. */
import type { RouteOptions } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import { parseQuery, parseTaskRequest, RUNS_PREFIX, type RunsStart } from '../../protocol/runs.ts';
import { requireSelectors } from '../auth.ts';
import { openEventStream } from '../event-stream.ts';
import { requireSameSite } from '../same-site.ts';
import { COUNT, object } from '../schemas.ts';
import type { RunsParts } from './parts.ts';

const QUERY_MAX = 20_000;
const ATTEMPTS_MAX = 3;
/** The newest ones; a page asks for older runs itself. */
const START_RUNS = 200;
const START_TASKS = 500;
/** A person waits for it: before what is queued by programs. */
const PRIORITY = 10;

type Follow = { readonly since?: number; readonly history?: string; readonly brief?: boolean };

/** GET /runs/v1/changes: server-sent events, from `since` of this history on. */
export function changesRoute({ port, streams }: RunsParts): RouteOptions {
  return {
    method: 'GET',
    url: `${RUNS_PREFIX}/changes`,
    exposeHeadRoute: false,
    config: { scope: 'read' },
    schema: {
      hide: true,
      querystring: object(
        { since: COUNT, history: { type: 'string' }, brief: { type: 'boolean' } },
        ['since', 'history', 'brief'],
      ),
    },
    handler: async ({ access, query }, reply) => {
      requireSelectors(access, [port.area]);
      streams.requireRoom();
      const { since = 0, history, brief: isBrief = false } = query as Follow;
      openEventStream(reply);
      const { expiresAtMs } = access;
      const from = history === port.history ? since : 0;
      streams.follow({ response: reply.raw, since: from, expiresAtMs, isBrief });
    },
  };
}

/** GET /runs/v1/start: what a page knows first, as of one moment, and from where on it follows the changes. */
export function startRoute({ port, line, status }: RunsParts): RouteOptions {
  return {
    method: 'GET',
    url: `${RUNS_PREFIX}/start`,
    config: { scope: 'read' },
    schema: { hide: true, querystring: object({}) },
    handler: async ({ access }): Promise<RunsStart> => {
      requireSelectors(access, [port.area]);
      return await line.enter(false, () => ({
        status: status(),
        ...port.read({ kind: 'runs', limit: START_RUNS }),
        ...port.read({ kind: 'tasks', states: null, limit: START_TASKS }),
        ...port.read({ kind: 'runners' }),
      }));
    },
  };
}

/** GET /runs/v1/read?query=<JSON>: one question. */
export function readRoute({ port, line }: RunsParts): RouteOptions {
  return {
    method: 'GET',
    url: `${RUNS_PREFIX}/read`,
    config: { scope: 'read' },
    schema: {
      hide: true,
      querystring: object({ query: { type: 'string', maxLength: QUERY_MAX } }),
    },
    handler: async ({ access, query }) => {
      requireSelectors(access, [port.area]);
      const question = parseQuery(jsonOf((query as { query: string }).query));
      return await line.enter(false, () => port.read(question));
    },
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TidelockError({ code: 'BAD_REQUEST', message: 'query is not JSON', cause });
  }
}

/** GET /runs/v1/status */
export function statusRoute({ port, status }: RunsParts): RouteOptions {
  return {
    method: 'GET',
    url: `${RUNS_PREFIX}/status`,
    config: { scope: 'read' },
    schema: { hide: true, querystring: object({}) },
    handler: async ({ access }) => {
      requireSelectors(access, [port.area]);
      return status();
    },
  };
}

/** POST /runs/v1/tasks: queues an action; the same one while it is open is the first. */
export function taskRoute({ port, line, clock }: RunsParts): RouteOptions {
  return {
    method: 'POST',
    url: `${RUNS_PREFIX}/tasks`,
    config: { scope: 'write' },
    schema: { hide: true, querystring: object({}) },
    handler: async (request) => {
      requireSameSite(request);
      requireSelectors(request.access, [port.area]);
      const wanted = parseTaskRequest(request.body);
      const dedupeKey = JSON.stringify([wanted.action, wanted.runId, wanted.testId, wanted.args]);
      const open = { notBefore: clock.wallMs(), dedupeKey, parentId: null };
      const task = { ...wanted, ...open, priority: PRIORITY, attemptsMax: ATTEMPTS_MAX };
      const actor = request.access.subject || 'dashboard';
      return await line.enter(true, () =>
        port.write({ actor, writes: [{ kind: 'putTask', task: { kind: 'action', ...task } }] }),
      );
    },
  };
}

/** POST /runs/v1/stop: ends this server. */
export function stopRoute({ port }: RunsParts): RouteOptions {
  return {
    method: 'POST',
    url: `${RUNS_PREFIX}/stop`,
    config: { scope: 'admin' },
    schema: { hide: true, querystring: object({}) },
    handler: async (request) => {
      requireSameSite(request);
      port.stop();
      return { stopping: true };
    },
  };
}
