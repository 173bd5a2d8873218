/** Keys that nobody else makes, in the order of time. */
import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';

/** Adds the SQL function `tidelock_uuid()`, which gives a UUIDv7 as text. */
export function addUuidFunction(database: DatabaseSync): void {
  database.function('tidelock_uuid', () => uuidV7(Date.now(), randomBytes(10)));
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
