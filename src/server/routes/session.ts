/** GET /v1/session: who a token is for, and what it may read and write. */
import type { RouteOptions } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import type { Access } from '../auth.ts';
import type { ServerContext } from '../context.ts';
import { failures, json, object, type Schema, TIMELINE } from '../schemas.ts';

const TEXTS: Schema = { type: 'array', items: { type: 'string' } };
const TEXT: Schema = { type: 'string' };

const SESSION: Schema = object({
  user: { ...TEXT, description: 'The subject of the token; empty without tokens.' },
  canWrite: { type: 'boolean' },
  selectors: { ...TEXTS, description: 'Everything that the token may read, to be asked for.' },
  timeline: TIMELINE,
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
      response: { 200: json('The session.', SESSION), ...failures(['NOT_READY']) },
    },
    handler: async ({ access }) => sessionOf(context, access),
  };
}

function sessionOf({ engine }: ServerContext, access: Access): object {
  const { timeline } = engine.status();
  if (timeline === null) throw notReady();
  return {
    user: access.subject,
    canWrite: access.canWrite,
    selectors: selectorsOf(access),
    timeline,
    tables: engine.tables.flatMap(({ name, key, twoway }) =>
      twoway === undefined
        ? []
        : [{ name, key, columns: twoway.columns, versions: twoway.versions }],
    ),
  };
}

/** Before Postgres was ever reached no table is known, and so no selector that claims give. */
function notReady(): TidelockError {
  return new TidelockError({
    code: 'NOT_READY',
    message: 'Postgres has not been reached yet: its tables are not known',
    hint: 'try again in a moment',
  });
}

/** A token for every selector cannot list them: it is good for its user, and for whatever it is told to read. */
function selectorsOf({ selectors, subject }: Access): readonly string[] {
  return selectors === 'any' ? [`${NOBODY}${subject}`] : [...selectors].sort();
}
