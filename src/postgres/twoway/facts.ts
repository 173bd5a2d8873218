/** What the catalog says of a table that is to be two-way, and of what this role may. */
import { quoteText } from '../../core/table.ts';
import { OWN_SCHEMA, splitTableName } from '../names.ts';
import type { PgSession } from '../session.ts';

export type TwowayColumnFacts = {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly isNotNull: boolean;
  /** A default, identity or generation expression. */
  readonly hasDefault: boolean;
  /** a = GENERATED ALWAYS, d = BY DEFAULT. */
  readonly identity: '' | 'a' | 'd';
  readonly generated: '' | 's' | 'v';
};

export type TwowayFacts = {
  readonly oid: number;
  /** r = ordinary table, p = partitioned, f = foreign, v = view ... */
  readonly kind: string;
  readonly persistence: 'p' | 'u' | 't';
  readonly isPartition: boolean;
  /** It has inheritance children or parents. */
  readonly isInherited: boolean;
  /** A subscription writes it: Postgres fires no statement triggers then. */
  readonly isSubscribed: boolean;
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i';
  readonly hasRowSecurity: boolean;
  /** Null without a primary key. */
  readonly key: { readonly numbers: readonly number[]; readonly isImmediate: boolean } | null;
  readonly columns: readonly TwowayColumnFacts[];
  readonly owner: string;
  readonly isOwner: boolean;
};

/** What the role of the session may do. */
export type TwowayRights = {
  readonly role: string;
  readonly database: string;
  /** It may make the schema; true where the schema is there. */
  readonly mayCreate: boolean;
  /** Of our schema, when that is not this role; null when it is, or there is no schema. */
  readonly schemaOwner: string | null;
  readonly mayMakeRoles: boolean;
  readonly hasUserRole: boolean;
  readonly isUserMember: boolean;
  /** The user role may look up what is in our schema. */
  readonly mayUseSchema: boolean;
};

/** The privilege to act as a role. From version 16 on, who makes a role is a member of it who may not. */
export const MAY_BECOME = `CASE WHEN pg_catalog.current_setting('server_version_num')::int4 >= 160000 THEN 'SET' ELSE 'MEMBER' END`;

const COLUMN_FACTS = `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'number', a.attnum,
      'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'isNotNull', a.attnotnull,
      'hasDefault', a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
      'identity', a.attidentity, 'generated', a.attgenerated) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)`;

const factsSql = (schema: string, table: string): string => `
  SELECT pg_catalog.json_build_object('oid', c.oid::int8, 'kind', c.relkind, 'persistence', c.relpersistence,
    'isPartition', c.relispartition,
    'isInherited', EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent)),
    'isSubscribed', EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = c.oid),
    'replicaIdentity', c.relreplident, 'hasRowSecurity', c.relrowsecurity,
    'key', (SELECT pg_catalog.json_build_object('isImmediate', i.indimmediate,
        'numbers', (SELECT pg_catalog.json_agg(k.number ORDER BY k.place)
          FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place) WHERE k.place <= i.indnkeyatts))
      FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
    'columns', coalesce(${COLUMN_FACTS}, '[]'),
    'owner', pg_catalog.pg_get_userbyid(c.relowner),
    'isOwner', pg_catalog.pg_has_role(c.relowner, 'USAGE'))::text AS facts
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ${quoteText(schema)} AND c.relname = ${quoteText(table)} AND c.relkind NOT IN ('i', 'I', 't', 'S', 'c')`;

/** Null when there is no such relation. */
export async function readTwowayFacts(
  session: PgSession,
  name: string,
): Promise<TwowayFacts | null> {
  const { schema, table } = splitTableName(name);
  const [row] = await session.query(factsSql(schema, table));
  return row === undefined ? null : (JSON.parse(row.facts ?? '') as TwowayFacts);
}

export async function readTwowayRights(
  session: PgSession,
  userRole: string,
): Promise<TwowayRights> {
  const role = quoteText(userRole);
  const row = await session.queryOne(`
    SELECT current_user AS role, pg_catalog.current_database() AS database,
      s.oid IS NOT NULL OR pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create,
      CASE WHEN s.oid IS NOT NULL AND NOT pg_catalog.pg_has_role(s.nspowner, 'USAGE')
        THEN pg_catalog.pg_get_userbyid(s.nspowner) END AS schema_owner,
      r.rolsuper OR r.rolcreaterole AS may_make_roles, u.oid IS NOT NULL AS has_user_role,
      u.oid IS NOT NULL AND pg_catalog.pg_has_role(u.oid, ${MAY_BECOME}) AS is_user_member,
      u.oid IS NOT NULL AND s.oid IS NOT NULL AND pg_catalog.has_schema_privilege(u.oid, s.oid, 'USAGE') AS may_use_schema
    FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_roles u ON u.rolname = ${role}
    LEFT JOIN pg_catalog.pg_namespace s ON s.nspname = '${OWN_SCHEMA}'
    WHERE r.rolname = current_user`);
  return {
    role: row.role ?? '',
    database: row.database ?? '',
    mayCreate: row.may_create === 't',
    schemaOwner: row.schema_owner ?? null,
    mayMakeRoles: row.may_make_roles === 't',
    hasUserRole: row.has_user_role === 't',
    isUserMember: row.is_user_member === 't',
    mayUseSchema: row.may_use_schema === 't',
  };
}
