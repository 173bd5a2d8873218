/** GET /v1/wait: answers when the log has passed a position (read your writes). */
import type { RouteOptions } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import { formatLsn, parseLsn } from '../../core/lsn.ts';
import type { ServerContext } from '../context.ts';
import { failures, json, object, POSITION, POSITION_INPUT } from '../schemas.ts';
import { clientSignal } from '../send.ts';

const TIMEOUT_S_MAX = 60;

type WaitQuery = { ts: string; timeout_s: number };

export function waitRoute(context: ServerContext): RouteOptions {
  let waiting = 0;
  return {
    method: 'GET',
    url: '/v1/wait',
    exposeHeadRoute: false,
    config: { scope: 'read' },
    schema: {
      summary: 'Wait until the log is past a position',
      querystring: object(
        {
          ts: POSITION_INPUT,
          timeout_s: { type: 'number', minimum: 0, maximum: TIMEOUT_S_MAX, default: 10 },
        },
        ['timeout_s'],
      ),
      response: {
        200: json('The log has it.', object({ upper: POSITION })),
        ...failures(['BAD_POSITION', 'BUSY', 'NOT_READY', 'SOURCE_DOWN', 'TIMEOUT']),
      },
    },
    handler: async (request, reply) => {
      const query = request.query as WaitQuery;
      const ts = parseLsn(query.ts, 'ts');
      if (waiting >= context.config.limits.waitsMax) throw tooManyWaits(waiting);
      waiting += 1;
      try {
        const signal = AbortSignal.any([clientSignal(reply.raw), context.draining]);
        const upper = await context.engine.waitFor(ts, query.timeout_s * 1000, signal);
        return { upper: formatLsn(upper) };
      } finally {
        waiting -= 1;
      }
    },
  };
}

function tooManyWaits(waiting: number): TidelockError {
  return new TidelockError({
    code: 'BUSY',
    message: `${waiting} requests wait already`,
    hint: 'try again later, or raise the setting waitsMax',
  });
}
