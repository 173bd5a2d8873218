/** Keeps the publication equal to the wanted tables. Its name never changes. */
import { TidelockError } from '../core/errors.ts';
import { quoteName } from '../core/table.ts';
import { serverVersion } from './catalog.ts';
import { REMEMBER_SQL } from './ddl-sql.ts';
import { OWN_SCHEMA, quoteTable } from './names.ts';
import { IS_PLAIN, IS_WHOLE } from './publication-health.ts';
import { addMark } from './publication-mark.ts';
import type { PgRow, PgSession } from './session.ts';
import { dropSlot } from './slot.ts';
import { readSlot } from './source-facts.ts';

export type PublicationChange = {
  /**
   * Tables that were added, or that were published in part: rows that are in them already come by a copy, not
   * by the stream. They are marked (`readMark`) unless the publication is new, and a new history with it.
   */
  readonly added: readonly string[];
  readonly removed: readonly string[];
};

/** Generated columns can be published since this version. */
const GENERATED_VERSION_MIN = 180_000;
/** Whole schemas can be published since this version. */
const SCHEMAS_VERSION_MIN = 150_000;

const PUBLICATION_SQL = `
  SELECT p.oid, p.puballtables, ${IS_WHOLE} AS is_whole,
    pg_catalog.pg_has_role(p.pubowner, 'USAGE') AS is_owner, current_user AS role,
    coalesce(pg_catalog.to_jsonb(p) ->> 'pubgencols', '') AS generated
  FROM pg_catalog.pg_publication p WHERE p.pubname = $1`;

/** A table that is published in part is added anew. */
const TABLES_SQL = `
  SELECT n.nspname || '.' || c.relname AS name, ${IS_PLAIN} AS is_plain
  FROM pg_catalog.pg_publication_rel r
  JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE r.prpubid = $1::oid`;

const SCHEMAS_SQL = `
  SELECT n.nspname AS name FROM pg_catalog.pg_publication_namespace s
  JOIN pg_catalog.pg_namespace n ON n.oid = s.pnnspid WHERE s.pnpubid = $1::oid`;

/** One row when the event triggers are installed and this role may tell them something. */
const OWN_TABLE_SQL = `
  SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = '${OWN_SCHEMA}' AND c.relname = 'seen'
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'INSERT')`;

/**
 * Creates or alters the publication so that it has exactly `tables`. Throws `SOURCE_UNFIT` when a
 * publication of this name exists that cannot be ours.
 *
 * A transaction that wrote to a table before the table was added and that is still open may never be
 * sent: wait for it (`waitForOpenTransactions`) before the added tables are copied.
 */
export async function reconcilePublication(
  session: PgSession,
  publication: string,
  tables: readonly string[],
): Promise<PublicationChange> {
  // Our event triggers keep still: what we change ourselves is announced by us, when it is complete.
  await session.query("BEGIN; SET LOCAL tidelock.is_busy = 'on'");
  try {
    const change = await reconcile(session, publication, tables);
    if ((await session.query(OWN_TABLE_SQL)).length > 0) await session.query(REMEMBER_SQL);
    await session.query('COMMIT');
    return change;
  } catch (error) {
    if (!session.isLost) await session.query('ROLLBACK');
    throw error;
  }
}

/**
 * A slot whose publication is gone has let changes pass that nobody will ever send again. Drops it, so
 * that a new history starts; true when it did. Call it before `reconcilePublication`, which makes the
 * publication anew and with that removes the sign.
 */
export async function dropBlindSlot(
  session: PgSession,
  names: { readonly publication: string; readonly slot: string; readonly instance: string },
): Promise<boolean> {
  const found = await session.query(PUBLICATION_SQL, [names.publication]);
  if (found.length > 0 || (await readSlot(session, names.slot)) === null) return false;
  await dropSlot(session, names.slot, names.instance);
  return true;
}

