/**
 * What Postgres' catalog says about a table, as one JSON value. The same SQL is asked by this program and
 * runs inside the event trigger, where it sees the table as it is at that point of the transaction.
 */
import { OWN_SCHEMA } from './names.ts';
import type { PolicyFacts } from './policy/rule.ts';

export type ColumnFacts = {
  readonly name: string;
  /** Of pg_attribute: stays when the column is renamed. Missing in messages of older versions of our triggers. */
  readonly number?: number | undefined;
  /** `character varying(10)` */
  readonly type: string;
  /** The type without domains. */
  readonly baseOid: number;
  /** p = always in the row; x, e, m = may be stored out of line. */
  readonly storage: 'p' | 'e' | 'm' | 'x';
  /** '' = ordinary, s = stored generated, v = virtual generated. */
  readonly generated: '' | 's' | 'v';
  /** Value of rows that are older than the column: `missing` is its text. */
  readonly hasMissing: boolean;
  readonly missing: string | null;
  /** A default, identity or generation expression exists now. */
  readonly hasDefault: boolean;
  /** False where equal texts need not have equal bytes; missing in older messages. */
  readonly isDeterministic?: boolean | undefined;
};

export type IndexFacts = {
  readonly name: string;
  readonly isPrimary: boolean;
  readonly isUnique: boolean;
  readonly isImmediate: boolean;
  readonly isReplicaIdentity: boolean;
  /** A btree over plain columns, without condition or expression. */
  readonly isPlain: boolean;
  readonly columns: readonly string[];
};

/** A partition that holds rows: how Postgres logs the old rows of these. */
export type LeafFacts = {
  /** `schema.table` */
  readonly name: string;
  readonly identity: 'd' | 'n' | 'f' | 'i';
  /** Of its key or identity index, as `identity` says; empty for the other two. */
  readonly columns: readonly string[];
};

export type RowSecurityFacts = {
  /** Roles to which it does not apply: superusers, BYPASSRLS, and owners unless it is forced. */
  readonly exempt: readonly string[];
  readonly policies: readonly PolicyFacts[];
};

export type TableFacts = {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  /** r = ordinary, p = partitioned; anything else cannot be replicated. */
  readonly kind: string;
  /** p = permanent, u = unlogged, t = temporary. */
  readonly persistence: 'p' | 'u' | 't';
  readonly identity: 'd' | 'n' | 'f' | 'i';
  readonly isPartition: boolean;
  /** The root of the partition tree; null unless `isPartition`. */
  readonly root: string | null;
  readonly columns: readonly ColumnFacts[];
  readonly indexes: readonly IndexFacts[];
  /** Empty unless it is partitioned; missing in messages of older versions of our triggers. */
  readonly leaves?: readonly LeafFacts[] | undefined;
  /** Null while it is off; missing where it could not be read, and in messages of older versions of our triggers. */
  readonly rowSecurity?: RowSecurityFacts | null | undefined;
};

const LEAVES = `SELECT relid FROM pg_catalog.pg_partition_tree(c.oid) WHERE isleaf AND relid <> c.oid`;

/** Base type of a domain of a domain of ... */
const BASE_TYPE = `(
  WITH RECURSIVE base(oid, typtype, typbasetype) AS (
    SELECT oid, typtype, typbasetype FROM pg_catalog.pg_type WHERE oid = a.atttypid
    UNION ALL
    SELECT t.oid, t.typtype, t.typbasetype FROM base
    JOIN pg_catalog.pg_type t ON t.oid = base.typbasetype WHERE base.typtype = 'd'
  ) SELECT oid::int8 FROM base WHERE typtype <> 'd')`;

/** A partitioned table keeps nothing itself: its partitions know what older rows have. */
const MISSING = (expression: string): string => `(
  SELECT ${expression} FROM pg_catalog.pg_attribute m
  WHERE m.attname = a.attname AND NOT m.attisdropped
    AND (m.attrelid = c.oid AND c.relkind = 'r' OR c.relkind = 'p' AND m.attrelid IN (${LEAVES})))`;

const HAS_MISSING = MISSING('coalesce(pg_catalog.bool_or(m.atthasmissing), false)');
const MISSING_TEXT = MISSING(
  'pg_catalog.min((m.attmissingval::pg_catalog.text::pg_catalog.text[])[1])',
);

const COLUMNS = `(
  SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', a.attname,
    'number', a.attnum,
    'isDeterministic', coalesce((SELECT l.collisdeterministic FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation), true),
    'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
    'baseOid', ${BASE_TYPE},
    'storage', a.attstorage,
    'generated', a.attgenerated,
    'hasMissing', ${HAS_MISSING},
    'missing', ${MISSING_TEXT},
    'hasDefault', a.atthasdef OR a.attidentity <> '') ORDER BY a.attnum), '[]')
  FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)`;

