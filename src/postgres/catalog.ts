/** Asks Postgres' catalog which tables there are to replicate, and how they look. */
import { parseSelectorRule, type SelectorRule } from '../core/selector.ts';
import { quoteText } from '../core/table.ts';
import { quoteTable, SELECTOR_COLUMN, splitTableName } from './names.ts';
import { sqlStateOf } from './pg-errors.ts';
import type { PgSession } from './session.ts';
import { parseTableFacts, type TableFacts, tableFactsSql, USER_TABLES } from './table-facts.ts';
import { judgeByRule, type TableDeclaration, type TableDescription } from './table-fitness.ts';

/** Tables that are declared, or that have the selector column. */
const HAS_SELECTOR_COLUMN = `EXISTS (SELECT FROM pg_catalog.pg_attribute s
  WHERE s.attrelid = c.oid AND s.attname = '${SELECTOR_COLUMN}' AND NOT s.attisdropped)`;

/** Everything that has rows of its own and a name that can be declared. */
const IS_RELATION = `c.relkind NOT IN ('i', 'I', 't', 'S', 'c')`;

/** How long a question about policies waits behind a change of schema. */
const POLICY_LOCK_MS_MAX = 200;

/** `server_version_num`, for example 180004. */
export async function serverVersion(session: PgSession): Promise<number> {
  const row = await session.queryOne('SHOW server_version_num');
  return Number(row.server_version_num);
}

/**
 * Every table that is declared or has the column `_change_selector`, partitions excepted, in the order of
 * their names. A declared table that does not exist is `missing`.
 */
export async function describeTables(
  session: PgSession,
  declarations: readonly TableDeclaration[],
): Promise<readonly TableDescription[]> {
  const version = await serverVersion(session);
  const declared = byName(declarations);
  const facts = await queryFacts(session, selectedTablesSql(declarations));
  const names = new Set(facts.map(nameOf));
  const missing = [...declared.keys()]
    .filter((name) => !names.has(name))
    .map((name): TableDescription => describeMissing(name, declared));
  const isCompanion = (one: TableFacts): boolean =>
    declared.get(nameOf(one))?.twoway?.companion === null;
  const found = new Map(
    [...facts.filter((one) => !isCompanion(one)), ...facts.filter(isCompanion)].map((one) => [
      one.oid,
      describeFacts(one, declared, version),
    ]),
  );
  return [...facts.flatMap(({ oid }) => found.get(oid) ?? []), ...missing];
}

/** A condition over `c` of pg_class and `n` of pg_namespace: the tables that `describeTables` finds. */
export function selectedTablesSql(declarations: readonly TableDeclaration[]): string {
  return `(${isNamed([...byName(declarations).keys()])})
    OR (${USER_TABLES} AND NOT c.relispartition AND ${HAS_SELECTOR_COLUMN})`;
}

/** One table by name; `missing` also when it is neither declared nor has the selector column. */
export async function describeTable(
  session: PgSession,
  name: string,
  declarations: readonly TableDeclaration[],
): Promise<TableDescription> {
  const version = await serverVersion(session);
  const [facts] = await queryFacts(session, isNamed([fullName(name)]));
  const declared = byName(declarations);
  if (facts === undefined) return describeMissing(name, declared);
  return describeFacts(facts, declared, version);
}

/** What the catalog says of tables with these full names. */
export async function readFacts(
  session: PgSession,
  names: readonly string[],
): Promise<readonly TableFacts[]> {
  return names.length === 0 ? [] : await queryFacts(session, isNamed(names));
}

/**
 * Policies are left out while a change of schema waits for one of the tables: it may wait for a snapshot, the
 * snapshot for the stream, and the stream for this question. What is changed comes with the stream anyway.
 */
