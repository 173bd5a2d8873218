/** Requests for what only the home host has, where a replica is shown: its server is asked, and its answer passed on. */
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { RUNS_PREFIX } from '../../protocol/runs.ts';
import { requireSelectors } from '../auth.ts';
import { clientSignal } from '../send.ts';
import type { RunsPort } from './port.ts';

const FORWARDED: ReadonlySet<string> = new Set(
  ['log', 'log/search', 'log/place', 'files', 'file', 'execution', 'quarantine'].map(
    (name) => `${RUNS_PREFIX}/${name}`,
  ),
);

/** What an answer may say of itself here too. */
const HEADERS = [
  ...['content-type', 'content-length', 'content-disposition', 'cache-control'],
  ...['x-content-type-options', 'content-security-policy', 'tidelock-from', 'tidelock-size'],
];

/** The route, or one that asks the home's server. Who may ask is checked here; the server is asked in our name. */
export function orForwarded(route: RouteOptions, port: RunsPort): RouteOptions {
  const forward = port.forward?.bind(port);
  if (forward === undefined || !FORWARDED.has(route.url)) return route;
  return {
    ...route,
    handler: async (request: FastifyRequest, reply: FastifyReply) => {
      requireSelectors(request.access, [port.area]);
      const answer = await forward(request.raw.url ?? route.url, clientSignal(reply.raw));
      for (const name of HEADERS) {
        const value = answer.headers.get(name);
        if (value !== null) reply.header(name, value);
      }
      const body = answer.body === null ? '' : Readable.fromWeb(answer.body as ReadableStream);
      return await reply.code(answer.status).send(body);
    },
  };
}
