/** Installs the event triggers and reads what they say. */
import { createHash } from 'node:crypto';
import type { LogicalMessage } from '../core/source.ts';
import { quoteText } from '../core/table.ts';
import { byName, describeFacts, describeMissing, fullName } from './catalog.ts';
import { DDL_PREFIX, EVENT_TRIGGERS, INSTALL_SQL, UNINSTALL_SQL } from './ddl-sql.ts';
import { OWN_SCHEMA } from './names.ts';
import { sqlStateOf } from './pg-errors.ts';
import type { ReplicaIdentityMode } from './replica-identity.ts';
import type { PgSession } from './session.ts';
import { parseTableFacts } from './table-facts.ts';
import type { TableDeclaration, TableDescription } from './table-fitness.ts';

/** A tiny transaction: when it arrives, everything that committed before it has arrived. */
export const BARRIER_SQL =
  "SELECT pg_catalog.pg_logical_emit_message(true, 'tidelock.barrier', '')";

/** What one message says about one table. */
export type DdlEvent = {
  readonly name: string;
  /** The table from this point of the transaction on. */
  readonly description: TableDescription;
  /** It became replicated in this transaction, published before its first row. */
  readonly isNew: boolean;
  /** Rows changed without being sent. */
  readonly isRewritten: boolean;
  /** The triggers gave it REPLICA IDENTITY FULL in this transaction. */
  readonly isGivenFull: boolean;
};

export type InstallOptions = {
  readonly publication: string;
  readonly declarations: readonly TableDeclaration[];
  readonly replicaIdentity: ReplicaIdentityMode;
};

export type InstallResult =
  | { readonly kind: 'installed' }
  /** The role may not: changes of schema are then found by comparing layouts, and new tables at a restart. */
  | { readonly kind: 'skipped'; readonly reason: string };

/** Two servers that start at once install one after the other. */
const INSTALL_LOCK = 7_110_842_431;

const PRESENT_SQL = `
  SELECT pg_catalog.to_regclass('${OWN_SCHEMA}.installation') IS NOT NULL AS has_schema,
    (SELECT count(*) FROM pg_catalog.pg_event_trigger
      WHERE evtname IN (${EVENT_TRIGGERS.map(quoteText).join(', ')}) AND evtenabled = 'A') AS triggers`;

/**
 * Installs or updates the triggers and tells them what this server replicates. Idempotent. Call it before
 * `reconcilePublication`, which shows them the tables.
 */
export async function installTriggers(
  session: PgSession,
  options: InstallOptions,
): Promise<InstallResult> {
  try {
    await session.query(`BEGIN; SELECT pg_catalog.pg_advisory_xact_lock(${INSTALL_LOCK})`);
    if (!(await isPresent(session))) {
      await session.query(INSTALL_SQL);
      await session.query(
        `INSERT INTO ${OWN_SCHEMA}.installation(stamp) VALUES (${quoteText(stamp())})
         ON CONFLICT (only_one) DO UPDATE SET stamp = excluded.stamp`,
      );
    }
    await session.query(declareSql(options));
    await session.query('COMMIT');
    return { kind: 'installed' };
  } catch (error) {
    if (!session.isLost) await session.query('ROLLBACK');
    if (sqlStateOf(error) !== '42501') throw error;
    return { kind: 'skipped', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Removes the triggers and the schema. The publication and the slot stay. */
export async function uninstallTriggers(session: PgSession): Promise<void> {
  await session.query(`BEGIN; ${UNINSTALL_SQL} COMMIT`);
}

/** True when this program's triggers are there, in this version. */
export async function hasTriggers(session: PgSession): Promise<boolean> {
  try {
    return await isPresent(session);
  } catch (error) {
    if (sqlStateOf(error) === '42501') return false;
    throw error;
  }
}

/**
 * What a message of the stream says about tables; null when it is not of ours. Anybody may write messages
 * into the stream: one that does not have our form says nothing.
 */
export function parseDdlMessage(
  message: LogicalMessage,
  declarations: readonly TableDeclaration[],
): readonly DdlEvent[] | null {
  if (message.prefix !== DDL_PREFIX || !message.isTransactional) return null;
  try {
    const { buffer, byteOffset, byteLength } = message.content;
    const text = Buffer.from(buffer, byteOffset, byteLength).toString('utf8');
    const event = JSON.parse(text) as Record<string, unknown>;
    const { name, facts, version, isNew, isRewritten, isGivenFull } = event;
    if (typeof name !== 'string') return [];
    const declared = byName(declarations);
    const description: TableDescription =
      facts === null
        ? describeMissing(name, declared)
        : describeFacts(parseTableFacts(JSON.stringify(facts)), declared, Number(version));
    const flags = {
      isNew: isNew === true,
      isRewritten: isRewritten === true,
      isGivenFull: isGivenFull === true,
    };
    return [{ name, description, ...flags }];
  } catch {
    return [];
  }
}

async function isPresent(session: PgSession): Promise<boolean> {
  const present = await session.queryOne(PRESENT_SQL);
  if (present.has_schema !== 't' || Number(present.triggers) !== EVENT_TRIGGERS.length)
    return false;
  const [row] = await session.query(`SELECT stamp FROM ${OWN_SCHEMA}.installation`);
  return row?.stamp === stamp();
}

function declareSql({ publication, declarations, replicaIdentity }: InstallOptions): string {
  const name = quoteText(publication);
  const declaration = `${OWN_SCHEMA}.declaration`;
  const rows = declarations.map((table) => `(${name}, ${quoteText(fullName(table.name))})`);
  const insert =
    rows.length === 0
      ? ''
      : `INSERT INTO ${declaration} VALUES ${rows.join(', ')} ON CONFLICT DO NOTHING;`;
  return `INSERT INTO ${OWN_SCHEMA}.publication(name, is_full) VALUES (${name}, ${replicaIdentity === 'full'})
      ON CONFLICT (name) DO UPDATE SET is_full = excluded.is_full;
    DELETE FROM ${declaration} WHERE publication = ${name}; ${insert}`;
}

/** Changes with every change of what is installed. */
function stamp(): string {
  return createHash('sha256').update(INSTALL_SQL).digest('hex').slice(0, 16);
}
