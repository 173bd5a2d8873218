/** A server of Lockstep streams alone: for a Postgres without logical decoding. */
import type { RouteOptions } from 'fastify';
import { Registry } from 'prom-client';
import { TidelockError } from '../../core/errors.ts';
import type { RowStreams } from '../../lockstep/api.ts';
import { addRoutes, bind, createApp } from '../app.ts';
import type { Clock } from '../clock.ts';
import type { ServerConfig } from '../config.ts';
import type { Log } from '../log.ts';
import { healthRoute, strictLag } from '../routes/health.ts';
import { metricsRoute } from '../routes/metrics.ts';
import { openapiRoute } from '../routes/openapi.ts';
import { failures, json, object } from '../schemas.ts';
import type { TidelockServer } from '../server.ts';
import { registerLockstep } from './metrics.ts';
import { LockstepReaders } from './readers.ts';
import { lockstepRoutes } from './route.ts';

export type RowServerOptions = {
  /** Closed with the server. */
  readonly streams: RowStreams;
  readonly config: ServerConfig;
  readonly clock: Clock;
  readonly log: Log;
};

/** Nothing listens before `listen`. Throws `BAD_CONFIG` for unusable keys. */
export function createRowServer({ streams, config, clock, log }: RowServerOptions): TidelockServer {
  const registry = new Registry();
  registerLockstep(registry, streams);
  const metrics = { contentType: registry.contentType, render: () => registry.metrics() };
  const readers = new LockstepReaders();
  const app = createApp({ config, clock, log, carries: (socket) => readers.carries(socket) });
  const context = { lockstep: streams, lockstepReaders: readers, config };
  addRoutes(app, [
    ...[healthRoute(), readyRoute(streams), metricsRoute(metrics), openapiRoute()],
    ...lockstepRoutes(context, log),
  ]);
  const close = async (): Promise<void> => {
    await streams.close();
    app.server.closeAllConnections();
    await app.close();
  };
  return {
    listen: async () => {
      await app.ready();
      return { url: await bind(app, config) };
    },
    drain: close,
    close,
  };
}

function readyRoute(streams: RowStreams): RouteOptions {
  return {
    method: 'GET',
    url: '/ready',
    config: { scope: 'open' },
    schema: {
      summary: 'Streams can be served',
      querystring: object({}),
      response: {
        200: json(
          'Ready.',
          object({
            status: { const: 'ready' },
            oldestTransactionS: { type: 'number', minimum: 0 },
          }),
        ),
        ...failures(['NOT_READY'], true),
      },
    },
    handler: async () => {
      const lag = await strictLag({ lockstep: streams });
      if (lag.oldestTransactionS !== undefined) return { status: 'ready', ...lag };
      throw new TidelockError({ code: 'NOT_READY', message: 'Postgres cannot be asked' });
    },
  };
}
