/** GET /v1/session: who a token is for, and what it may read and write. */
import type { RouteOptions } from 'fastify';
import type { Access } from '../auth.ts';
import type { ServerContext } from '../context.ts';
import { failures, json, object, type Schema } from '../schemas.ts';

const TEXTS: Schema = { type: 'array', items: { type: 'string' } };
const TEXT: Schema = { type: 'string' };

const SESSION: Schema = object({
  user: { ...TEXT, description: 'The subject of the token; empty without tokens.' },
  canWrite: { type: 'boolean' },
  selectors: { ...TEXTS, description: 'Everything that the token may read, to be asked for.' },
  timeline: { type: ['string', 'null'] },
  tables: {
    type: 'array',
    description: 'The two-way tables.',
    items: object({ name: TEXT, key: TEXTS, columns: TEXTS, versions: TEXT }),
  },
});

/** Without tokens nobody has a name; it is a selector like that of a user, so that it can be asked for. */
const NOBODY = 'user:';

export function sessionRoute(context: ServerContext): RouteOptions {
  return {
    method: 'GET',
    url: '/v1/session',
    config: { scope: 'read' },
    schema: {
      summary: 'Who the token is for, and what it may read and write',
      querystring: object({}),
      response: { 200: json('The session.', SESSION), ...failures([]) },
    },
    handler: async ({ access }) => ({
      user: access.subject,
      canWrite: access.canWrite,
      selectors: selectorsOf(access),
      timeline: context.engine.status().timeline,
      tables: context.engine.tables.flatMap(({ name, key, twoway }) =>
        twoway === undefined
          ? []
          : [{ name, key, columns: twoway.columns, versions: twoway.versions }],
      ),
    }),
  };
}

/** A token for every selector cannot list them: it is good for its user, and for whatever it is told to read. */
function selectorsOf({ selectors, subject }: Access): readonly string[] {
  return selectors === 'any' ? [`${NOBODY}${subject}`] : [...selectors].sort();
}
