/** Who may do what: one check for every route, closed unless a route says otherwise. */
import type { FastifyRequest } from 'fastify';
import { TidelockError } from '../core/errors.ts';
import { isOwnSelector } from '../core/selector-class.ts';
import type { TokenClaims, TokenVerifier } from './tokens.ts';

/** What a request may do. */
export type Access = {
  /** The selectors it may read; `any` for all. */
  readonly selectors: ReadonlySet<string> | 'any';
  readonly isAdmin: boolean;
  readonly canWrite: boolean;
  /** Who the token is for; empty without one. */
  readonly subject: string;
  /** The whole token: what policies of two-way tables may ask for. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Wall-clock milliseconds; infinite without tokens. */
  readonly expiresAtMs: number;
};

export type RouteScope = 'open' | 'read' | 'write' | 'admin';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may use the route. Without it: `admin`. */
    scope?: RouteScope;
  }
  interface FastifyRequest {
    access: Access;
  }
}

/** Without configured keys everybody may do everything (and the server binds loopback only). */
const FULL_ACCESS: Access = {
  ...{ selectors: 'any', isAdmin: true, canWrite: true, subject: '', claims: {} },
  expiresAtMs: Infinity,
};

const NO_ACCESS: Access = {
  ...{ selectors: new Set(), isAdmin: false, canWrite: false, subject: '', claims: {} },
  expiresAtMs: Infinity,
};

/** Clients that only know addresses with a password put the token there. */
const BASIC = /^Basic +([A-Za-z0-9+/]+=*) *$/i;
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** The selectors that a token's user and claims give by themselves. */
export type OwnSelectors = (claims: TokenClaims) => readonly string[];

/** Reads and checks the token. Throws `TOKEN_INVALID`, `TOKEN_FORBIDS`. */
export async function authorize(
  request: FastifyRequest,
  verifier: TokenVerifier | null,
  ownSelectors: OwnSelectors,
): Promise<Access> {
  if (verifier === null) return FULL_ACCESS;
  const scope = request.routeOptions.config.scope ?? 'admin';
  if (scope === 'open') return NO_ACCESS;
  const claims = await verifier.verify(bearerOf(request));
  if (!claims.scopes.has(scope)) throw forbids(`the scope ${scope}`);
  const { selectors } = claims;
  return {
    selectors: selectors === 'any' ? 'any' : new Set([...selectors, ...ownSelectors(claims)]),
    isAdmin: claims.scopes.has('admin'),
    canWrite: claims.scopes.has('write'),
    subject: claims.subject,
    claims: claims.all,
    expiresAtMs: claims.expiresAtMs,
  };
}

/** For work that begins long after the request came. Throws `TOKEN_INVALID`. */
export function requireUnexpired({ expiresAtMs }: Access, wallMs: number): void {
  if (wallMs < expiresAtMs) return;
  throw new TidelockError({
    code: 'TOKEN_INVALID',
    message: 'the token cannot be accepted: it has expired meanwhile',
    hint: 'get a new token from whoever runs this server',
  });
}

/** Throws `TOKEN_FORBIDS` when a selector is neither named by the token nor its holder's own. */
export function requireSelectors(access: Access, selectors: readonly string[]): void {
  const { selectors: allowed, subject, claims } = access;
  if (allowed === 'any') return;
  const missing = selectors.find(
    (selector) => !allowed.has(selector) && !isOwnSelector(selector, { userid: subject, claims }),
  );
  if (missing !== undefined) throw forbids(`selector ${JSON.stringify(missing)}`);
}

function bearerOf(request: FastifyRequest): string {
  const header = request.headers.authorization;
  const token = header === undefined ? undefined : (BEARER.exec(header)?.[1] ?? passwordOf(header));
  if (token !== undefined) return token;
  throw new TidelockError({
    code: 'TOKEN_INVALID',
    message: header === undefined ? 'no token was sent' : 'the Authorization header is malformed',
    hint: 'send Authorization: Bearer <token>; make one with: tidelock token --selector FR',
  });
}

function passwordOf(header: string): string | undefined {
  const encoded = BASIC.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? undefined : pair.slice(colon + 1);
}

function forbids(what: string): TidelockError {
  return new TidelockError({
    code: 'TOKEN_FORBIDS',
    message: `the token does not cover ${what}`,
    hint: 'ask for a token that does, or request less',
  });
}
