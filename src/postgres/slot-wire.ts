/** What goes back to the walsender, and what its errors mean. */
import { TidelockError } from '../core/errors.ts';
import type { Lsn } from '../core/lsn.ts';
import { type ServerError, translateError } from './pg-errors.ts';

/** Milliseconds between the Unix epoch and Postgres' (2000-01-01). */
const POSTGRES_EPOCH_MS = 946_684_800_000;
const STATUS_BYTES = 39;

/** A standby status update as CopyData: written, flushed and applied positions. */
export function standbyStatus(status: {
  readonly received: Lsn;
  readonly confirmed: Lsn;
  readonly wantsReply: boolean;
}): Buffer {
  const b = Buffer.alloc(STATUS_BYTES);
  b[0] = 100; // d
  b.writeUInt32BE(STATUS_BYTES - 1, 1);
  b[5] = 114; // r
  const { received, confirmed } = status;
  [received, confirmed, confirmed].forEach((lsn, index) => {
    b.writeBigUInt64BE(BigInt(lsn), 6 + index * 8);
  });
  b.writeBigInt64BE(BigInt(Date.now() - POSTGRES_EPOCH_MS) * 1000n, 30);
  b[38] = status.wantsReply ? 1 : 0;
  return b;
}

/** What the operator must know when the walsender refuses or gives up. */
export function streamError(
  error: ServerError,
  names: { readonly slot: string; readonly publication: string; readonly where: string },
): TidelockError {
  if (error.code === '55006') {
    return new TidelockError({
      code: 'SLOT_BUSY',
      message: `replication slot ${names.slot} is used by another process: ${error.message}`,
      hint: 'stop the other server that uses this slot, or give this one another name',
      cause: error,
    });
  }
  if (error.routine === 'LoadPublications' || error.routine === 'get_publication_oid') {
    return new TidelockError({
      code: 'SLOT_LOST',
      message: `publication ${names.publication} was dropped; changes made since then are not sent`,
      hint: 'it is made again, and a new timeline starts; replicas copy their tables again',
      cause: error,
    });
  }
  if (error.code === '42704' || error.code === '55000') {
    return new TidelockError({
      code: 'SLOT_LOST',
      message: `replication slot ${names.slot} cannot be read any more: ${error.message}`,
      hint: 'a new slot and a new timeline start by themselves; raise max_slot_wal_keep_size if WAL was removed',
      cause: error,
    });
  }
  return translateError(error, names.where, { isConnecting: false });
}
