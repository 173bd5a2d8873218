/** What may have been taken away while the stream runs: Postgres sends on, and says nothing about it. */
import { quoteName, quoteText } from '../core/table.ts';
import { quoteTable } from './names.ts';
import type { PgSession } from './session.ts';

export type PublicationHealth = {
  readonly exists: boolean;
  /** Every kind of change is published, partitions under the name of their root. */
  readonly isWhole: boolean;
  /** Of the tables asked for: those that are not published, or only in part. */
  readonly missing: readonly string[];
  /** Of the tables asked for: those that this role cannot copy, with the statement that mends it. */
  readonly unreadable: ReadonlyMap<string, string>;
};

/** True for a publication that sends every kind of change; `p` is the row of pg_publication. */
export const IS_WHOLE = `p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AND p.pubviaroot`;

/** Row filters and column lists are never ours; `r` is the row of pg_publication_rel. */
export const IS_PLAIN = `coalesce(pg_catalog.to_jsonb(r) ->> 'prqual', pg_catalog.to_jsonb(r) ->> 'prattrs') IS NULL`;

const HEALTH_SQL = (publication: string, tables: readonly string[]): string => `
  SELECT wanted.name, p.oid IS NOT NULL AS exists, ${IS_WHOLE} AS is_whole,
    r.oid IS NOT NULL AND ${IS_PLAIN} AS is_published,
    pg_catalog.has_schema_privilege(c.nsp, 'USAGE') AS may_enter,
    pg_catalog.has_table_privilege(c.oid, 'SELECT') AS may_read,
    pg_catalog.row_security_active(c.oid) AS is_filtered, current_user AS role
  FROM (VALUES ${['', ...tables].map((name) => `(${quoteText(name)})`).join(', ')}) wanted(name)
  LEFT JOIN pg_catalog.pg_publication p ON p.pubname = ${quoteText(publication)}
  LEFT JOIN (
    SELECT c.oid, n.oid AS nsp, n.nspname || '.' || c.relname AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace) c USING (name)
  LEFT JOIN pg_catalog.pg_publication_rel r ON r.prrelid = c.oid AND r.prpubid = p.oid`;

/** Looks at the publication and at the rights of this session's role. */
export async function readPublicationHealth(
  session: PgSession,
  publication: string,
  tables: readonly string[],
): Promise<PublicationHealth> {
  const rows = await session.query(HEALTH_SQL(publication, tables));
  const missing: string[] = [];
  const unreadable = new Map<string, string>();
  for (const row of rows) {
    const name = row.name ?? '';
    if (name === '') continue;
    if (row.is_published !== 't') missing.push(name);
    const reason = unreadableBecause(name, row);
    if (reason !== null) unreadable.set(name, reason);
  }
  const [first] = rows;
  return { exists: first?.exists === 't', isWhole: first?.is_whole === 't', missing, unreadable };
}

/** Null too for a table that is gone. */
function unreadableBecause(
  name: string,
  row: Readonly<Record<string, string | null>>,
): string | null {
  const role = quoteName(row.role ?? '');
  const [schema = ''] = name.split('.');
  if (row.may_enter === 'f') {
    return `role ${role} may not use its schema, so it cannot be copied or checked; GRANT USAGE ON SCHEMA ${quoteName(schema)} TO ${role}`;
  }
  if (row.may_read === 'f') {
    return `role ${role} may not read it, so it cannot be copied or checked; GRANT SELECT ON ${quoteTable(name)} TO ${role}`;
  }
  if (row.is_filtered === 't') {
    return `row-level security hides rows of it from role ${role}, so it cannot be copied or checked; ALTER ROLE ${role} BYPASSRLS`;
  }
  return null;
}
