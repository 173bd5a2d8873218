/**
 * What people ask of the engine: its log, what fills it, changes of tables, refused writes, and where a row is. For
 * administrators: answers hold rows of everybody. One question is answered at a time, the others wait in line.
 */
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import { parseLsn, type Ts } from '../../core/lsn.ts';
import type { Inspection } from '../../engine/inspection-api.ts';
import type { ServerContext } from '../context.ts';
import { Gate } from '../gate.ts';
import { failures, json, object, POSITION_INPUT, type Schema } from '../schemas.ts';
import { clientSignal } from '../send.ts';

const TRANSACTIONS_MAX = 100;
const CHANGES_MAX = 500;
const LINE_MAX = 32;
const LINE_MS = 15_000;
const LOOK_MS_MAX = 20_000;
const KEY_COLUMNS_MAX = 32;
const SELECTORS_MAX = 100;

const TEXT: Schema = { type: 'string', minLength: 1, maxLength: 1000 };
const ANY: Schema = { type: 'object', additionalProperties: true };

type Question = {
  readonly url: string;
  readonly summary: string;
  readonly query?: Schema;
  readonly ask: (
    inspection: Inspection,
    request: FastifyRequest,
    signal: AbortSignal,
  ) => object | Promise<object>;
};

export function lookRoutes(context: ServerContext, inspection: Inspection): RouteOptions[] {
  const gate = new Gate({ name: 'looks', runningMax: 1, queueMax: LINE_MAX, queueMs: LINE_MS });
  return QUESTIONS.map((question) => ({
    method: 'GET',
    url: question.url,
    exposeHeadRoute: false,
    config: { scope: 'admin' },
    schema: {
      summary: question.summary,
      querystring: question.query ?? object({}),
      response: {
        200: json('See docs/dashboard.md.', ANY),
        ...failures(['BAD_POSITION', 'NOT_FOUND', 'BUSY', 'NOT_READY']),
      },
    },
    handler: async (request: FastifyRequest, reply: FastifyReply) => {
      context.draining.throwIfAborted();
      return await inTime(LOOK_MS_MAX, clientSignal(reply.raw), async (signal) => {
        const leave = await gate.enter(signal);
        try {
          return await question.ask(inspection, request, signal);
        } finally {
          leave();
        }
      });
    },
  }));
}

/** Work that is given up when `signal` aborts, or after `ms`. Throws `BUSY` then. */
export async function inTime<T>(
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(tooLong(ms)), ms);
  try {
    return await work(AbortSignal.any([signal, limit.signal]));
  } finally {
    clearTimeout(timer);
  }
}

function tooLong(ms: number): TidelockError {
  return new TidelockError({
    code: 'BUSY',
    message: `the answer was not there after ${ms / 1000} s`,
    hint: 'the server has much to do, or others ask: try again later',
  });
}

const QUESTIONS: readonly Question[] = [
  {
    url: '/v1/log',
    summary: 'Transactions of the log around a position, the newest first',
    query: object(
      {
        at: POSITION_INPUT,
        newer: { type: 'boolean', default: false },
        limit: { type: 'integer', minimum: 1, maximum: TRANSACTIONS_MAX, default: 50 },
      },
      ['at', 'newer', 'limit'],
    ),
    ask: (inspection, { query }, signal) => {
      const { at, newer, limit } = query as { at?: string; newer: boolean; limit: number };
      const position = at === undefined ? null : parseLsn(at, 'at');
      return inspection.transactions({ at: position, isNewer: newer, limit }, signal);
    },
  },
  {
    url: '/v1/log/changes',
    summary: 'The changes of one transaction of the log',
    query: object(
      {
        ts: POSITION_INPUT,
        from: { type: 'integer', minimum: 0, default: 0 },
        limit: { type: 'integer', minimum: 1, maximum: CHANGES_MAX, default: 100 },
      },
      ['from', 'limit'],
    ),
    ask: (inspection, { query }, signal) => {
      const { ts, from, limit } = query as { ts: string; from: number; limit: number };
      return inspection.changes({ ts: parseLsn(ts, 'ts') as Ts, from, limit }, signal);
    },
  },
  {
    url: '/v1/log/selectors',
    summary: 'Which selectors fill the newest part of the log',
    ask: (inspection, _request, signal) => inspection.selectors(signal),
  },
  {
    url: '/v1/log/schema',
    summary: 'Changes of tables in the log, the newest first',
    ask: (inspection, _request, signal) => inspection.schema(signal),
  },
  {
    url: '/v1/rejected',
    summary: 'Writes of replicas that were refused since the start',
    ask: (inspection) => inspection.rejected(),
  },
  {
    url: '/v1/explain',
    summary: 'Where one row is, and why: Postgres, log, selector, readers',
    query: object(
      {
        table: TEXT,
        key: {
          type: 'array',
          items: { type: 'string', maxLength: 1000 },
          minItems: 1,
          maxItems: KEY_COLUMNS_MAX,
        },
        selector: { type: 'array', items: TEXT, maxItems: SELECTORS_MAX },
      },
      ['selector'],
    ),
    ask: (inspection, { query }, signal) => {
      const {
        table,
        key,
        selector = [],
      } = query as { table: string; key: string[]; selector?: string[] };
      return inspection.explain({ table, key, selectors: selector }, signal);
    },
  },
];
