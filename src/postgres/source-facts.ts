/** What a freshly connected source says about itself: the basis of every decision about its history. */
import { type Lsn, parseLsn } from '../core/lsn.ts';
import type { PgSession } from './session.ts';

/** The shape that the coordinator's `sourceConnected` event carries. */
export type SourceFacts = {
  readonly systemId: string;
  readonly walTimeline: number;
  /** Where `walTimeline` branched off its predecessor; undefined on the first timeline. */
  readonly switchedAt: Lsn | undefined;
  /** End of the WAL on disk. */
  readonly flushed: Lsn;
  /** When the server started, as `readServerStart` tells it. */
  readonly serverStart: string;
  /** Null when there is no slot of this name. */
  readonly slot: SlotFacts | null;
};

export type SlotFacts = {
  readonly confirmed: Lsn;
  /** Postgres has removed WAL or rows that the slot needs, or the slot is not one of ours. */
  readonly isLost: boolean;
  readonly activePid: number | null;
  /** Why it is lost, in Postgres' words. */
  readonly lostReason: string | null;
  /** WAL that Postgres keeps because of this slot. */
  readonly retainedBytes: number;
};

/** `session` must be a replication connection: only it tells the present timeline. */
export async function readSourceFacts(session: PgSession, slot: string): Promise<SourceFacts> {
  const identity = await session.queryOne('IDENTIFY_SYSTEM');
  const walTimeline = Number(identity.timeline);
  return {
    systemId: identity.systemid ?? '',
    walTimeline,
    switchedAt: walTimeline > 1 ? await switchPoint(session, walTimeline) : undefined,
    flushed: parseLsn(identity.xlogpos ?? '', 'the position of IDENTIFY_SYSTEM'),
    serverStart: await readServerStart(session),
    slot: await readSlot(session, slot),
  };
}

/** Columns that only some versions have are read through JSON. */
const SLOT_SQL = (slot: string): string => `
  SELECT s.plugin, s.database = pg_catalog.current_database() AS is_here, s.active_pid,
    s.confirmed_flush_lsn, s.wal_status,
    pg_catalog.to_jsonb(s) ->> 'invalidation_reason' AS invalidation,
    pg_catalog.to_jsonb(s) ->> 'conflicting' AS conflicting,
    pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn) AS retained
  FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = '${slot.replaceAll("'", "''")}'`;

/** The slot's state, or null when it does not exist. Works on any session. */
export async function readSlot(session: PgSession, slot: string): Promise<SlotFacts | null> {
  const [row] = await session.query(SLOT_SQL(slot));
  if (row === undefined) return null;
  const lostReason = lostReasonOf(row);
  const confirmed = row.confirmed_flush_lsn ?? '0/0';
  return {
    confirmed: parseLsn(confirmed, 'the confirmed position of the slot'),
    isLost: lostReason !== null,
    activePid: row.active_pid === null ? null : Number(row.active_pid),
    lostReason,
    retainedBytes: Math.max(0, Number(row.retained ?? 0)),
  };
}

function lostReasonOf(row: Readonly<Record<string, string | null>>): string | null {
  if (row.plugin !== 'pgoutput') return `its plugin is ${row.plugin ?? 'none'}, not pgoutput`;
  if (row.is_here !== 't') return 'it belongs to another database';
  if (row.invalidation !== null) return `invalidated: ${row.invalidation}`;
  if (row.conflicting === 'true') return 'invalidated: it conflicted with recovery';
  if (row.wal_status === 'lost') return 'Postgres removed WAL that it needed';
  if (row.confirmed_flush_lsn === null) return 'its creation was never finished';
  return null;
}

/**
 * When the server process started: two sessions that see the same were given by one server, which cannot go
 * back in time while it runs.
 */
export async function readServerStart(session: PgSession): Promise<string> {
  const row = await session.queryOne('SELECT pg_catalog.pg_postmaster_start_time() AS start');
  return row.start ?? '';
}

/** Each line of a history file: the parent timeline, where it was left, why. The last one is ours. */
async function switchPoint(session: PgSession, timeline: number): Promise<Lsn> {
  const history = await session.queryOne(`TIMELINE_HISTORY ${timeline}`);
  const lines = (history.content ?? '').split('\n').filter((line) => /^\s*\d+\s/.test(line));
  const position = lines.at(-1)?.trim().split(/\s+/)[1] ?? '';
  return parseLsn(position, `the switch point of timeline ${timeline}`);
}
