/** How old the oldest transaction is that has an id and has not ended: readers in strict mode wait for it. */
import type { PgSession } from './session.ts';

/** Prepared transactions have no process any more. Those of other users are seen with the role pg_read_all_stats only. */
const OLDEST_SQL = `
  SELECT coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.min(began)), 0)::float8 AS seconds FROM (
    SELECT xact_start AS began FROM pg_catalog.pg_stat_activity
    WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
    UNION ALL SELECT prepared FROM pg_catalog.pg_prepared_xacts) open`;

/** Seconds; 0 when there is none. */
export async function oldestTransactionS(session: PgSession): Promise<number> {
  const { seconds } = await session.queryOne(OLDEST_SQL);
  return Math.max(0, Number(seconds));
}
