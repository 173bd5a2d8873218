/** The start-up check: settings without which replication cannot work at all. */
import { TidelockError } from '../core/errors.ts';
import type { PgRow, PgSession } from './session.ts';

/**
 * Since this version logical messages come through pgoutput, and everything that must know its place in the
 * stream relies on them: barriers, announcements, changes of schema. Pieces of open transactions too.
 */
export const VERSION_MIN = 140_000;

export const FIT_SQL = `
  SELECT pg_catalog.current_setting('server_version_num') AS version,
    pg_catalog.current_setting('server_version') AS version_text,
    pg_catalog.current_setting('wal_level') AS wal_level,
    pg_catalog.pg_is_in_recovery() AS is_standby,
    pg_catalog.current_setting('max_wal_senders') AS senders,
    pg_catalog.current_setting('max_replication_slots') AS slots,
    r.rolname AS role, r.rolsuper AS is_superuser, r.rolreplication OR r.rolsuper AS may_replicate,
    pg_catalog.current_database() AS database
  FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`;

/** Throws `SOURCE_UNFIT` with the exact statement to run. */
export async function requireFit(session: PgSession): Promise<void> {
  const refusal = refusalOf(await session.queryOne(FIT_SQL));
  if (refusal !== null) throw refusal;
}

/** Why a server with these facts (`FIT_SQL`) is refused, or null. */
export function refusalOf(row: PgRow): TidelockError | null {
  if (Number(row.version) < VERSION_MIN) {
    return unfit(
      `Postgres ${row.version_text} is too old: 14 or newer is needed`,
      'upgrade Postgres: older versions do not pass messages through the stream',
    );
  }
  if (row.is_standby === 't') {
    return unfit('this Postgres is a standby', 'use the URL of the primary');
  }
  if (row.wal_level !== 'logical') {
    return unfit(
      `wal_level is ${row.wal_level}, logical is needed`,
      "run: ALTER SYSTEM SET wal_level = 'logical'; then restart Postgres",
    );
  }
  if (row.senders === '0' || row.slots === '0') {
    return unfit(
      `max_wal_senders is ${row.senders} and max_replication_slots is ${row.slots}: both must be above 0`,
      'run: ALTER SYSTEM SET max_wal_senders = 10; ALTER SYSTEM SET max_replication_slots = 10; then restart Postgres',
    );
  }
  if (row.may_replicate !== 't') {
    return unfit(
      `role ${row.role} may not replicate`,
      `run as a superuser: ALTER ROLE "${row.role}" REPLICATION`,
    );
  }
  return null;
}

function unfit(message: string, hint: string): TidelockError {
  return new TidelockError({ code: 'SOURCE_UNFIT', message, hint });
}
