/** GET /metrics: for Prometheus. */
import type { RouteOptions } from 'fastify';
import type { Metrics } from '../metrics.ts';
import { failures, media, object } from '../schemas.ts';

export function metricsRoute(metrics: Pick<Metrics, 'contentType' | 'render'>): RouteOptions {
  return {
    method: 'GET',
    url: '/metrics',
    config: { scope: 'admin' },
    schema: {
      summary: 'Metrics in the text format of Prometheus',
      querystring: object({}),
      response: {
        200: media('See docs/operations.md.', 'text/plain', { type: 'string' }),
        ...failures([]),
      },
    },
    handler: async (_request, reply) =>
      await reply.type(metrics.contentType).send(await metrics.render()),
  };
}