async function queryFacts(session: PgSession, condition: string): Promise<readonly TableFacts[]> {
  const read = async (sql: string): Promise<readonly TableFacts[]> =>
    (await session.query(sql)).map((row) => parseTableFacts(row.facts ?? ''));
  try {
    return await read(
      `SET LOCAL lock_timeout = ${POLICY_LOCK_MS_MAX}; ${tableFactsSql(condition)}`,
    );
  } catch (error) {
    if (sqlStateOf(error) !== '55P03') throw error;
    return await read(tableFactsSql(condition, 'withoutPolicies'));
  }
}

/**
 * Statements that put what the catalog says of tables into the stream, one message each in the form that
 * `parseDdlMessage` reads. `present` are locked until the commit: a change of schema commits before the look
 * or behind the messages, so they are true at their place in the stream, however late it is read.
 */
export function announceSql(request: {
  readonly prefix: string;
  readonly names: readonly string[];
  readonly present: readonly string[];
  /** Tables whose rows may have changed without being sent. */
  readonly rewritten: readonly string[];
}): string {
  const { prefix, names, present, rewritten } = request;
  const facts = tableFactsSql(`${IS_RELATION} AND n.nspname || '.' || c.relname = wanted.name`);
  const messages = `SELECT pg_catalog.pg_logical_emit_message(true, ${quoteText(prefix)},
      pg_catalog.json_build_object('name', wanted.name,
        'version', pg_catalog.current_setting('server_version_num')::int,
        'isRewritten', wanted.is_rewritten,
        'facts', (SELECT f.facts::json FROM (${facts}) f))::text)
    FROM (VALUES ${names.map((name) => `(${quoteText(name)}, ${rewritten.includes(name)})`).join(', ')})
      wanted(name, is_rewritten)`;
  if (present.length === 0) return messages;
  const tables = present.map((name) => `ONLY ${quoteTable(name)}`).join(', ');
  return `LOCK TABLE ${tables} IN ACCESS SHARE MODE; ${messages}`;
}

/** The same from facts that are already known: an event trigger's message carries them. */
export function describeFacts(
  facts: TableFacts,
  declared: ReadonlyMap<string, TableDeclaration>,
  version: number,
): TableDescription {
  const name = nameOf(facts);
  const declaration = declared.get(name);
  const twoway = declaration?.twoway;
  const rule = twoway?.ruleFor(facts, version) ?? declaration?.selector ?? defaultRule(facts);
  if (rule === undefined) return { kind: 'missing', name };
  const description = judgeByRule(facts, rule, version);
  return twoway?.complete(description, facts) ?? description;
}

/** What is said of a table that does not exist. */
export function describeMissing(
  name: string,
  declared: ReadonlyMap<string, TableDeclaration>,
): TableDescription {
  const description: TableDescription = { kind: 'missing', name };
  return declared.get(fullName(name))?.twoway?.complete(description, null) ?? description;
}

/** Declarations by full name. A name without a schema means `public`. */
export function byName(
  declarations: readonly TableDeclaration[],
): ReadonlyMap<string, TableDeclaration> {
  return new Map(declarations.map((declaration) => [fullName(declaration.name), declaration]));
}

function nameOf({ schema, table }: TableFacts): string {
  return `${schema}.${table}`;
}

function defaultRule(facts: TableFacts): SelectorRule | undefined {
  if (facts.isPartition) return undefined;
  const hasColumn = facts.columns.some((column) => column.name === SELECTOR_COLUMN);
  return hasColumn ? parseSelectorRule(SELECTOR_COLUMN) : undefined;
}

/** The name with its schema. */
export function fullName(name: string): string {
  const { schema, table } = splitTableName(name);
  return `${schema}.${table}`;
}

function isNamed(names: readonly string[]): string {
  const pairs = names.map((name) => {
    const { schema, table } = splitTableName(name);
    return `(${quoteText(schema)}, ${quoteText(table)})`;
  });
  return pairs.length === 0
    ? 'false'
    : `${IS_RELATION} AND (n.nspname, c.relname) IN (${pairs.join(', ')})`;
}
