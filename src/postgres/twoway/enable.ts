/**
 * Makes a table two-way, and one-way again. Everything happens in one transaction that first locks the table against
 * writers: no write is between "not versioned" and "versioned". Rows that exist are at causal length 1 and version 1
 * without being touched.
 */
import { createHash } from 'node:crypto';
import { TidelockError } from '../../core/errors.ts';
import { columnsOf, EVERYONE, parseSelectorRule } from '../../core/selector.ts';
import { quoteText } from '../../core/table.ts';
import { fullName } from '../catalog.ts';
import { OWN_SCHEMA, quoteTable, SELECTOR_COLUMN } from '../names.ts';
import type { PgSession } from '../session.ts';
import { readTwowayFacts, readTwowayRights, type TwowayFacts } from './facts.ts';
import { judgeTwoway, keyColumns, requireRights } from './fitness.ts';
import { installSchema, inTransaction } from './install.ts';
import { compileTable } from './policies.ts';
import { readTwowayTables, TWOWAY_PREFIX, type TwowayTable } from './registry.ts';
import { grantSql, REGISTRY, USER_ROLE } from './schema-sql.ts';
import { TWOWAY_TRIGGERS } from './trigger-sql.ts';

/** A server that streams follows at once. */
const TELL_SQL = `SELECT pg_catalog.pg_logical_emit_message(true, '${TWOWAY_PREFIX}', '')`;

export type RuleKind = 'policy' | 'selector';

export type EnableOptions = {
  /** `schema.table`; without a schema in `public`. */
  readonly table: string;
  /** The text of a selector rule, `*` for everyone. Absent: what it was, else what the table tells. */
  readonly rule?: string | undefined;
  /** Whether the rule was compiled from the table's policies. Absent: `selector`. */
  readonly ruleKind?: RuleKind | undefined;
  /** As whom replicas' writes are done. Absent: what it was, else `tidelock_user`. */
  readonly role?: string | undefined;
  /** Say what would be done, and change nothing. */
  readonly isDry?: boolean | undefined;
  /** How long writers may hold the table, while everybody who comes later waits for us; 10 s by default. */
  readonly lockMsMax?: number | undefined;
};

export type EnableResult = {
  readonly table: string;
  /** What was run, or would be, in order. Empty: everything was there already. */
  readonly statements: readonly string[];
  readonly warnings: readonly string[];
  readonly rule: string;
  readonly ruleKind: RuleKind;
  readonly role: string;
};

export type DisableResult = { readonly table: string; readonly statements: readonly string[] };

/**
 * Enables a table, or mends one that is enabled. Throws `NOT_FOUND`, `TABLE_UNFIT` or `SOURCE_UNFIT` (missing rights)
 * with what to do, and `BUSY` when writers do not let go of the table; then nothing was changed.
 */
export async function enableTwoway(
  session: PgSession,
  options: EnableOptions,
): Promise<EnableResult> {
  const name = fullName(options.table);
  const facts = await readTwowayFacts(session, name);
  if (facts === null) throw notFound(name);
  const known = await readKnown(session, facts.oid);
  const role = options.role ?? known?.role ?? USER_ROLE;
  const isByPolicy = facts.hasRowSecurity && options.rule === undefined;
  const compiled = isByPolicy ? await compileTable(session, { name, role }) : undefined;
  const { rule, ruleKind } = ruleFor(name, { facts, known, options: { ...options, ...compiled } });
  const warnings = [...judgeTwoway(name, facts, parseSelectorRule(rule))];
  if (known !== undefined) requireSameKey(name, facts, known);
  const rights = await readTwowayRights(session, role);
  requireRights({ what: `make ${name} two-way`, owners: [facts], userRole: role }, rights);
  if (options.role !== undefined && !rights.hasUserRole)
    warnings.push(`there was no role ${role}: it is made, without any right but those named here`);
  const work: Work = { name, facts, known, rule, ruleKind, role, warnings, statements: [] };
  await inTransaction(session, {
    what: name,
    isKept: options.isDry !== true,
    lockMsMax: options.lockMsMax,
    run: () => install(session, work, options.isDry === true),
  });
  return { table: name, statements: work.statements, warnings, rule, ruleKind, role };
}

