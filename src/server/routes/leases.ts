/** PUT and DELETE /v1/leases/{replica}: a replica says how far it is, or that it is gone for good. */
import type { RouteOptions } from 'fastify';
import { parseLsn } from '../../core/lsn.ts';
import type { ServerContext } from '../context.ts';
import { leaseName, leaseParts } from '../lease-names.ts';
import { failures, object, POSITION_INPUT, REPLICA } from '../schemas.ts';

type LeaseParams = { replica: string };

const PARAMS = object({ replica: REPLICA });
const DONE = { type: 'null', description: 'Done.' } as const;

export function putLeaseRoute(context: ServerContext): RouteOptions {
  return {
    method: 'PUT',
    url: '/v1/leases/:replica',
    config: { scope: 'read' },
    schema: {
      summary: 'Keep the log for a replica from this position on',
      params: PARAMS,
      querystring: object({}),
      body: object({ ts: POSITION_INPUT }),
      response: { 204: DONE, ...failures(['BAD_POSITION', 'NOT_READY', 'TOO_OLD']) },
    },
    handler: async (request, reply) => {
      const { replica } = request.params as LeaseParams;
      const body = request.body as { ts: string };
      context.engine.lease(leaseName(request.access, replica), parseLsn(body.ts, 'ts'));
      return await reply.code(204).send();
    },
  };
}

export function deleteLeaseRoute(context: ServerContext): RouteOptions {
  return {
    method: 'DELETE',
    url: '/v1/leases/:replica',
    config: { scope: 'admin' },
    schema: {
      summary: 'The replica is gone: nothing needs to be kept for it',
      params: PARAMS,
      querystring: object({}),
      response: { 204: DONE, ...failures(['NOT_READY']) },
    },
    handler: async (request, reply) => {
      const { replica } = request.params as LeaseParams;
      for (const lease of context.engine.status().leases) {
        if (leaseParts(lease.replica).replica === replica) context.engine.endLease(lease.replica);
      }
      return await reply.code(204).send();
    },
  };
}
