/**
 * A server without tokens trusts everybody on its machine, and a browser is on its machine: a web page that
 * points a name of its own at 127.0.0.1 would read everything. Such requests carry that name in `Host`.
 */
import { isIPv6 } from 'node:net';
import { TidelockError } from '../core/errors.ts';
import { isLoopback } from './bind.ts';

/** Throws `TOKEN_FORBIDS` when `Host` is not a loopback name. */
export function requireLocalHost(header: string | undefined): void {
  if (header === undefined || isLocal(withoutPort(header))) return;
  throw new TidelockError({
    code: 'TOKEN_FORBIDS',
    message: `a server without tokens does not answer for the host ${JSON.stringify(header.slice(0, 60))}`,
    hint: 'use http://127.0.0.1 or http://localhost, or set token keys',
  });
}

function isLocal(name: string): boolean {
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return (isIPv6(name) || /^127(\.\d{1,3}){3}$/.test(name)) && isLoopback(name);
}

function withoutPort(host: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(host);
  return (bracketed?.[1] ?? host.replace(/:\d*$/, '')).toLowerCase();
}
