/** GET /v1/live: the engine as server-sent events: all of it once, then what changes. */
import type { RouteOptions } from 'fastify';
import { SAMPLE_FIELDS } from '../../protocol/dashboard.ts';
import type { ServerContext } from '../context.ts';
import { openEventStream } from '../event-stream.ts';
import { object } from '../schemas.ts';
import { engineLive } from './engine-view.ts';
import type { PulseHistory } from './history.ts';
import type { LiveGreeting, LiveHub, LiveView } from './live-hub.ts';

export type LiveParts = {
  readonly context: ServerContext;
  readonly hub: LiveHub;
  readonly hasRuns: boolean;
  /** Null where the engine has no pulse to be felt. */
  readonly history: PulseHistory | null;
};

export function liveRoute({ context, hub, hasRuns, history }: LiveParts): RouteOptions {
  const view = (isAdmin: boolean): LiveView => ({
    name: isAdmin ? 'engine' : 'engine without readers',
    look: () => engineLive(context, { isAdmin, hasRuns }),
  });
  const views = { admin: view(true), others: view(false) };
  return {
    method: 'GET',
    url: '/v1/live',
    exposeHeadRoute: false,
    config: { scope: 'read' },
    schema: { hide: true, querystring: object({}) },
    handler: async ({ access }, reply) => {
      context.draining.throwIfAborted();
      hub.requireRoom();
      openEventStream(reply);
      const tell = hub.watch({
        response: reply.raw,
        view: access.isAdmin ? views.admin : views.others,
        expiresAtMs: access.expiresAtMs,
        greeting: history === null ? undefined : historyOf(history),
      });
      if (history === null) return;
      reply.raw.once(
        'close',
        history.follow((sample) => tell('sample', sample)),
      );
    },
  };
}

function historyOf({ samples }: PulseHistory): LiveGreeting {
  return { event: 'history', data: { fields: SAMPLE_FIELDS, samples } };
}