/** Removes everything of the table. Its rows stay; replicas go on one-way where the table is declared. */
export async function disableTwoway(
  session: PgSession,
  options: { readonly table: string; readonly isDry?: boolean | undefined },
): Promise<DisableResult> {
  const name = fullName(options.table);
  const entry = (await readTwowayTables(session)).find((table) => table.name === name);
  if (entry === undefined) return { table: name, statements: [] };
  const statements = disableSql(entry);
  if (options.isDry !== true) {
    await inTransaction(session, {
      ...{ what: name, isKept: true },
      run: () => session.query([...statements, TELL_SQL].join(';\n')).then(() => undefined),
    });
  }
  return { table: name, statements };
}

/** A role that may not even look into our schema learns of that from `requireRights`. */
async function readKnown(session: PgSession, oid: number): Promise<TwowayTable | undefined> {
  const { schemaOwner } = await readTwowayRights(session, USER_ROLE);
  if (schemaOwner !== null) return undefined;
  return (await readTwowayTables(session)).find((table) => table.oid === oid);
}

/** Also of a table that was dropped meanwhile: its triggers went with it. */
export function disableSql(entry: TwowayTable): readonly string[] {
  const kinds = ['insert', 'update', 'delete', 'truncate'];
  const table = quoteTable(entry.name);
  const ofTable = entry.isPresent
    ? [
        ...TWOWAY_TRIGGERS.map((trigger) => `DROP TRIGGER IF EXISTS ${trigger} ON ${table}`),
        `REVOKE SELECT, INSERT, UPDATE, DELETE ON ${table} FROM "${entry.role.replaceAll('"', '""')}"`,
      ]
    : [];
  return [
    ...ofTable,
    ...kinds.map((kind) => `DROP FUNCTION IF EXISTS ${entry.versionsTable}_${kind}()`),
    `DROP TABLE IF EXISTS ${entry.versionsTable}`,
    `DELETE FROM ${REGISTRY} WHERE versions_table = ${quoteText(entry.versionsTable)}`,
  ];
}

type Work = {
  readonly name: string;
  readonly facts: TwowayFacts;
  readonly known: TwowayTable | undefined;
  readonly rule: string;
  readonly ruleKind: RuleKind;
  readonly role: string;
  readonly warnings: string[];
  readonly statements: string[];
};

async function install(session: PgSession, work: Work, isDry: boolean): Promise<void> {
  const { name, facts, statements } = work;
  const run = async (sql: string): Promise<void> => {
    statements.push(sql);
    await session.query(sql);
  };
  await installSchema(session, { ...work, isRoleNew: work.known?.role !== work.role });
  const needsFull =
    columnsOf(parseSelectorRule(work.rule)).length > 0 && facts.replicaIdentity !== 'f';
  const full = `ALTER TABLE ONLY ${quoteTable(name)} REPLICA IDENTITY FULL`;
  if (isDry) {
    if (needsFull) statements.push(full);
  } else {
    const mode = needsFull ? 'ACCESS EXCLUSIVE' : 'SHARE ROW EXCLUSIVE';
    await session.query(`LOCK TABLE ONLY ${quoteTable(name)} IN ${mode} MODE`);
    if (needsFull) await run(full);
  }
  if (work.known?.role !== work.role) await run(grantSql(quoteTable(name), work.role));
  const entry = await registrySql(session, work);
  if (entry !== null) await run(entry);
  const refreshed = await session.queryOne(
    `SELECT pg_catalog.to_json(${OWN_SCHEMA}.twoway_refresh(${facts.oid}, ${isDry}))::text AS done`,
  );
  statements.push(...(JSON.parse(refreshed.done ?? '[]') as string[]));
  if (statements.length > 0 && !isDry) await session.query(TELL_SQL);
}

