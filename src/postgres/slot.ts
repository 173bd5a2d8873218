/** Creates, drops and takes over the replication slot. Its name never changes: positions refer to it. */
import { TidelockError } from '../core/errors.ts';
import { type Lsn, parseLsn } from '../core/lsn.ts';
import { quoteName } from '../core/table.ts';
import { sqlStateOf } from './pg-errors.ts';
import { APPLICATION_NAME, type PgRow, type PgSession } from './session.ts';
import { readSlot } from './source-facts.ts';

/** What slot creation waits for: a transaction that was open when it began. */
export type SlotWait = {
  readonly pid: number;
  readonly applicationName: string;
  readonly state: string;
  readonly ageS: number;
  readonly query: string;
};

export type CreateSlotOptions = {
  /** A replication connection; it waits as long as the creation takes. */
  readonly session: PgSession;
  readonly slot: string;
  /** Another session that looks what the first one waits for. */
  readonly observer?: PgSession | undefined;
  readonly onWait?: ((waits: readonly SlotWait[]) => void) | undefined;
};

const OBSERVE_MS = 1_000;
/** A holder that has not reported for so long is dead: a living one reports every 10 s. */
const DEAD_AFTER_S = 25;
const TAKEOVER_MS_MAX = 10_000;
const TAKEOVER_POLL_MS = 20;

/** The name under which a reader holds a slot. `instance` tells servers apart. */
export function holderName(slot: string, instance: string): string {
  return `${APPLICATION_NAME}:${instance}:${slot}`.slice(0, 63);
}

/**
 * Creates a durable logical slot and returns its consistent point: transactions that commit after it will
 * be delivered, whole; all others are visible to every later snapshot. Postgres waits until every
 * transaction that is open now has ended. Throws `SLOT_BUSY` when the name is taken.
 */
export async function createSlot(options: CreateSlotOptions): Promise<Lsn> {
  const { session, slot } = options;
  const stopWatching = await watchWaits(options);
  try {
    const row = await session.queryOne(
      `CREATE_REPLICATION_SLOT ${quoteName(slot)} LOGICAL pgoutput NOEXPORT_SNAPSHOT`,
    );
    return parseLsn(row.consistent_point ?? '', 'the consistent point of the slot');
  } catch (error) {
    throw creationError(error, slot);
  } finally {
    stopWatching();
  }
}

/** Drops the slot if it exists, after taking it over as `takeOverSlot` does. */
export async function dropSlot(session: PgSession, slot: string, instance: string): Promise<void> {
  await takeOverSlot(session, slot, instance);
  try {
    await session.query('SELECT pg_catalog.pg_drop_replication_slot($1)', [slot]);
  } catch (error) {
    if (sqlStateOf(error) !== '42704') throw error;
  }
}

const HOLDER_SQL = `
  SELECT a.pid, a.application_name,
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - coalesce(r.reply_time, a.backend_start)) AS silent_s
  FROM pg_catalog.pg_replication_slots s
  JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid
  LEFT JOIN pg_catalog.pg_stat_replication r ON r.pid = a.pid
  WHERE s.slot_name = $1`;

/**
 * Ends the process that holds the slot, if it is a left-over of ours: the same server's earlier
 * connection, or another server of ours that has been silent too long to be alive. Throws `SLOT_BUSY`
 * when it is somebody else, or alive: two readers of one slot would each lose half of the changes.
 */
export async function takeOverSlot(
  session: PgSession,
  slot: string,
  instance: string,
): Promise<void> {
  const deadline = performance.now() + TAKEOVER_MS_MAX;
  while (performance.now() < deadline) {
    const [holder] = await session.query(HOLDER_SQL, [slot]);
    if (holder === undefined) {
      const facts = await readSlot(session, slot);
      if (facts === null || facts.activePid === null) return;
    } else {
      assertOurs(holder, slot, instance);
      await session.query('SELECT pg_catalog.pg_terminate_backend($1::int4)', [holder.pid ?? null]);
    }
    await new Promise((resolve) => setTimeout(resolve, TAKEOVER_POLL_MS));
  }
  throw busy(slot, 'its holder was told to end but did not');
}

function assertOurs(holder: PgRow, slot: string, instance: string): void {
  const name = holder.application_name ?? '';
  const who = `process ${holder.pid ?? '?'} (${name || 'without a name'})`;
  if (name === holderName(slot, instance)) return;
  if (!name.startsWith(`${APPLICATION_NAME}:`)) throw busy(slot, `it is held by ${who}`);
  if (Number(holder.silent_s) < DEAD_AFTER_S) {
    throw busy(slot, `another server of ours is alive and holds it: ${who}`);
  }
}

function busy(slot: string, why: string): TidelockError {
  return new TidelockError({
    code: 'SLOT_BUSY',
    message: `replication slot ${slot} is in use: ${why}`,
    hint: 'stop the other process, or give this server another slot name; it is tried again by itself',
  });
}

function creationError(error: unknown, slot: string): unknown {
  const state = sqlStateOf(error);
  if (state === '42710') return busy(slot, 'a slot of this name exists already');
  if (state === '53400' || state === '55000') {
    return new TidelockError({
      code: 'SOURCE_UNFIT',
      message: error instanceof Error ? error.message : String(error),
      hint: 'run `tidelock doctor --postgres URL`; usually: ALTER SYSTEM SET max_replication_slots = 20, then restart Postgres',
      cause: error,
    });
  }
  return error;
}

const WAITS_SQL = `
  SELECT a.pid, a.application_name, a.state, a.query,
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start) AS age_s
  FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1::int4)) b
  JOIN pg_catalog.pg_stat_activity a ON a.pid = b`;

/** Looks every second what the creation waits for. Returns the way to stop. */
async function watchWaits(options: CreateSlotOptions): Promise<() => void> {
  const { session, observer, onWait } = options;
  if (observer === undefined || onWait === undefined) return () => undefined;
  const { pid = null } = await session.queryOne('SELECT pg_catalog.pg_backend_pid() AS pid');
  let isBusy = false;
  const look = async (): Promise<void> => {
    if (isBusy) return;
    isBusy = true;
    try {
      const rows = await observer.query(WAITS_SQL, [pid]);
      if (rows.length > 0) onWait(rows.map(waitOf));
    } catch {
      // Only the report is missing: whether the source is reachable shows in the creation itself.
    } finally {
      isBusy = false;
    }
  };
  const timer = setInterval(() => void look(), OBSERVE_MS);
  return () => clearInterval(timer);
}

function waitOf(row: PgRow): SlotWait {
  return {
    pid: Number(row.pid),
    applicationName: row.application_name ?? '',
    state: row.state ?? '',
    ageS: Number(row.age_s ?? 0),
    query: (row.query ?? '').slice(0, 200),
  };
}
