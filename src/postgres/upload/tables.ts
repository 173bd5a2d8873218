/** What an upload needs to know of the tables that it names: asked in its own transaction, so it is true there. */
import { mayBeEveryone, type SelectorRule } from '../../core/selector.ts';
import { quoteName, quoteText } from '../../core/table.ts';
import { kindOfType, type ValueKind } from '../../core/value.ts';
import { loadPgParser } from '../../sql/pg-parser.ts';
import { ruleSql } from '../copy-plan.ts';
import { OWN_SCHEMA, quoteTable } from '../names.ts';
import type { PgRow, PgSession } from '../session.ts';
import { parseTableFacts, type TableFacts, tableFactsSql } from '../table-facts.ts';
import type { Refusal } from '../table-fitness.ts';
import { ruleOf } from '../twoway/declaration.ts';

export type UploadColumn = {
  readonly name: string;
  /** Quoted. */
  readonly sql: string;
  readonly kind: ValueKind;
  /** The type without its modifier: a cast to it never cuts a value, the assignment then checks it. */
  readonly type: string;
  /** The type of arrays of it; null when it is itself an array. */
  readonly arrayType: string | null;
  /** The operator of the key's index; '=' outside the key. */
  readonly equals: string;
  /** The function that prints it. */
  readonly output: string;
  /** Every spelling that Postgres accepts is the one that it prints, so texts compare as values do. */
  readonly isLiteral: boolean;
  /** Of a column that may not be NULL: what a program means that does not name it in an insert. */
  readonly defaultSql: string | null;
  /** Postgres numbers it where an insert leaves it out. */
  readonly isIdentity: boolean;
};

export type UploadTable = {
  readonly name: string;
  /** Quoted, with schema. */
  readonly sql: string;
  /** The companion table, likewise. */
  readonly versionsSql: string;
  readonly key: readonly UploadColumn[];
  /** By place; null where a column was dropped. */
  readonly columns: readonly (UploadColumn | null)[];
  /** Columns outside the key that the companion has too. */
  readonly audience: readonly string[];
  /** It was renamed or dropped: nobody can write to it under this name. */
  readonly isGone: boolean;
  /** Why nothing is written to it for now; null: it is. */
  readonly held: Refusal | null;
  readonly rule: SelectorRule;
  /** The row's selector over unqualified columns; null: everybody sees every row. */
  readonly selectorSql: string | null;
  readonly mayBeEveryone: boolean;
  /** True: row-level security decides about writes; false: the token's selectors do. */
  readonly hasPolicies: boolean;
  readonly role: string;
  /** Name of the primary key's constraint. */
  readonly keyConstraint: string;
};

/** Base types whose text is the value: no second spelling. */
const LITERAL_OIDS = new Set([16, 17, 20, 21, 23, 25, 26, 701, 1043]);

const TABLES_SQL = `
SELECT r.name, r.versions_table, r.rule, r.rule_kind, r.role,
  pg_catalog.to_json(r.key_columns) AS keys, pg_catalog.to_json(r.columns) AS places,
  pg_catalog.to_json(r.audience) AS audience, c.columns,
  (SELECT k.conname FROM pg_catalog.pg_constraint k WHERE k.conrelid = r.relation AND k.contype = 'p') AS key_constraint
FROM ${OWN_SCHEMA}.twoway_tables r
CROSS JOIN LATERAL (
  SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, -1),
    'array_type', CASE WHEN t.typarray <> 0 THEN pg_catalog.format_type(t.typarray, -1) END,
    'base_oid', base.oid::text, 'base_type', base.typtype,
    'output', pg_catalog.quote_ident(fn.nspname) || '.' || pg_catalog.quote_ident(f.proname),
    'equals', (SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname) FROM pg_catalog.pg_index i
      CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indclass::oid[])) k(number, class)
      JOIN pg_catalog.pg_opclass pc ON pc.oid = k.class
      JOIN pg_catalog.pg_amop ao ON ao.amopfamily = pc.opcfamily AND ao.amoplefttype = pc.opcintype
        AND ao.amoprighttype = pc.opcintype AND ao.amopstrategy = 3
      JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
      WHERE i.indrelid = r.relation AND i.indisprimary AND k.number = a.attnum),
    'identity', a.attidentity,
    'default_sql', CASE WHEN a.attnotnull AND a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
    'is_deterministic', CASE WHEN coalesce(l.collisdeterministic, true) THEN 't' ELSE 'f' END)) AS columns
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
  CROSS JOIN LATERAL (
    WITH RECURSIVE b AS (
      SELECT t.oid, t.typtype, t.typbasetype, t.typoutput
      UNION ALL
      SELECT n.oid, n.typtype, n.typbasetype, n.typoutput
      FROM b JOIN pg_catalog.pg_type n ON n.oid = b.typbasetype WHERE b.typtype = 'd'
    ) SELECT oid, typtype, typoutput FROM b WHERE typtype <> 'd') base
  JOIN pg_catalog.pg_proc f ON f.oid = base.typoutput
  JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
  WHERE a.attrelid = r.relation AND a.attnum > 0 AND NOT a.attisdropped) c
WHERE r.name = ANY ($1::text[])`;

