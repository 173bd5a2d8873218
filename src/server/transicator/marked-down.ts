/** POST /markdown: this server is to be left; it answers no more but goes on living. There is no way back but a restart. */
import type { RouteOptions } from 'fastify';
import { needsTokens } from '../config.ts';
import { object } from '../schemas.ts';
import type { TransicatorContext } from './context.ts';
import { sendTransicatorError, TransicatorError } from './errors.ts';
import { ERRORS } from './schemas.ts';

const REASON = 'Marked down';

/** Throws `UNAVAILABLE` once marked down, and while the server is being stopped. */
export function requireUp({ mark, draining }: TransicatorContext): void {
  if (mark.isDown) throw new TransicatorError('UNAVAILABLE', REASON);
  draining.throwIfAborted();
}

/**
 * A GET with a lasting effect is a trap (a page in a browser can ask for it), so it needs a token: without token
 * keys only POST marks down.
 */
export function markdownRoute(context: TransicatorContext): RouteOptions {
  const methods = needsTokens(context.config.tokens) ? ['GET', 'POST'] : ['POST'];
  return {
    method: methods,
    url: `${context.settings.prefix}/markdown`,
    exposeHeadRoute: false,
    config: { scope: 'admin' },
    schema: {
      summary: 'Transicator: take this server out of service',
      querystring: object({}),
      response: { 200: { description: 'Marked down.' }, ...ERRORS },
    },
    validatorCompiler: () => () => true,
    errorHandler: (error, _request, reply) =>
      sendTransicatorError(error, reply, { log: context.log, badParameter: 'PARAMETER_INVALID' }),
    handler: async (_request, reply) => {
      context.mark.isDown = true;
      context.log.info('marked down by request');
      return await reply.code(200).send();
    },
  };
}
