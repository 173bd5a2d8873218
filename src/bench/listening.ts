/** A server of ours between others, on a free port of this machine. */
import { once } from 'node:events';
import type { Server } from 'node:net';
import { assert } from '../core/assert.ts';

export const HOST = '127.0.0.1';

/** Resolves when it listens. */
export async function listen(server: Server): Promise<void> {
  server.listen(0, HOST);
  await once(server, 'listening');
}

/** Of a server that listens. */
export function portOf(server: Server): number {
  const address = server.address();
  assert(address !== null && typeof address !== 'string', 'the server listens');
  return address.port;
}
