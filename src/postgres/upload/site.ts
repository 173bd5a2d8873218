/** What Postgres remembers of every file that writes: up to where its transactions have their outcome. */
import { TidelockError } from '../../core/errors.ts';
import { formatLsn } from '../../core/lsn.ts';
import type { Rejection, Upload, UploadTransaction } from '../../core/upload.ts';
import { OWN_SCHEMA } from '../names.ts';
import { sqlStateOf } from '../pg-errors.ts';
import type { PgSession } from '../session.ts';

export type Site = {
  /** The last transaction with an outcome; 0 before the first. */
  readonly number: number;
  readonly nonce: string;
  /** Those that were refused, as far as the file has not settled them. */
  readonly rejected: readonly Rejection[];
};

const SELECT = `SELECT userid, number, nonce, rejected FROM ${OWN_SCHEMA}.sites WHERE site = $1 FOR UPDATE`;

/** New files of one user come one after the other: only so they can be counted. */
const LOCK_USER = `SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('${OWN_SCHEMA}.sites ' || $1, 0))`;
const COUNT = `SELECT count(*) AS sites FROM ${OWN_SCHEMA}.sites WHERE userid = $1`;
const INSERT = `INSERT INTO ${OWN_SCHEMA}.sites(site, userid, number, nonce) VALUES ($1, $2, 0, '') ON CONFLICT DO NOTHING`;

export type SiteOwner = {
  readonly userid: string;
  /** How many sites one user may have. Who has no name may have any number: that is everybody. */
  readonly sitesMax: number;
};

/**
 * Locks the site until the end of the transaction, so that two uploads of one file come one after the other. Throws
 * `SITE_TAKEN`, `SITES_FULL`, and `BAD_REQUEST` where nothing is two-way.
 */
export async function lockSite(session: PgSession, site: string, owner: SiteOwner): Promise<Site> {
  const { userid } = owner;
  try {
    const [found] = await session.query(SELECT, [site]);
    if (found === undefined) await insertSite(session, site, owner);
    const row = found ?? (await session.queryOne(SELECT, [site]));
    if (row.userid !== userid) throw taken();
    const rejected = JSON.parse(row.rejected ?? '[]') as Rejection[];
    return { number: Number(row.number), nonce: row.nonce ?? '', rejected };
  } catch (error) {
    if (sqlStateOf(error) !== '42P01') throw error;
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: 'no table of this server is two-way',
      hint: 'run: tidelock twoway enable TABLE --postgres URL',
      cause: error,
    });
  }
}

async function insertSite(
  session: PgSession,
  site: string,
  { userid, sitesMax }: SiteOwner,
): Promise<void> {
  if (userid !== '') {
    await session.query(LOCK_USER, [userid]);
    const { sites } = await session.queryOne(COUNT, [userid]);
    if (Number(sites) >= sitesMax) throw full(sitesMax);
  }
  await session.query(INSERT, [site, userid]);
}

/** The transactions without an outcome. Throws `UPLOAD_GAP`, `SITE_CLONED`. */
export function newTransactions(
  { number, nonce }: Site,
  { transactions }: Upload,
): readonly UploadTransaction[] {
  const [first] = transactions;
  const last = transactions.at(-1);
  if (first === undefined || last === undefined) return [];
  if (first.number > number + 1) {
    throw new TidelockError({
      code: 'UPLOAD_GAP',
      message: `the upload begins with transaction ${first.number}; ${number + 1} is the next`,
      hint: 'send everything after what is settled',
    });
  }
  const again = transactions.find((transaction) => transaction.number === number);
  if (last.number < number || (again !== undefined && again.nonce !== nonce)) throw cloned(number);
  return transactions.filter((transaction) => transaction.number > number);
}

export async function saveSite(session: PgSession, id: string, site: Site): Promise<void> {
  await session.query(
    `UPDATE ${OWN_SCHEMA}.sites SET number = $2, nonce = $3, rejected = $4, seen_at = pg_catalog.now() WHERE site = $1`,
    [id, String(site.number), site.nonce, JSON.stringify(site.rejected)],
  );
}

/**
 * A file whose base is older than collected tombstones could bring deleted rows back. The shared lock keeps the
 * collector away until the upload is through. Throws `RESYNC_FIRST`.
 */
export async function requireHorizon(session: PgSession, { head }: Upload): Promise<void> {
  const rows = await session.query(
    `SELECT position::text AS position, position > $2::pg_lsn AS is_beyond FROM ${OWN_SCHEMA}.horizon
      WHERE timeline = $1 FOR SHARE`,
    [head.timeline, formatLsn(head.position)],
  );
  if (rows[0]?.is_beyond !== 't') return;
  throw new TidelockError({
    code: 'RESYNC_FIRST',
    message: `the file is at ${formatLsn(head.position)}; deletes are remembered since ${rows[0].position}`,
    hint: 'the file is refreshed first and sends again; a replica does so by itself',
  });
}

function full(sitesMax: number): TidelockError {
  return new TidelockError({
    code: 'SITES_FULL',
    message: `this user writes from ${sitesMax} files already`,
    hint: `write from one of them; the operator raises sitesPerUserMax, or forgets files that are gone: DELETE FROM ${OWN_SCHEMA}.sites WHERE userid = ... AND seen_at < ...`,
  });
}

function taken(): TidelockError {
  return new TidelockError({
    code: 'SITE_TAKEN',
    message: 'this file first wrote for another user',
    hint: 'use a token of that user, or another file',
  });
}

function cloned(number: number): TidelockError {
  return new TidelockError({
    code: 'SITE_CLONED',
    message: `transaction ${number} of this file is another one here: the file was copied, and both copies wrote`,
    hint: 'the copy takes a site id of its own and sends again; a replica does so by itself',
  });
}
