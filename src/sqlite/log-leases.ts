/** Leases of replicas in the log's file: one row each, with a checksum of its own. */
import { crc32 } from 'node:zlib';
import { toLsn } from '../core/lsn.ts';
import type { StoredLease } from '../log/port.ts';
import { corruptLog } from './log-errors.ts';
import { asNumber, asText, type Sql, type SqlStatement } from './sql.ts';

export class LogLeases {
  readonly #readAll: SqlStatement;
  readonly #keep: SqlStatement;
  readonly #end: SqlStatement;
  readonly #endAll: SqlStatement;

  constructor(sql: Sql) {
    this.#readAll = sql.prepare(
      'SELECT replica, ts, heard_at, crc FROM log_lease ORDER BY heard_at, replica',
    );
    this.#keep = sql.prepare('INSERT OR REPLACE INTO log_lease VALUES (?, ?, ?, ?)');
    this.#end = sql.prepare('DELETE FROM log_lease WHERE replica = ?');
    this.#endAll = sql.prepare('DELETE FROM log_lease');
  }

  /** Throws `LOG_CORRUPT`. */
  read(): readonly StoredLease[] {
    return this.#readAll.all().map((row) => {
      const replica = asText(row.replica);
      const [ts, heardAtMs] = [asNumber(row.ts), asNumber(row.heard_at)];
      if (crcOf(replica, ts, heardAtMs) !== row.crc) {
        throw corruptLog(`the lease of ${replica} fails its checksum`);
      }
      return { replica, ts: toLsn(ts), heardAtMs };
    });
  }

  /** Inside the caller's transaction. */
  write(kept: Iterable<StoredLease>, ended: Iterable<string>): void {
    for (const replica of ended) this.#end.run(replica);
    for (const { replica, ts, heardAtMs } of kept) {
      this.#keep.run(replica, ts, heardAtMs, crcOf(replica, ts, heardAtMs));
    }
  }

  /** Inside the caller's transaction. */
  endAll(): void {
    this.#endAll.run();
  }
}

function crcOf(replica: string, ts: number, heardAtMs: number): number {
  return crc32(JSON.stringify([replica, ts, heardAtMs]));
}
