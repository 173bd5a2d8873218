/**
 * Decides whether a table can be replicated as declared. A table that cannot is named with the reason and
 * the exact statement that mends it; it stays out of the publication, so that the application's own
 * updates never fail because of us.
 */
import { columnsOf, type SelectorRule, usesOf } from '../core/selector.ts';
import type { ColumnUse } from '../core/selector-condition.ts';
import { type ColumnDef, quoteName, type TableDef } from '../core/table.ts';
import { cellFromText, cellToJson, kindOfType, type ValueKind } from '../core/value.ts';
import { quoteTable } from './names.ts';
import type { ColumnFacts, IndexFacts, TableFacts } from './table-facts.ts';

export type TableDeclaration = {
  readonly name: string;
  readonly selector: SelectorRule;
  /** Present for two-way tables and their companions: they have the rule that this gives instead of `selector`. */
  readonly twoway?: TwowaySide | undefined;
};

/** Why something cannot be, and the statement or the change of the configuration that mends it. */
export type Refusal = { readonly reason: string; readonly remedy: string };

/** A two-way table, or its companion, at the place of the stream that was described last. */
export type TwowaySide = {
  /** Null for a companion itself. */
  readonly companion: Companion | null;
  readonly ruleFor: (facts: TableFacts, version: number) => SelectorRule | Refusal;
  /** Called with what became of it; facts are null when there is no such table. */
  readonly complete: (description: TableDescription, facts: TableFacts | null) => TableDescription;
};

/** It is described after its table, because it has its table's rule. */
export type Companion = {
  readonly name: string;
  /** With the columns it had when it was described last; null when it never was. */
  readonly describe: () => TableDescription | null;
};

/** How rows older than a column were filled, per column: what a later comparison needs. */
export type ColumnFill = 'null' | 'constant' | 'unknown';

export type TableDescription =
  | {
      readonly kind: 'table';
      readonly name: string;
      readonly oid: number;
      readonly table: TableDef;
      readonly fills: Readonly<Record<string, ColumnFill>>;
      /** Why nobody reads its rows for now, and writes of replicas wait: its rule cannot be told. */
      readonly held?: Refusal | undefined;
    }
  | {
      readonly kind: 'unfit';
      readonly name: string;
      readonly reason: string;
      /** The exact statement, or what to change in the configuration. */
      readonly remedy: string;
    }
  | { readonly kind: 'missing'; readonly name: string };

/** Generated columns can be published since this version. */
const GENERATED_VERSION_MIN = 180_000;

type Verdict = Refusal | null;

type Candidate = {
  readonly facts: TableFacts;
  readonly name: string;
  readonly sql: string;
  readonly rule: SelectorRule;
  readonly columns: readonly ColumnFacts[];
  readonly primary: IndexFacts | undefined;
};

/** The table as it is replicated, or why it cannot be. `version` is `server_version_num`. */
export function judgeTable(
  facts: TableFacts,
  rule: SelectorRule,
  version: number,
): TableDescription {
  const name = `${facts.schema}.${facts.table}`;
  const candidate: Candidate = {
    facts,
    name,
    sql: quoteTable(name),
    rule,
    columns: facts.columns.filter((column) => isPublished(column, version)),
    primary: facts.indexes.find((index) => index.isPrimary),
  };
  for (const check of [checkTable, checkKey, checkSelector, checkIdentity, checkLeaves]) {
    const verdict = check(candidate);
    if (verdict !== null) return { kind: 'unfit', name, ...verdict };
  }
  return {
    kind: 'table',
    name,
    oid: facts.oid,
    table: tableDef(candidate),
    fills: Object.fromEntries(candidate.columns.map((column) => [column.name, fillOf(column)])),
  };
}

/** The same where there may be no rule. */
export function judgeByRule(
  facts: TableFacts,
  rule: SelectorRule | Refusal,
  version: number,
): TableDescription {
  if (!('reason' in rule)) return judgeTable(facts, rule, version);
  return { kind: 'unfit', name: `${facts.schema}.${facts.table}`, ...rule };
}