/** Null when the registry says so already. */
async function registrySql(session: PgSession, work: Work): Promise<string | null> {
  const { name, facts, known, rule, ruleKind, role } = work;
  const key = keyColumns(facts);
  const names = new Set(key.map((column) => column.name));
  const audience = columnsOf(parseSelectorRule(rule))
    .filter((column) => !names.has(column))
    .flatMap((used) => facts.columns.filter((column) => column.name === used));
  const list = (values: readonly (string | number)[], type: string): string =>
    `${quoteText(JSON.stringify(values))}::json`
      .replace(/^/, `ARRAY(SELECT v::${type} FROM pg_catalog.json_array_elements_text(`)
      .concat(') v)');
  const values = {
    rule: quoteText(rule),
    rule_kind: quoteText(ruleKind),
    role: quoteText(role),
    audience: list(
      audience.map((column) => column.name),
      'text',
    ),
    audience_numbers: list(
      audience.map((column) => column.number),
      'int2',
    ),
  };
  const same = ['rule', 'rule_kind', 'role'] as const;
  if (known !== undefined) {
    if (
      same.every(
        (column) =>
          values[column] ===
          quoteText({ rule: known.rule, rule_kind: known.ruleKind, role: known.role }[column]),
      )
    )
      return null;
    const set = Object.entries(values).map(([column, value]) => `${column} = ${value}`);
    return `UPDATE ${REGISTRY} SET ${set.join(', ')} WHERE relation = ${facts.oid}`;
  }
  const all = {
    relation: `${quoteText(quoteTable(name))}::regclass`,
    name: quoteText(name),
    versions_table: quoteText(await companionName(session, name)),
    key_columns: list(
      key.map((column) => column.name),
      'text',
    ),
    key_numbers: list(
      key.map((column) => column.number),
      'int2',
    ),
    columns: "'{}'",
    column_numbers: "'{}'",
    ...values,
  };
  return `INSERT INTO ${REGISTRY}(${Object.keys(all).join(', ')})\nVALUES (${Object.values(all).join(', ')})`;
}

/** Leaves room for the names of the functions, which are longer. */
const COMPANION_NAME_MAX = 54;

async function companionName(session: PgSession, name: string): Promise<string> {
  const taken = new Set((await readTwowayTables(session)).map((table) => table.versionsTable));
  const plain = companionNameOf(name);
  return taken.has(plain) ? companionNameOf(name, { isHashed: true }) : plain;
}

/** A name that needs no quotes; with a hash where it would be too long, or would not tell one table from another. */
export function companionNameOf(
  name: string,
  { isHashed }: { readonly isHashed: boolean } = { isHashed: false },
): string {
  const raw = `versions_${name.replace('.', '_')}`;
  const plain = raw.toLowerCase().replace(/[^a-z0-9_]/g, '_');
  if (!isHashed && plain === raw && plain.length <= COMPANION_NAME_MAX)
    return `${OWN_SCHEMA}.${plain}`;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${OWN_SCHEMA}.${plain.slice(0, COMPANION_NAME_MAX - 9)}_${hash}`;
}

function ruleFor(
  name: string,
  from: {
    readonly facts: TwowayFacts;
    readonly known: TwowayTable | undefined;
    readonly options: EnableOptions;
  },
): { readonly rule: string; readonly ruleKind: RuleKind } {
  const { facts, known, options } = from;
  const ruleKind = options.ruleKind ?? 'selector';
  if (facts.hasRowSecurity && ruleKind === 'selector') throw underPolicies(name);
  if (options.rule !== undefined) return { rule: options.rule, ruleKind };
  if (known?.ruleKind === 'selector') return { rule: known.rule, ruleKind };
  const hasSelector = facts.columns.some((column) => column.name === SELECTOR_COLUMN);
  return { rule: hasSelector ? SELECTOR_COLUMN : EVERYONE, ruleKind };
}

function requireSameKey(name: string, facts: TwowayFacts, known: TwowayTable): void {
  const numbers = facts.key?.numbers ?? [];
  if (JSON.stringify(numbers) === JSON.stringify(known.keyNumbers)) return;
  throw new TidelockError({
    code: 'TABLE_UNFIT',
    message: `the primary key of ${name} is another than when it was made two-way`,
    hint: `tidelock twoway disable ${name}, then enable it again; replicas copy it anew`,
  });
}

function notFound(name: string): TidelockError {
  return new TidelockError({
    code: 'NOT_FOUND',
    message: `there is no table ${name}`,
    hint: 'name it as schema.table; without a schema it is looked for in public',
  });
}

function underPolicies(name: string): TidelockError {
  return new TidelockError({
    code: 'TABLE_UNFIT',
    message: `table ${name} has row-level security, so its policies decide who sees a row, not a selector`,
    hint: `leave --selector away, or ALTER TABLE ${quoteTable(name)} DISABLE ROW LEVEL SECURITY`,
  });
}
