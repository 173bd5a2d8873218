/** Where the transaction ids stand. */
import { BARRIER_SQL } from './ddl.ts';
import type { PgSession } from './session.ts';

const XMAX_SQL = 'SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) AS xmax';

/** A transaction id, 64 bits, of about now: behind the last one that has ended and that everybody sees. */
export async function nextTxid(session: PgSession): Promise<number> {
  const { xmax } = await session.queryOne(XMAX_SQL);
  return Number(xmax);
}

/** The same, but behind every transaction that had an id when this was called, also such as have not ended. */
export async function txidBehindAll(session: PgSession): Promise<number> {
  await session.query(BARRIER_SQL);
  return nextTxid(session);
}
