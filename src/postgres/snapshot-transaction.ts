/**
 * An exact view of the database, and the arithmetic that tells which transactions of the stream it has.
 *
 * The tables are locked (ACCESS SHARE: writers go on, only changes of schema wait) before the snapshot is
 * taken, because a table that is rewritten in between would look empty to an older snapshot.
 */
import { assert } from '../core/assert.ts';
import { type Lsn, parseLsn } from '../core/lsn.ts';
import type { WantedSelectors } from '../core/selector.ts';
import type { TableDef } from '../core/table.ts';
import { parseTxidSnapshot, type TxidSnapshot } from '../core/txid-snapshot.ts';
import { type CopyChunk, copyRows } from './copy.ts';
import { quoteTable } from './names.ts';
import { PgSession } from './session.ts';
import { readServerStart } from './source-facts.ts';

export type SnapshotTransaction = {
  readonly session: PgSession;
  readonly snapshot: TxidSnapshot;
  /** The snapshot as Postgres prints it. */
  readonly text: string;
  /** Read after the snapshot: everything that the snapshot has ended at or before this. */
  readonly insertLsn: Lsn;
  /** When the server that gave it started. */
  readonly serverStart: string;
  /** The rows of a table under these selectors, in no order. One table at a time. Throws as `copyRows`. */
  rows(table: TableDef, selectors: WantedSelectors): AsyncIterable<CopyChunk>;
  /** When the transaction began, by Postgres' clock; RFC 3339. */
  beganAt(): Promise<string>;
  /** Ends the transaction and the connection. */
  close(): Promise<void>;
};

export type SnapshotOptions = {
  readonly url: string;
  /** Locked first, so that none of them changes its layout. Throws Postgres' error when one is gone. */
  readonly tables: readonly string[];
};

const BEGAN_AT_SQL = `SELECT pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC',
  'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS began_at`;

/** Opens a REPEATABLE READ transaction on a connection of its own. */
export async function openSnapshot(options: SnapshotOptions): Promise<SnapshotTransaction> {
  const session = await PgSession.connect({ url: options.url });
  try {
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    if (options.tables.length > 0) {
      await session.query(
        `LOCK TABLE ${options.tables.map(quoteTable).join(', ')} IN ACCESS SHARE MODE`,
      );
    }
    const taken = await session.queryOne('SELECT pg_catalog.pg_current_snapshot() AS snapshot');
    // Visible means: its commit record was inserted before. So the insert position read now is past it.
    const position = await session.queryOne('SELECT pg_catalog.pg_current_wal_insert_lsn() AS lsn');
    const serverStart = await readServerStart(session);
    const text = taken.snapshot ?? '';
    const snapshot = parseTxidSnapshot(text);
    assert(snapshot !== null, 'Postgres prints snapshots in the form it documents');
    return {
      ...{ session, serverStart, text },
      snapshot,
      insertLsn: parseLsn(position.lsn ?? '', 'the insert position'),
      rows: (table, selectors) => copyRows({ session, table, selectors }),
      beganAt: async () => (await session.queryOne(BEGAN_AT_SQL)).began_at ?? '',
      close: () => session.end(),
    };
  } catch (error) {
    await session.end();
    throw error;
  }
}

const EPOCH = 0x1_0000_0000;

/**
 * The 64-bit id of a transaction of which the stream only sends the lower 32 bits: the one nearest to
 * `reference`, a recent 64-bit id (for example a snapshot's xmax). Postgres never lets ids that are in use
 * lie further than 2^31 apart.
 */
export function widenXid(xid: number, reference: number): number {
  const base = Math.floor(reference / EPOCH) * EPOCH + xid;
  if (base - reference > EPOCH / 2) return base - EPOCH;
  if (reference - base > EPOCH / 2) return base + EPOCH;
  return base;
}