const INDEXES = `(
  SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', ic.relname,
    'isPrimary', i.indisprimary,
    'isUnique', i.indisunique,
    'isImmediate', i.indimmediate,
    'isReplicaIdentity', i.indisreplident,
    'isPlain', am.amname = 'btree' AND i.indpred IS NULL AND i.indexprs IS NULL,
    'columns', (SELECT pg_catalog.json_agg(k.attname ORDER BY n)
      FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY u(num, n)
      JOIN pg_catalog.pg_attribute k ON k.attrelid = c.oid AND k.attnum = u.num
      WHERE n <= i.indnkeyatts)) ORDER BY ic.relname), '[]')
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
  JOIN pg_catalog.pg_am am ON am.oid = ic.relam
  WHERE i.indrelid = c.oid AND i.indisvalid)`;

const LEAF_FACTS = `(
  SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', ln.nspname || '.' || l.relname,
    'identity', l.relreplident,
    'columns', (SELECT coalesce(pg_catalog.json_agg(k.attname), '[]')
      FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute k
        ON k.attrelid = l.oid AND k.attnum = ANY (i.indkey::int2[])
      WHERE i.indrelid = l.oid AND (l.relreplident = 'd' AND i.indisprimary
        OR l.relreplident = 'i' AND i.indisreplident))) ORDER BY ln.nspname, l.relname), '[]')
  FROM pg_catalog.pg_class l JOIN pg_catalog.pg_namespace ln ON ln.oid = l.relnamespace
  WHERE c.relkind = 'p' AND l.oid IN (${LEAVES}))`;

/** Expressions are printed under search_path = pg_catalog: every other name has its schema. */
const POLICIES = `(
  SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', p.polname,
    'isPermissive', p.polpermissive,
    'command', p.polcmd,
    'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
    'roles', CASE WHEN NOT 0 = ANY (p.polroles) THEN (
      SELECT coalesce(pg_catalog.json_agg(r.rolname ORDER BY r.rolname), '[]') FROM pg_catalog.pg_roles r
      WHERE EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) u(role) WHERE pg_catalog.pg_has_role(r.oid, u.role, 'USAGE')))
      END) ORDER BY p.polname), '[]')
  FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid)`;

const ROW_SECURITY = `CASE WHEN c.relrowsecurity THEN pg_catalog.json_build_object(
  'exempt', (SELECT coalesce(pg_catalog.json_agg(r.rolname ORDER BY r.rolname), '[]') FROM pg_catalog.pg_roles r
    WHERE r.rolsuper OR r.rolbypassrls OR NOT c.relforcerowsecurity AND pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE')),
  'policies', ${POLICIES}) END`;

/** One JSON value for the row `c` of pg_class with `n` of pg_namespace. */
const FACTS = (security: string): string => `pg_catalog.json_build_object(
  'oid', c.oid::int8,
  'schema', n.nspname,
  'table', c.relname,
  'kind', c.relkind,
  'persistence', c.relpersistence,
  'identity', c.relreplident,
  'isPartition', c.relispartition,
  'root', CASE WHEN c.relispartition THEN (
    SELECT rn.nspname || '.' || r.relname FROM pg_catalog.pg_class r
    JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
    WHERE r.oid = pg_catalog.pg_partition_root(c.oid)) END,
  'columns', ${COLUMNS},
  'indexes', ${INDEXES},
  'leaves', ${LEAF_FACTS}${security})`;

/**
 * A query of one text column `facts` for the tables that fit `condition` (over c and n). To print a policy, Postgres
 * locks its table in ACCESS SHARE mode; `withoutPolicies` leaves `rowSecurity` away, and takes no locks.
 */
export function tableFactsSql(
  condition: string,
  policies: 'withPolicies' | 'withoutPolicies' = 'withPolicies',
): string {
  const security = policies === 'withPolicies' ? `,\n  'rowSecurity', ${ROW_SECURITY}` : '';
  return `SELECT ${FACTS(security)}::pg_catalog.text AS facts
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE ${condition} ORDER BY n.nspname, c.relname`;
}

/** Tables of users: no temporary ones, nothing of Postgres or of ours. */
export const USER_TABLES = `c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', '${OWN_SCHEMA}')`;

/** Reads what the query returns. The JSON is our own SQL's, so its shape is known. */
export function parseTableFacts(text: string): TableFacts {
  return JSON.parse(text) as TableFacts;
}
