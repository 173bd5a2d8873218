/**
 * Takes away everything of ours from a source: slot, publication, versions of two-way tables, event triggers, schema.
 * Tables stay as they are.
 */
import { TidelockError } from '../core/errors.ts';
import { quoteName, quoteText } from '../core/table.ts';
import { uninstallTriggers } from './ddl.ts';
import { OWN_SCHEMA } from './names.ts';
import type { PgSession } from './session.ts';
import { disableSql } from './twoway/enable.ts';
import { readTwowayTables } from './twoway/registry.ts';
import { dropRoleSql } from './twoway/schema-sql.ts';

export type UninstallNames = { readonly slot: string; readonly publication: string };

/** What is there, in the order in which it goes. Empty: nothing of ours. */
export type Belonging = {
  readonly kind: 'slot' | 'publication' | 'twoway' | 'triggers';
  readonly name: string;
  /** For people: what it is, and what goes with it. */
  readonly text: string;
};

export type UninstallPlan = {
  readonly where: string;
  readonly belongings: readonly Belonging[];
  /** Publications of other servers that still need triggers and schema. */
  readonly others: readonly string[];
};

const SLOT_SQL = (slot: string): string => `
  SELECT database, active_pid, database = pg_catalog.current_database() AS is_here,
    pg_catalog.pg_size_pretty(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn)) AS retained
  FROM pg_catalog.pg_replication_slots WHERE slot_name = ${quoteText(slot)}`;

/** Looks, and changes nothing. Throws `SLOT_BUSY` while a server reads the slot. */
export async function planUninstall(
  session: PgSession,
  { slot, publication }: UninstallNames,
): Promise<UninstallPlan> {
  const belongings: Belonging[] = [];
  const [found] = await session.query(SLOT_SQL(slot));
  if (found !== undefined) {
    if (found.is_here !== 't') throw elsewhere(slot, found.database ?? 'none');
    if (found.active_pid != null) throw busy(slot, found.active_pid);
    const text = `replication slot ${slot}, which keeps ${found.retained ?? 'no'} of WAL`;
    belongings.push({ kind: 'slot', name: slot, text });
  }
  const published = await session.query(
    `SELECT 1 AS one FROM pg_catalog.pg_publication WHERE pubname = ${quoteText(publication)}`,
  );
  if (published.length > 0) {
    belongings.push({
      ...{ kind: 'publication', name: publication, text: `publication ${publication}` },
    });
  }
  const others = await otherPublications(session, publication);
  if (others !== null && others.length === 0) {
    belongings.push(...(await twowayTables(session)));
    const text = `schema ${OWN_SCHEMA} with its event triggers, and triggers tidelock_truncate on partitions`;
    belongings.push({ kind: 'triggers', name: OWN_SCHEMA, text });
  }
  return { where: session.where, belongings, others: others ?? [] };
}

/** Drops what `planUninstall` found: first the slot, because it alone can cost the disk. */
export async function uninstall(
  session: PgSession,
  names: UninstallNames,
  { belongings, others }: UninstallPlan,
): Promise<void> {
  const has = (kind: Belonging['kind']): boolean => belongings.some((one) => one.kind === kind);
  if (has('slot')) {
    await session.query(`SELECT pg_catalog.pg_drop_replication_slot(${quoteText(names.slot)})`);
  }
  // Before the publication: its triggers would put back what they take for an accident.
  if (has('twoway')) await disableAll(session);
  if (has('triggers')) await uninstallTriggers(session);
  else if (others.length > 0) await forgetPublication(session, names.publication);
  if (has('publication')) {
    await session.query(`DROP PUBLICATION IF EXISTS ${quoteName(names.publication)}`);
  }
}

async function twowayTables(session: PgSession): Promise<readonly Belonging[]> {
  const names = (await readTwowayTables(session)).map(({ name }) => name).join(', ');
  if (names === '') return [];
  const text = `versions of two-way tables ${names}: what replicas have not sent is refused then`;
  return [{ kind: 'twoway', name: names, text }];
}

/** And the roles that we made for them, where nothing else needs these. */
async function disableAll(session: PgSession): Promise<void> {
  const tables = await readTwowayTables(session);
  const roles = [...new Set(tables.map(({ role }) => role))];
  await session.query(tables.flatMap(disableSql).join(';\n'));
  await session.query(roles.map(dropRoleSql).join(';\n'));
}

/** Null when nothing is installed. */
async function otherPublications(
  session: PgSession,
  publication: string,
): Promise<readonly string[] | null> {
  const [schema] = await session.query(
    `SELECT pg_catalog.to_regclass('${OWN_SCHEMA}.publication') IS NOT NULL AS has_table
     FROM pg_catalog.pg_namespace WHERE nspname = '${OWN_SCHEMA}'`,
  );
  if (schema === undefined) return null;
  if (schema.has_table !== 't') return [];
  const rows = await session.query(
    `SELECT own.name FROM ${OWN_SCHEMA}.publication own
     JOIN pg_catalog.pg_publication p ON p.pubname = own.name
     WHERE own.name <> ${quoteText(publication)} ORDER BY 1`,
  );
  return rows.map(({ name }) => name ?? '');
}

async function forgetPublication(session: PgSession, publication: string): Promise<void> {
  const name = quoteText(publication);
  await session.query(
    `DELETE FROM ${OWN_SCHEMA}.declaration WHERE publication = ${name};
     DELETE FROM ${OWN_SCHEMA}.publication WHERE name = ${name}`,
  );
}

function busy(slot: string, pid: string): TidelockError {
  return new TidelockError({
    code: 'SLOT_BUSY',
    message: `replication slot ${slot} is read by process ${pid}: a server runs`,
    hint: 'stop the server first; nothing was removed',
  });
}

function elsewhere(slot: string, database: string): TidelockError {
  return new TidelockError({
    code: 'BAD_CONFIG',
    message: `replication slot ${slot} belongs to database ${database}`,
    hint: 'name that database in --postgres; nothing was removed',
  });
}