function isPublished(column: ColumnFacts, version: number): boolean {
  if (column.generated === '') return true;
  return column.generated === 's' && version >= GENERATED_VERSION_MIN;
}

function checkTable({ facts, name, sql }: Candidate): Verdict {
  if (facts.schema.includes('.')) {
    return { reason: 'its schema has a dot in its name', remedy: `rename schema ${facts.schema}` };
  }
  if (facts.isPartition) {
    return {
      reason: `it is a partition of ${facts.root ?? 'another table'}`,
      remedy: `declare ${facts.root ?? 'the partitioned table'} instead of ${name}`,
    };
  }
  if (facts.kind !== 'r' && facts.kind !== 'p') {
    return { reason: 'it is not a table', remedy: 'declare the tables behind it instead' };
  }
  if (facts.persistence !== 'p') {
    return {
      reason: 'it is unlogged: Postgres writes no log of its changes',
      remedy: `ALTER TABLE ${sql} SET LOGGED`,
    };
  }
  return null;
}

function checkKey({ primary, columns, sql }: Candidate): Verdict {
  if (primary === undefined) {
    return {
      reason: 'it has no primary key',
      remedy: `ALTER TABLE ${sql} ADD PRIMARY KEY (...)`,
    };
  }
  if (!primary.isImmediate) {
    return {
      reason: 'its primary key is deferrable, so it does not identify rows at every moment',
      remedy: `ALTER TABLE ${sql} DROP CONSTRAINT ${quoteName(primary.name)}, ADD PRIMARY KEY (${list(primary.columns)})`,
    };
  }
  const hidden = primary.columns.find((key) => !columns.some((column) => column.name === key));
  if (hidden === undefined) return null;
  return {
    reason: `its key column ${hidden} is generated, and this Postgres does not publish it`,
    remedy: `ALTER TABLE ${sql} ALTER COLUMN ${quoteName(hidden)} DROP EXPRESSION`,
  };
}

function checkSelector({ rule, columns, facts, sql, name }: Candidate): Verdict {
  for (const [used, uses] of usesOf(rule)) {
    const column = columns.find((known) => known.name === used);
    if (column === undefined) {
      const exists = facts.columns.some((known) => known.name === used);
      return {
        reason: `its selector uses column ${used}, which ${exists ? 'is generated and not published' : 'does not exist'}`,
        remedy: `ALTER TABLE ${sql} ADD COLUMN ${quoteName(used)} text, or correct the selector of ${name} in the configuration`,
      };
    }
    const wrong = [...uses].find((use) => !FITTING[use].includes(kindOfType(column.baseOid)));
    if (wrong !== undefined) return misused(name, column, wrong);
  }
  return null;
}

/** The kinds of columns whose text is the same everywhere, by how a rule uses them. */
const FITTING: Readonly<Record<ColumnUse, readonly ValueKind[]>> = {
  text: ['text', 'int', 'bigint'],
  integer: ['int', 'bigint'],
  boolean: ['bool'],
  any: ['text', 'int', 'bigint', 'bool', 'float', 'bytes', 'timestamptz'],
};

function misused(name: string, column: ColumnFacts, use: ColumnUse): Verdict {
  const as = { text: '', integer: ' as a number', boolean: ' as a condition', any: '' }[use];
  const why = use === 'text' ? ', whose text differs between databases' : '';
  return {
    reason: `its selector uses column ${column.name} of type ${column.type}${as}${why}`,
    remedy:
      use === 'text'
        ? `use a column of type text, integer or uuid as the selector of ${name}`
        : `compare it with a constant of its own type in the selector of ${name}`,
  };
}

