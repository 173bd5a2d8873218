/**
 * Which tables this role can bring into the stream: Postgres lets only an owner add a table to a publication,
 * and one statement that fails would keep all the others out.
 */
import { quoteName, quoteText } from '../core/table.ts';
import { quoteTable } from './names.ts';
import { IS_PLAIN } from './publication-health.ts';
import type { PgRow, PgSession } from './session.ts';
import type { TableDescription } from './table-fitness.ts';

export type Withheld = Extract<TableDescription, { readonly kind: 'unfit' }>;

const RIGHTS_SQL = (publication: string, tables: readonly string[]): string => `
  SELECT n.nspname || '.' || c.relname AS name, n.nspname AS schema, current_user AS role,
    o.rolname AS owner, o.rolsuper AS is_superuser_owned,
    r.oid IS NOT NULL AND ${IS_PLAIN} AS is_published,
    pg_catalog.pg_has_role(c.relowner, 'USAGE') AS is_owner,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS may_enter,
    pg_catalog.has_table_privilege(c.oid, 'SELECT') AS may_read
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
  LEFT JOIN pg_catalog.pg_publication p ON p.pubname = ${quoteText(publication)}
  LEFT JOIN pg_catalog.pg_publication_rel r ON r.prrelid = c.oid AND r.prpubid = p.oid
  WHERE c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname IN (${tables.map(quoteText).join(', ')})`;

/**
 * Of `tables`, those that this role may not publish and that nobody else has published for it, with the
 * statements that mend it. A table that is new to the replicas (not in `known`) must be readable too: they copy it.
 */
export async function withheldTables(
  session: PgSession,
  publication: string,
  { tables, known }: { readonly tables: readonly string[]; readonly known: readonly string[] },
): Promise<readonly Withheld[]> {
  if (tables.length === 0) return [];
  const rows = await session.query(RIGHTS_SQL(publication, tables));
  return rows.flatMap((row) => {
    const verdict = verdictOf(row, publication, known.includes(row.name ?? ''));
    return verdict === null ? [] : [{ kind: 'unfit', name: row.name ?? '', ...verdict }];
  });
}

function verdictOf(
  row: PgRow,
  publication: string,
  isKnown: boolean,
): { readonly reason: string; readonly remedy: string } | null {
  const role = quoteName(row.role ?? '');
  const table = quoteTable(row.name ?? '');
  if (row.is_published !== 't' && row.is_owner !== 't') {
    const owner = quoteName(row.owner ?? '');
    const read = row.may_read === 't' ? '' : `; GRANT SELECT ON ${table} TO ${role}`;
    const ways = [
      ...(row.is_superuser_owned === 't' ? [] : [`GRANT ${owner} TO ${role}`]),
      `ALTER TABLE ${table} OWNER TO ${role}`,
      `as a superuser: ALTER PUBLICATION ${quoteName(publication)} ADD TABLE ONLY ${table}${read}`,
    ];
    return {
      reason: `it belongs to role ${owner}, so role ${role} may not publish it`,
      remedy: ways.join(', or '),
    };
  }
  if (row.may_enter !== 't' && (row.is_published !== 't' || !isKnown)) {
    return {
      reason: `role ${role} may not use its schema, so it can be neither published nor copied`,
      remedy: `GRANT USAGE ON SCHEMA ${quoteName(row.schema ?? '')} TO ${role}`,
    };
  }
  if (row.may_read !== 't' && !isKnown) {
    return {
      reason: `role ${role} may not read it, so it cannot be copied`,
      remedy: `GRANT SELECT ON ${table} TO ${role}`,
    };
  }
  return null;
}
