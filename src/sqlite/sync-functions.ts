/** SQL functions with which a session inside Node synchronises: `SELECT tidelock_sync()`. */
import { randomBytes } from 'node:crypto';
import { TidelockError } from '../core/errors.ts';
import type { LocalDatabase } from './local-connection.ts';

export type SyncCommand = 'send' | 'check' | 'sync';

/**
 * Adds `tidelock_send()`, `tidelock_check()` and `tidelock_sync()`, which block until they are done and give their
 * counts as JSON text, and `tidelock_uuid()`, a UUIDv7 for keys. `call` throws what went wrong.
 */
export function addSyncFunctions(
  database: LocalDatabase,
  call: (command: SyncCommand) => unknown,
): void {
  for (const command of ['send', 'check', 'sync'] as const) {
    const name = `tidelock_${command}`;
    database.function(name, { directOnly: true }, () => {
      if (database.isTransaction) throw insideTransaction(name);
      return JSON.stringify(call(command));
    });
  }
  database.function('tidelock_uuid', {}, () => uuidV7(Date.now(), randomBytes(10)));
}

/** A UUID whose order is that of time: 48 bits of milliseconds, then `random` (10 bytes). */
export function uuidV7(nowMs: number, random: Uint8Array): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes.set(random.subarray(0, 10), 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6); // version 7
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8); // RFC 9562's variant
  const hex = bytes.toString('hex');
  return [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ]
    .map(([from, to]) => hex.slice(from, to))
    .join('-');
}

function insideTransaction(name: string): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `${name}() cannot send a transaction that is still open`,
    hint: 'COMMIT first',
  });
}