/** The old row version must name the row, and tell whose it was. */
function checkIdentity(candidate: Candidate): Verdict {
  const { facts, primary, rule, columns, sql } = candidate;
  if (facts.identity === 'f') return checkVirtual(candidate);
  const remedy = `ALTER TABLE ${sql} REPLICA IDENTITY FULL`;
  const identity = identityColumns(facts, primary);
  if (identity === null) {
    return {
      reason: 'its replica identity is NOTHING: updates and deletes do not say which row they mean',
      remedy: `ALTER TABLE ${sql} REPLICA IDENTITY DEFAULT`,
    };
  }
  const key = primary?.columns ?? [];
  const needed = [...key, ...columnsOf(rule)];
  const lacking = needed.find((name) => !identity.includes(name));
  if (lacking !== undefined) {
    return {
      reason: `its replica identity lacks column ${lacking}: a delete would not say whose row it was`,
      remedy,
    };
  }
  const isSelectorInKey = columnsOf(rule).every((name) => key.includes(name));
  const large = columns.find((column) => column.storage !== 'p');
  if (rule.kind === 'expression' && !isSelectorInKey && large !== undefined) {
    return {
      reason: `its column ${large.name} may be stored out of line: a row that moves to another selector would not be sent whole`,
      remedy,
    };
  }
  return null;
}

/**
 * Old rows are logged as the partition is set that they are in, and announced as the whole table is set: a
 * partition that logs less than the table promises would give rows with holes.
 */
function checkLeaves({ facts, primary, rule, sql }: Candidate): Verdict {
  const needed = [...(primary?.columns ?? []), ...columnsOf(rule)];
  const lacking = (facts.leaves ?? []).filter(
    (leaf) =>
      leaf.identity !== 'f' &&
      (facts.identity === 'f' || needed.some((name) => !leaf.columns.includes(name))),
  );
  const [first] = lacking;
  if (first === undefined) return null;
  const tables = facts.identity === 'f' ? [] : [sql];
  const statements = [...tables, ...lacking.map((leaf) => quoteTable(leaf.name))].map(
    (table) => `ALTER TABLE ${table} REPLICA IDENTITY FULL`,
  );
  return {
    reason: `the replica identity of its partition ${first.name} says less than the table's: a delete there would not say whose row it was`,
    remedy: statements.join('; '),
  };
}

/** With FULL, Postgres refuses the application's updates when a column cannot be published. */
function checkVirtual({ facts, sql }: Candidate): Verdict {
  const virtual = facts.columns.find((column) => column.generated === 'v');
  if (virtual === undefined) return null;
  return {
    reason: `its column ${virtual.name} is virtual: with replica identity FULL, updates of a published table fail`,
    remedy: `ALTER TABLE ${sql} DROP COLUMN ${quoteName(virtual.name)}, or make it STORED`,
  };
}

function identityColumns(
  facts: TableFacts,
  primary: IndexFacts | undefined,
): readonly string[] | null {
  if (facts.identity === 'd') return primary?.columns ?? null;
  if (facts.identity === 'n') return null;
  return facts.indexes.find((index) => index.isReplicaIdentity)?.columns ?? null;
}

function tableDef({ name, columns, primary, facts, rule }: Candidate): TableDef {
  const published = new Set(columns.map((column) => column.name));
  const indexes = facts.indexes.filter(
    (index) =>
      index.isPlain && !index.isPrimary && index.columns.every((column) => published.has(column)),
  );
  return {
    name,
    columns: columns.map(columnDef),
    key: primary?.columns ?? [],
    indexes: indexes.map((index) => ({ name: index.name, columns: index.columns })),
    selector: rule,
  };
}

function columnDef(column: ColumnFacts): ColumnDef {
  const kind = kindOfType(column.baseOid);
  const def = { name: column.name, type: column.type, kind };
  if (!column.hasMissing || column.missing === null) return def;
  return { ...def, missing: cellToJson(kind, cellFromText(kind, column.missing)) };
}

function fillOf(column: ColumnFacts): ColumnFill {
  if (column.hasMissing) return 'constant';
  return column.hasDefault || column.generated !== '' ? 'unknown' : 'null';
}

function list(names: readonly string[]): string {
  return names.map(quoteName).join(', ');
}
