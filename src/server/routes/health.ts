/** GET /health: the process lives. GET /ready: it can serve. Both are open, for load balancers. */
import type { RouteOptions } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import type { ServerContext } from '../context.ts';
import { failures, json, object } from '../schemas.ts';

export function healthRoute(): RouteOptions {
  return {
    method: 'GET',
    url: '/health',
    config: { scope: 'open' },
    schema: {
      summary: 'The process is alive',
      querystring: object({}),
      response: {
        200: json('Alive.', object({ status: { const: 'ok' } })),
        ...failures([], true),
      },
    },
    handler: async () => ({ status: 'ok' }),
  };
}

export function readyRoute(context: ServerContext): RouteOptions {
  return {
    method: 'GET',
    url: '/ready',
    config: { scope: 'open' },
    schema: {
      summary: 'Feeds can be served',
      querystring: object({}),
      response: {
        200: json(
          'Ready; `detail` says what is wrong nevertheless.',
          object(
            {
              status: { const: 'ready' },
              detail: { type: 'string' },
              oldestTransactionS: { type: 'number', minimum: 0 },
            },
            ['detail', 'oldestTransactionS'],
          ),
        ),
        ...failures(['NOT_READY'], true),
      },
    },
    handler: async () => {
      const why = unreadyReason(context);
      if (why !== null) throw new TidelockError({ code: 'NOT_READY', message: why });
      const { tables } = context.engine.status();
      const count = (wanted: string): number =>
        tables.filter(({ state }) => state === wanted).length;
      const [unfit, held] = [count('unfit'), count('held')];
      const ready = { status: 'ready', ...(await strictLag(context)) };
      if (unfit + held === 0) return ready;
      const what = `tables that are not replicated: ${unfit}${held > 0 ? `, held: ${held}` : ''}`;
      const detail = `${what}; /v1/status has the reasons`;
      return { ...ready, detail };
    },
  };
}

/** Where streams by transaction id are served: how far those in strict mode are behind. */
export async function strictLag({
  lockstep,
}: Pick<ServerContext, 'lockstep'>): Promise<{ readonly oldestTransactionS?: number }> {
  const seconds = await lockstep?.oldestTransactionS().catch(() => undefined);
  return seconds === undefined ? {} : { oldestTransactionS: seconds };
}

/** A source that is down leaves us ready: what is in the log is served. */
function unreadyReason(context: ServerContext): string | null {
  if (context.draining.aborted) return 'the server is shutting down';
  if (context.mark.isDown) return 'marked down by an operator';
  const { timeline, source } = context.engine.status();
  return timeline === null ? `no history yet; the source is ${source.state}` : null;
}
