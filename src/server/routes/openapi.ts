/** GET /openapi.json: this API, as made from the routes themselves. */
import type { RouteOptions } from 'fastify';
import { failures, json, object } from '../schemas.ts';

export function openapiRoute(): RouteOptions {
  return {
    method: 'GET',
    url: '/openapi.json',
    config: { scope: 'admin' },
    schema: {
      summary: 'This document',
      querystring: object({}),
      response: {
        200: json('An OpenAPI 3.1 document.', { type: 'object', additionalProperties: true }),
        ...failures([]),
      },
    },
    handler: async (request) => request.server.swagger(),
  };
}
