/** The doctor's look at what runs and what is held: slots, walsenders, open and prepared transactions. */
import { quoteText } from '../core/table.ts';
import { type Finding, fail, ok, warn } from './findings.ts';
import type { PgRow, PgSession } from './session.ts';
import { readSlot } from './source-facts.ts';

/** One for the stream, one for questions that only a replication connection answers. */
const SENDERS = 2;
/** WAL that an unused slot may hold before it is mentioned. */
const STRANGER_BYTES = 64 * 1024 * 1024;
const OPEN_S_MAX = 60;
const LISTED_MAX = 10;

const PLACES_SQL = `
  SELECT (SELECT count(*) FROM pg_catalog.pg_stat_replication) AS senders,
    pg_catalog.current_setting('max_wal_senders') AS senders_max,
    (SELECT count(*) FROM pg_catalog.pg_replication_slots) AS slots,
    pg_catalog.current_setting('max_replication_slots') AS slots_max`;

const STRANGERS_SQL = (slot: string): string => `
  SELECT slot_name, pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn) AS retained
  FROM pg_catalog.pg_replication_slots
  WHERE NOT active AND slot_name <> ${quoteText(slot)}
    AND pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn) > ${STRANGER_BYTES}
  ORDER BY 2 DESC LIMIT ${LISTED_MAX}`;

export async function examineSlots(session: PgSession, slot: string): Promise<readonly Finding[]> {
  const places = await session.queryOne(PLACES_SQL);
  const own = await readSlot(session, slot);
  const strangers = await session.query(STRANGERS_SQL(slot));
  return [
    ofPlaces(
      'max_wal_senders',
      places.senders,
      Number(places.senders_max),
      own?.activePid == null ? SENDERS : 0,
    ),
    ofPlaces('max_replication_slots', places.slots, Number(places.slots_max), own === null ? 1 : 0),
    ofOwnSlot(slot, own),
    ...strangers.map(ofStranger),
  ];
}

function ofPlaces(
  check: string,
  used: string | null | undefined,
  all: number,
  needed: number,
): Finding {
  const found = `${used} of ${all} in use`;
  if (Number(used) + needed <= all) return ok(check, found);
  return fail(
    check,
    found,
    'there is no place for this server',
    `ALTER SYSTEM SET ${check} = ${all + 10}; -- then restart Postgres`,
  );
}

function ofOwnSlot(slot: string, own: Awaited<ReturnType<typeof readSlot>>): Finding {
  const check = `slot ${slot}`;
  if (own === null) return ok(check, 'does not exist yet; it is made at the first start');
  if (own.lostReason !== null) {
    return fail(
      check,
      own.lostReason,
      'changes were lost to this server: at the next start a new history begins and replicas copy anew',
      "ALTER SYSTEM SET max_slot_wal_keep_size = '20GB'; SELECT pg_reload_conf(); -- so that it stays the last time",
    );
  }
  const found = `${own.activePid === null ? 'not in use' : `used by process ${own.activePid}`}, retains ${megabytes(own.retainedBytes)}`;
  if (own.activePid !== null || own.retainedBytes < STRANGER_BYTES) return ok(check, found);
  return warn(
    check,
    found,
    'Postgres keeps this WAL until the server has read it',
    `start the server, or give up its history: SELECT pg_drop_replication_slot(${quoteText(slot)});`,
  );
}

function ofStranger(row: PgRow): Finding {
  return warn(
    `slot ${row.slot_name}`,
    `not in use, retains ${megabytes(Number(row.retained))}`,
    'nobody reads it, and the disk of Postgres fills up',
    `SELECT pg_drop_replication_slot(${quoteText(row.slot_name ?? '')}); -- when nobody needs it`,
  );
}

const OPEN_SQL = `
  SELECT pid, state, application_name, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - xact_start)::int8 AS age_s
  FROM pg_catalog.pg_stat_activity
  WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
    AND xact_start < pg_catalog.clock_timestamp() - interval '${OPEN_S_MAX} s'
  ORDER BY xact_start LIMIT ${LISTED_MAX}`;

const PREPARED_SQL = `
  SELECT gid, database, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - prepared)::int8 AS age_s
  FROM pg_catalog.pg_prepared_xacts ORDER BY prepared LIMIT ${LISTED_MAX}`;

const BLOCKS = 'a new slot, and a table that is added, wait for it; WAL since its start is kept';

export async function examineActivity(session: PgSession): Promise<readonly Finding[]> {
  const open = await session.query(OPEN_SQL);
  const prepared = await session.query(PREPARED_SQL);
  return [
    ...(open.length === 0 ? [ok('open transactions', `none older than ${OPEN_S_MAX} s`)] : []),
    ...open.map((row) =>
      warn(
        'open transactions',
        `process ${row.pid} (${row.application_name || 'no name'}) is ${row.state} for ${row.age_s} s`,
        BLOCKS,
        `SELECT pg_terminate_backend(${row.pid});`,
      ),
    ),
    ...(prepared.length === 0 ? [ok('prepared transactions', 'none')] : []),
    ...prepared.map((row) =>
      warn(
        'prepared transactions',
        `${row.gid} in ${row.database}, for ${row.age_s} s`,
        BLOCKS,
        `COMMIT PREPARED ${quoteText(row.gid ?? '')}; -- or ROLLBACK PREPARED`,
      ),
    ),
  ];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MB of WAL`;
}
