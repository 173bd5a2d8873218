/** GET /v1/digest: what Postgres holds, by full scan at one position. */
import type { RouteOptions } from 'fastify';
import { formatLsn } from '../../core/lsn.ts';
import { requireSelectors } from '../auth.ts';
import type { ServerContext } from '../context.ts';
import { parseSelectors } from '../input.ts';
import {
  BUCKETS,
  DIGEST_ENTRY,
  failures,
  json,
  object,
  POSITION,
  SELECTORS,
  TIMELINE,
} from '../schemas.ts';
import { clientSignal, withoutIdleLimit } from '../send.ts';

const BUCKETS_MAX = 65_536;

type DigestQuery = { selector: string[]; buckets?: number };

export function digestRoute(context: ServerContext): RouteOptions {
  return {
    method: 'GET',
    url: '/v1/digest',
    exposeHeadRoute: false,
    config: { scope: 'read' },
    schema: {
      summary: 'Digests of the present rows in Postgres, by full scan at one position',
      querystring: object(
        {
          selector: SELECTORS,
          buckets: {
            type: 'integer',
            minimum: 1,
            maximum: BUCKETS_MAX,
            description: 'Also digests of so many buckets of rows per table.',
          },
        },
        ['buckets'],
      ),
      response: {
        200: json(
          'One digest per table and selector.',
          object(
            {
              timeline: TIMELINE,
              ts: POSITION,
              digests: { type: 'array', items: DIGEST_ENTRY },
              buckets: BUCKETS,
            },
            ['buckets'],
          ),
        ),
        ...failures(['BAD_SELECTOR', 'BUSY', 'NOT_READY', 'SOURCE_DOWN', 'TIMEOUT']),
      },
    },
    handler: async (request, reply) => {
      const query = request.query as DigestQuery;
      const selectors = parseSelectors(query.selector, context.config.limits.selectorsMax);
      requireSelectors(request.access, selectors);
      const signal = clientSignal(reply.raw);
      const leave = await context.digests.enter(signal);
      try {
        const counted = query.buckets === undefined ? {} : { bucketCount: query.buckets };
        const scan = { selectors, ...counted, signal };
        const answer = await withoutIdleLimit(reply, () => context.engine.digest(scan));
        return { ...answer, ts: formatLsn(answer.ts) };
      } finally {
        leave();
      }
    },
  };
}