/** The two-way tables among `names`. Throws `INTERNAL` with SQLSTATE 42P01 where nothing was ever two-way. */
export async function readUploadTables(
  session: PgSession,
  names: readonly string[],
): Promise<ReadonlyMap<string, UploadTable>> {
  const rows = await session.query(TABLES_SQL, [textArray(names)]);
  const byName = await readPresentFacts(session, rows.map(nameOf));
  if (rows.some(hasPolicies)) await loadPgParser();
  return new Map(rows.map((row) => [nameOf(row), tableOf(row, byName.get(nameOf(row)))]));
}

/** Unlike others who ask for policies, an upload may wait for a change of schema: nobody waits for it in turn. */
async function readPresentFacts(
  session: PgSession,
  names: readonly string[],
): Promise<ReadonlyMap<string, TableFacts>> {
  if (names.length === 0) return new Map();
  const isNamed = `n.nspname || '.' || c.relname = ANY (${quoteText(textArray(names))}::text[])`;
  const rows = await session.query(tableFactsSql(isNamed));
  const facts = rows.map((row) => parseTableFacts(row.facts ?? ''));
  return new Map(facts.map((one) => [`${one.schema}.${one.table}`, one]));
}

function nameOf(row: PgRow): string {
  return row.name ?? '';
}

function hasPolicies(row: PgRow): boolean {
  return row.rule_kind === 'policy';
}

/** The rule as of now: policies may have changed since the table was made two-way, and only so all are asked alike. */
function ruleNow(row: PgRow, facts: TableFacts | undefined): SelectorRule | Refusal {
  if (facts === undefined) return { kind: 'everyone' };
  const [name, role] = [nameOf(row), row.role ?? ''];
  const ruleKind = hasPolicies(row) ? 'policy' : 'selector';
  return ruleOf(facts, { name, role, ruleKind, rule: row.rule ?? '' });
}

function tableOf(row: PgRow, present: TableFacts | undefined): UploadTable {
  const facts = new Map(
    (JSON.parse(row.columns ?? '[]') as PgRow[]).map((column) => [column.name ?? '', column]),
  );
  const columnOf = (name: string): PgRow => facts.get(name) ?? { name };
  const found = ruleNow(row, present);
  const rule: SelectorRule = 'reason' in found ? { kind: 'everyone' } : found;
  return {
    name: nameOf(row),
    sql: quoteTable(nameOf(row)),
    isGone: present === undefined,
    held: 'reason' in found ? found : null,
    rule,
    versionsSql: row.versions_table ?? '',
    key: names(row.keys).map((name) => describe(columnOf(name))),
    columns: names(row.places).map((name) => (facts.has(name) ? describe(columnOf(name)) : null)),
    audience: names(row.audience),
    selectorSql: rule.kind === 'everyone' ? null : ruleSql(rule.expression, columnOf),
    mayBeEveryone: mayBeEveryone(rule),
    hasPolicies: hasPolicies(row),
    role: row.role ?? '',
    keyConstraint: row.key_constraint ?? '',
  };
}

function names(json: string | null | undefined): readonly string[] {
  return JSON.parse(json ?? '[]') as string[];
}

function describe(facts: PgRow): UploadColumn {
  const oid = Number(facts.base_oid);
  return {
    name: facts.name ?? '',
    sql: quoteName(facts.name ?? ''),
    kind: kindOfType(oid),
    type: facts.type ?? 'text',
    arrayType: facts.array_type ?? null,
    equals: facts.equals ?? '=',
    output: facts.output ?? 'textout',
    isLiteral: LITERAL_OIDS.has(oid),
    defaultSql: facts.default_sql ?? null,
    isIdentity: (facts.identity ?? '') !== '',
  };
}

/** A list as the text of a Postgres array. */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map(element).join(',')}}`;
}

const SPECIAL = /["\\]/;

function element(value: string | null): string {
  if (value === null) return 'NULL';
  return SPECIAL.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
}
