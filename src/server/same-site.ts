/**
 * Pages of other sites may not act here, whatever their readers' browsers would send along. A browser says where a request
 * comes from: in `sec-fetch-site` (only to https and loopback), and in `origin` of every POST. Programs say neither.
 */
import type { FastifyRequest } from 'fastify';
import { TidelockError } from '../core/errors.ts';

/** Throws `TOKEN_FORBIDS`. */
export function requireSameSite({ headers }: Pick<FastifyRequest, 'headers'>): void {
  const { origin, host } = headers;
  const site = headers['sec-fetch-site'];
  if (site === 'same-origin') return; // a page cannot write this header; a proxy may have changed the host
  const isOurs = origin === undefined || (host !== undefined && hostOf(origin) === host);
  if (isOurs && (site === undefined || site === 'none')) return;
  throw new TidelockError({
    code: 'TOKEN_FORBIDS',
    message: 'a page of another site asked for an action',
    hint: 'open the dashboard of this server itself; a proxy before it must pass on the Host',
  });
}

/** With the port, unless it is the usual one, as in `host`; null for `null` and what is no address. */
function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}
