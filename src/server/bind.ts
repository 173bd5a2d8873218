/** Where the server may listen: anywhere with tokens, on loopback only without. */
import { lookup } from 'node:dns/promises';
import { BlockList, isIPv6 } from 'node:net';
import { messageOf, TidelockError } from '../core/errors.ts';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** True for addresses that only this machine can reach. */
export function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/**
 * The address to listen on. The name is resolved here, once, so that what was checked is what is bound.
 * Throws `BAD_CONFIG` when it cannot be resolved, or leads beyond loopback without tokens.
 */
export async function bindAddress(host: string, hasTokens: boolean): Promise<string> {
  const addresses = await resolve(host);
  const open = addresses.find((address) => !isLoopback(address));
  const [first] = addresses;
  if (first !== undefined && (hasTokens || open === undefined)) return first;
  throw new TidelockError({
    code: 'BAD_CONFIG',
    message: `host ${JSON.stringify(host)} (${open}) can be reached from other machines, but no token keys are set`,
    hint: 'set a secret (TIDELOCK_TOKEN_SECRETS="$(openssl rand -base64 48)") or bind 127.0.0.1',
  });
}

async function resolve(host: string): Promise<readonly string[]> {
  try {
    const found = await lookup(host, { all: true, order: 'ipv4first' });
    return found.map(({ address }) => address);
  } catch (cause) {
    throw new TidelockError({
      code: 'BAD_CONFIG',
      message: `host ${JSON.stringify(host)} cannot be resolved: ${messageOf(cause)}`,
      hint: 'use an address of this machine, for example 127.0.0.1',
      cause,
    });
  }
}