async function reconcile(
  session: PgSession,
  publication: string,
  tables: readonly string[],
): Promise<PublicationChange> {
  const version = await serverVersion(session);
  const [row] = await session.query(PUBLICATION_SQL, [publication]);
  if (row === undefined) {
    await session.query(createSql(publication, tables, version));
    return { added: tables, removed: [] };
  }
  if (row.puballtables === 't') throw allTables(publication);
  const name = quoteName(publication);
  const alter = async (change: string): Promise<void> => {
    if (row.is_owner !== 't') throw notOwner(publication, row.role ?? '');
    await session.query(`ALTER PUBLICATION ${name} ${change}`);
  };
  const wasWhole = await reconcileOptions(session, row, { version, alter });
  const present = await session.query(TABLES_SQL, [row.oid ?? null]);
  const all = present.map((table) => table.name ?? '');
  const plain = present.filter((table) => table.is_plain === 't').map((table) => table.name ?? '');
  const added = tables.filter((table) => !plain.includes(table));
  const dropped = all.filter((table) => !tables.includes(table) || !plain.includes(table));
  if (dropped.length > 0) await alter(`DROP TABLE ${tablesSql(dropped)}`);
  if (added.length > 0) await alter(`ADD TABLE ${tablesSql(added)}`);
  const toCopy = wasWhole ? added : tables;
  if (toCopy.length > 0) await addMark(session, publication, toCopy);
  return { added: toCopy, removed: dropped.filter((table) => !tables.includes(table)) };
}

/** True when every kind of change was published. */
async function reconcileOptions(
  session: PgSession,
  row: PgRow,
  { version, alter }: { readonly version: number; alter(change: string): Promise<void> },
): Promise<boolean> {
  const isWhole = row.is_whole === 't';
  const wantsGenerated = version >= GENERATED_VERSION_MIN && row.generated !== 's';
  if (!isWhole || wantsGenerated) await alter(`SET (${optionsSql(version)})`);
  if (version < SCHEMAS_VERSION_MIN) return isWhole;
  for (const schema of await session.query(SCHEMAS_SQL, [row.oid ?? null])) {
    await alter(`DROP TABLES IN SCHEMA ${quoteName(schema.name ?? '')}`);
  }
  return isWhole;
}

const OPEN_POLL_MS = 50;

/**
 * Resolves when every transaction that is open now, in any database, has ended. `signal` ends the wait
 * with its reason.
 */
export async function waitForOpenTransactions(
  session: PgSession,
  signal: AbortSignal,
): Promise<void> {
  // An id of our own is above every id in use; a snapshot's xmax would not be: it only counts ended ones.
  const own = await session.queryOne('SELECT pg_catalog.pg_current_xact_id() AS txid');
  const until = BigInt(own.txid ?? '0');
  while (!signal.aborted) {
    const oldest = await session.queryOne(
      'SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()) AS xmin',
    );
    if (BigInt(oldest.xmin ?? '0') >= until) return;
    await new Promise((resolve) => setTimeout(resolve, OPEN_POLL_MS));
  }
  throw signal.reason;
}

function createSql(publication: string, tables: readonly string[], version: number): string {
  const list = tables.length === 0 ? '' : ` FOR TABLE ${tablesSql(tables)}`;
  return `CREATE PUBLICATION ${quoteName(publication)}${list} WITH (${optionsSql(version)})`;
}

function optionsSql(version: number): string {
  const options = [
    "publish = 'insert, update, delete, truncate'",
    'publish_via_partition_root = true',
    ...(version >= GENERATED_VERSION_MIN ? ['publish_generated_columns = stored'] : []),
  ];
  return options.join(', ');
}

/** ONLY: inheritance children are tables of their own here; partitions come with their root anyway. */
function tablesSql(tables: readonly string[]): string {
  return tables.map((table) => `ONLY ${quoteTable(table)}`).join(', ');
}

function notOwner(publication: string, role: string): TidelockError {
  return new TidelockError({
    code: 'SOURCE_UNFIT',
    message: `publication ${publication} must be changed and belongs to another role`,
    hint: `ALTER PUBLICATION ${quoteName(publication)} OWNER TO ${quoteName(role)}`,
  });
}

function allTables(publication: string): TidelockError {
  return new TidelockError({
    code: 'SOURCE_UNFIT',
    message: `publication ${publication} is FOR ALL TABLES; tables that cannot be replicated would fail on update`,
    hint: `DROP PUBLICATION ${quoteName(publication)}; it is made again with the right tables`,
  });
}
