/** GET /v1/tables: what is replicated, and how. */
import type { RouteOptions } from 'fastify';
import type { ServerContext } from '../context.ts';
import { failures, json, object, type Schema } from '../schemas.ts';

const TEXTS: Schema = { type: 'array', items: { type: 'string' } };

/** The JSON form of `TableDef`. */
const TABLE: Schema = object(
  {
    name: { type: 'string' },
    columns: {
      type: 'array',
      items: object(
        {
          name: { type: 'string' },
          type: { type: 'string' },
          kind: { enum: ['int', 'bigint', 'float', 'bool', 'bytes', 'timestamptz', 'text'] },
          missing: { type: ['null', 'number', 'string', 'boolean'] },
        },
        ['missing'],
      ),
    },
    key: TEXTS,
    indexes: { type: 'array', items: object({ name: { type: 'string' }, columns: TEXTS }) },
    selector: {
      type: 'object',
      required: ['kind'],
      properties: { kind: { enum: ['everyone', 'expression'] }, text: { type: 'string' } },
    },
    twoway: object({ versions: { type: 'string' }, columns: TEXTS }),
  },
  ['twoway'],
);

export function tablesRoute(context: ServerContext): RouteOptions {
  return {
    method: 'GET',
    url: '/v1/tables',
    config: { scope: 'read' },
    schema: {
      summary: 'Definitions of the replicated tables',
      querystring: object({}),
      response: {
        200: json('Every live table.', object({ tables: { type: 'array', items: TABLE } })),
        ...failures([]),
      },
    },
    handler: async () => ({ tables: context.engine.tables }),
  };
}
