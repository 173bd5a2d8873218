/** Reads which tables are two-way. */

import type { PgSession } from '../session.ts';
import { REGISTRY } from './schema-sql.ts';

/** Of messages in the stream that say: the registry changed in this transaction. */
export const TWOWAY_PREFIX = 'tidelock.twoway';

export type TwowayTable = {
  readonly oid: number;
  /** `schema.table`, as it is called now. */
  readonly name: string;
  /** False when it was dropped: only what is ours is left. */
  readonly isPresent: boolean;
  /** Its companion as `schema.table`; the name needs no quotes. */
  readonly versionsTable: string;
  readonly key: readonly string[];
  readonly keyNumbers: readonly number[];
  /** Non-key columns by place; a dropped one left an empty name. */
  readonly columns: readonly string[];
  /** Their numbers in pg_attribute; 0 for a dropped one. */
  readonly columnNumbers: readonly number[];
  /** Non-key columns that the rule reads: the companion has them too. */
  readonly audience: readonly string[];
  /** The text of the selector rule; `*` for everyone. */
  readonly rule: string;
  readonly ruleKind: 'policy' | 'selector';
  /** As whom replicas' writes are done. */
  readonly role: string;
};

const READ_SQL = `
  SELECT pg_catalog.json_build_object('oid', t.relation::oid::int8,
    'name', coalesce(n.nspname || '.' || c.relname, t.name), 'isPresent', c.oid IS NOT NULL,
    'versionsTable', t.versions_table, 'key', t.key_columns, 'keyNumbers', t.key_numbers, 'columns', t.columns, 'columnNumbers', t.column_numbers,
    'audience', t.audience, 'rule', t.rule, 'ruleKind', t.rule_kind, 'role', t.role)::text AS entry
  FROM ${REGISTRY} t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.relation
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY t.name`;

/** In the order of their names; none when two-way sync was never installed. */
export async function readTwowayTables(session: PgSession): Promise<readonly TwowayTable[]> {
  const { known } = await session.queryOne(
    `SELECT pg_catalog.to_regclass('${REGISTRY}') IS NOT NULL AS known`,
  );
  if (known !== 't') return [];
  const rows = await session.query(READ_SQL);
  return rows.map(({ entry }) => JSON.parse(entry ?? '') as TwowayTable);
}
