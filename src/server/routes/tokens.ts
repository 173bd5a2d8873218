/** POST /v2/tokens: an administrator's program makes tokens for its users. */
import type { RouteOptions } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import { parseSelector } from '../../core/selector.ts';
import type { ServerContext } from '../context.ts';
import { failures, json, object, type Schema } from '../schemas.ts';
import { issueToken, RESERVED_CLAIMS, type TokenScope } from '../tokens.ts';

const LIFETIME_S = 3600;
const LIFETIME_S_MAX = 366 * 86_400;
const USER_CHARS_MAX = 200;
const CLAIMS_MAX = 50;

type TokenBody = {
  readonly user: string;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly selectors?: readonly string[];
  readonly scopes?: readonly TokenScope[];
  readonly lifetimeS?: number;
};

const BODY: Schema = object(
  {
    user: {
      ...{ type: 'string', minLength: 1, maxLength: USER_CHARS_MAX },
      description: 'tidelock.auth_userid() in policies; the claim sub.',
    },
    claims: {
      ...{ type: 'object', additionalProperties: true, maxProperties: CLAIMS_MAX },
      description: 'For tidelock.claim(name) in policies.',
    },
    selectors: {
      ...{ type: 'array', items: { type: 'string' } },
      description: 'Besides those that user and claims give.',
    },
    scopes: {
      ...{ type: 'array', items: { enum: ['read', 'write'] }, minItems: 1, uniqueItems: true },
      description: 'Both, unless said otherwise.',
    },
    lifetimeS: { type: 'integer', minimum: 1, maximum: LIFETIME_S_MAX },
  },
  ['claims', 'selectors', 'scopes', 'lifetimeS'],
);

const ANSWER: Schema = object({
  token: { type: 'string' },
  expiresAt: { type: 'string', format: 'date-time' },
});

export function tokensRoute(context: ServerContext): RouteOptions {
  return {
    method: 'POST',
    url: '/v2/tokens',
    config: { scope: 'admin' },
    schema: {
      summary: 'Make a token for a user',
      querystring: object({}),
      body: BODY,
      response: { 200: json('The token.', ANSWER), ...failures(['BAD_SELECTOR']) },
    },
    handler: async (request) => issue(context, request.body as TokenBody),
  };
}

async function issue(
  { config, clock }: ServerContext,
  { user, claims = {}, selectors = [], scopes = ['read', 'write'], lifetimeS }: TokenBody,
): Promise<{ token: string; expiresAt: string }> {
  const { secrets, issuer, audience } = config.tokens;
  const [secret] = secrets;
  if (secret === undefined) throw noSecret();
  const reserved = Object.keys(claims).find((name) => RESERVED_CLAIMS.includes(name));
  if (reserved !== undefined) throw isReserved(reserved);
  const seconds = lifetimeS ?? LIFETIME_S;
  const nowS = Math.floor(clock.wallMs() / 1000);
  const token = await issueToken(
    {
      ...{ secret, subject: user, claims, scopes, lifetimeS: seconds, issuer, audience },
      selectors: selectors.map(parseSelector),
    },
    clock,
  );
  return { token, expiresAt: new Date((nowS + seconds) * 1000).toISOString() };
}

function noSecret(): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message:
      'this server has no secret to sign tokens with; with public keys only their issuer can',
    hint: 'set TIDELOCK_TOKEN_SECRETS, or ask the issuer of the tokens',
  });
}

function isReserved(name: string): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `the claim ${name} has a meaning of its own`,
    hint: 'use the fields user, selectors, scopes and lifetimeS',
  });
}
