/**
 * What two-way sync needs in a database besides its tables: schema `tidelock`, the functions that policies call, the
 * role of replicas' writes, the event trigger. The first `enable` makes it; policies that are written before need it
 * sooner.
 */
import { createHash } from 'node:crypto';
import { TidelockError } from '../../core/errors.ts';
import { quoteText } from '../../core/table.ts';
import { sqlStateOf } from '../pg-errors.ts';
import type { PgSession } from '../session.ts';
import { readTwowayRights } from './facts.ts';
import { requireRights } from './fitness.ts';
import { REGISTRY, roleSql, twowayEventSql, twowaySchemaSql, USER_ROLE } from './schema-sql.ts';

export type InstallOptions = {
  /** As whom replicas' writes are done; `tidelock_user` by default. */
  readonly role?: string | undefined;
  /** Say what would be done, and change nothing. */
  readonly isDry?: boolean | undefined;
};

export type InstallResult = {
  /** What was run, or would be, in order. Empty: everything was there already. */
  readonly statements: readonly string[];
  readonly warnings: readonly string[];
  readonly role: string;
};

/** For writers that are in the middle of a transaction; everybody who comes later waits for us meanwhile. */
const LOCK_MS_MAX = 10_000;

/** Of two that install or enable at once, the second waits. */
const ENABLE_LOCK = 7_110_842_432;

/** Throws `SOURCE_UNFIT` with the statements of missing rights, `BUSY` when others hold what it changes. */
export async function installTwoway(
  session: PgSession,
  { role = USER_ROLE, isDry = false }: InstallOptions = {},
): Promise<InstallResult> {
  const rights = await readTwowayRights(session, role);
  requireRights({ what: 'install two-way sync', owners: [], userRole: role }, rights);
  const work = { role, isRoleNew: false, statements: [], warnings: [] };
  await inTransaction(session, {
    what: 'schema tidelock',
    isKept: !isDry,
    run: () => installSchema(session, work),
  });
  const { statements, warnings } = work;
  return { statements, warnings, role };
}

export type SchemaWork = {
  readonly role: string;
  /** The role gets its rights even where it is there. */
  readonly isRoleNew: boolean;
  /** Gets what was run. */
  readonly statements: string[];
  readonly warnings: string[];
};

/** Within the caller's transaction. */
export async function installSchema(session: PgSession, work: SchemaWork): Promise<void> {
  const { role, isRoleNew, statements } = work;
  const run = async (sql: string): Promise<void> => {
    statements.push(sql);
    await session.query(sql);
  };
  if (!(await hasSchema(session))) {
    for (const sql of twowaySchemaSql()) await run(sql);
    await installEventTrigger(session, work);
    await run(`COMMENT ON TABLE ${REGISTRY} IS ${quoteText(stamp())}`);
  }
  const rights = await readTwowayRights(session, role);
  if (rights.hasUserRole && rights.isUserMember && rights.mayUseSchema && !isRoleNew) return;
  for (const sql of roleSql(role)) await run(sql);
}

/** Not every role may: what it is for then happens when `enable` runs again. */
async function installEventTrigger(session: PgSession, work: SchemaWork): Promise<void> {
  const statements = twowayEventSql();
  try {
    await session.query(
      `SAVEPOINT event_trigger;\n${statements.join(';\n')};\nRELEASE event_trigger`,
    );
    work.statements.push(...statements);
  } catch (error) {
    if (sqlStateOf(error) !== '42501') throw error;
    await session.query('ROLLBACK TO event_trigger');
    work.warnings.push(
      'this role may not make event triggers: run twoway enable again after every ALTER TABLE of a two-way table',
    );
  }
}

async function hasSchema(session: PgSession): Promise<boolean> {
  const row = await session.queryOne(
    `SELECT pg_catalog.obj_description(pg_catalog.to_regclass('${REGISTRY}'), 'pg_class') AS stamp`,
  );
  return row.stamp === stamp();
}

/** Changes with every change of what is installed. */
function stamp(): string {
  const text = [...twowaySchemaSql(), ...twowayEventSql()].join('\n');
  return `tidelock two-way ${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

type Transaction = {
  /** What is waited for, as it is called in the message. */
  readonly what: string;
  readonly isKept: boolean;
  readonly lockMsMax?: number | undefined;
  readonly run: () => Promise<void>;
};

/** One at a time in a database. Throws `BUSY` when a lock is not to be had in time. */
export async function inTransaction(
  session: PgSession,
  { what, isKept, run, lockMsMax = LOCK_MS_MAX }: Transaction,
): Promise<void> {
  // Our own event triggers keep still: what they would do is done here.
  await session.query(`BEGIN; SET LOCAL lock_timeout = ${lockMsMax};
    SELECT pg_catalog.set_config('tidelock.is_refreshing', 'on', true), pg_catalog.pg_advisory_xact_lock(${ENABLE_LOCK})`);
  try {
    await run();
    await session.query(isKept ? 'COMMIT' : 'ROLLBACK');
  } catch (error) {
    if (!session.isLost) await session.query('ROLLBACK');
    throw sqlStateOf(error) === '55P03' ? busy(what, lockMsMax) : error;
  }
}

function busy(what: string, lockMsMax: number): TidelockError {
  return new TidelockError({
    code: 'BUSY',
    message: `writers held ${what} for ${lockMsMax / 1000} s, so nothing was changed`,
    hint: 'try again when no long transaction writes to it',
  });
}
