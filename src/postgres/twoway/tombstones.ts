/**
 * Collects tombstones of two-way tables that every replica has certainly passed.
 *
 * A mark is taken by one statement: first its snapshot, then the position of the WAL. A row of a companion whose
 * transaction id is below the snapshot's xmin was committed before the snapshot, and the end of its commit record is at or
 * before that position; whatever was open then, with its subtransactions, has ids at or above xmin and stays, however old
 * it is. So: when all leases are at or past a mark's position, tombstones below its xmin have been passed by all.
 *
 * The horizon is written in the transaction that deletes, and under a lock that uploads share: an upload sees either the
 * old horizon and all tombstones above it, or the new one and is refused when its base is older.
 */
import { formatLsn, type Lsn, parseLsn } from '../../core/lsn.ts';
import { quoteName, quoteText } from '../../core/table.ts';
import { quoteTable } from '../names.ts';
import { sqlStateOf } from '../pg-errors.ts';
import type { PgSession } from '../session.ts';
import type { TwowayTable } from './registry.ts';
import { HORIZON, SITES } from './schema-sql.ts';

export type Mark = {
  readonly position: Lsn;
  /** Every transaction below this had ended; 64-bit, as text. */
  readonly xmin: string;
};

/** Of one table in one transaction: a lock on that many rows, and that many lines in the stream. */
export const COLLECTED_ROWS_MAX = 5000;

/** Uploads are short; where one is not, the next look tries again. */
const LOCK_MS_MAX = 1000;

const MARK_SQL = `SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text AS xmin,
  pg_catalog.pg_current_wal_insert_lsn() AS position`;

const LOCK_NOT_AVAILABLE = '55P03';

/** Valid for this session only: a server that crashed may give the same ids and positions again. */
export async function takeMark(session: PgSession): Promise<Mark> {
  const { xmin, position } = await session.queryOne(MARK_SQL);
  return { xmin: xmin ?? '', position: parseLsn(position ?? '', 'the current WAL position') };
}

/** The tables among these that have tombstones below the mark. A look at their indexes of tombstones. */
export async function tablesToCollect(
  session: PgSession,
  tables: readonly TwowayTable[],
  mark: Mark,
): Promise<readonly TwowayTable[]> {
  const found = tables.map(
    ({ versionsTable }, at) =>
      `SELECT ${at} AS place WHERE EXISTS (SELECT FROM ${versionsTable} v WHERE ${passedSql(mark)})`,
  );
  const rows = await session.query(found.join(' UNION ALL '));
  const places = new Set(rows.map(({ place }) => Number(place)));
  return tables.filter((_, at) => places.has(at));
}

export type Collection = {
  readonly table: TwowayTable;
  readonly mark: Mark;
  /** Positions of another timeline say nothing: uploads of older ones are refused for that already. */
  readonly timeline: string;
};

/**
 * Deletes up to `COLLECTED_ROWS_MAX` tombstones of a table and moves the horizon to the mark; returns how many, or null
 * when an upload held the horizon. First it mends what no order of triggers should leave, but may: a row
 * that lives under a tombstone gets its next life.
 */
export async function collectTombstones(
  session: PgSession,
  collection: Collection,
): Promise<number | null> {
  try {
    const { collected } = await session.queryOne(collectSql(collection));
    return Number(collected);
  } catch (error) {
    if (sqlStateOf(error) === LOCK_NOT_AVAILABLE) return null;
    throw error;
  }
}

/** One message, so one transaction, of a session that others use too. */
export function collectSql({ table, mark, timeline }: Collection): string {
  const { versionsTable: companion, key, audience } = table;
  const same = (left: string, right: string): string =>
    key.map((name) => `${left}.${quoteName(name)} = ${right}.${quoteName(name)}`).join(' AND ');
  const row = quoteTable(table.name);
  const passed = passedSql(mark);
  const revived = [
    ...['tidelock_cl = v.tidelock_cl + 1', 'tidelock_versions = NULL'],
    ...audience.map((name) => `${quoteName(name)} = b.${quoteName(name)}`),
  ].join(', ');
  const values = `(${quoteText(timeline)}, ${quoteText(formatLsn(mark.position))})`;
  return `SET LOCAL lock_timeout = ${LOCK_MS_MAX};
    ${lockSitesSql(timeline)};
    INSERT INTO ${HORIZON} AS h (timeline, position) VALUES ${values} ON CONFLICT (only_one) DO UPDATE
      SET timeline = excluded.timeline, position = excluded.position
      WHERE h.timeline <> excluded.timeline OR h.position < excluded.position;
    UPDATE ${companion} v SET ${revived} FROM ONLY ${row} b WHERE ${same('v', 'b')} AND ${passed};
    WITH gone AS (DELETE FROM ${companion} WHERE ctid = ANY (ARRAY(
      SELECT v.ctid FROM ${companion} v WHERE ${passed} AND NOT EXISTS (SELECT FROM ONLY ${row} b WHERE ${same('v', 'b')})
      LIMIT ${COLLECTED_ROWS_MAX})) AND tidelock_cl % 2 = 0 RETURNING 1)
    SELECT count(*) AS collected FROM gone`;
}

/** Written as the index of tombstones is. Ages, because a row's id has 32 bits: one that is too old to tell stays. */
function passedSql({ xmin }: Mark): string {
  return `v.tidelock_cl % 2 = 0 AND pg_catalog.age(v.xmin) > pg_catalog.age(${quoteText(xmin)}::xid8::xid)`;
}

/** Uploads lock the horizon's row of their timeline; before there is one, their own rows are what shows that they run. */
function lockSitesSql(timeline: string): string {
  return `DO $$ BEGIN
      IF NOT EXISTS (SELECT FROM ${HORIZON} WHERE timeline = ${quoteText(timeline)}) THEN LOCK TABLE ${SITES} IN EXCLUSIVE MODE; END IF;
    END $$`;
}
