/** Decides whether a table can be two-way. Pure: every refusal names the reason and the statement that mends it. */
import { TidelockError } from '../../core/errors.ts';
import { columnsOf, type SelectorRule } from '../../core/selector.ts';
import { quoteName } from '../../core/table.ts';
import { quoteTable } from '../names.ts';
import type { TwowayColumnFacts, TwowayFacts, TwowayRights } from './facts.ts';

/** A key is repeated in every change and in the companion: longer ones are a design to think over. */
export const KEY_COLUMNS_MAX = 16;

const OWN_PREFIX = 'tidelock_';

/** Two replicas that insert offline choose the same next number. */
const INTEGER_TYPES: ReadonlySet<string> = new Set(['smallint', 'integer', 'bigint']);

type Verdict = { readonly reason: string; readonly remedy: string } | null;

type Subject = {
  readonly name: string;
  readonly sql: string;
  readonly facts: TwowayFacts;
  readonly rule: SelectorRule;
};

/** Throws `TABLE_UNFIT` for the first reason; returns warnings. */
export function judgeTwoway(
  name: string,
  facts: TwowayFacts,
  rule: SelectorRule,
): readonly string[] {
  const subject: Subject = { name, sql: quoteTable(name), facts, rule };
  for (const check of [checkKind, checkKey, checkColumns, checkRule]) {
    const verdict = check(subject);
    if (verdict !== null) throw unfit(name, verdict);
  }
  return warnings(subject);
}

/** Throws `SOURCE_UNFIT` with every statement that an administrator has to run. */
export function requireRights(
  {
    what,
    owners,
    userRole,
  }: {
    /** Said in the message. */
    readonly what: string;
    /** Of the tables that are changed. */
    readonly owners: readonly Pick<TwowayFacts, 'owner' | 'isOwner'>[];
    readonly userRole: string;
  },
  rights: TwowayRights,
): void {
  const role = quoteName(rights.role);
  const others = owners.flatMap(({ owner, isOwner }) => (isOwner ? [] : [owner]));
  const needed = [...others, ...(rights.schemaOwner === null ? [] : [rights.schemaOwner])];
  const missing = [...new Set(needed)].map((owner) => `GRANT ${quoteName(owner)} TO ${role}`);
  if (!rights.mayCreate) {
    missing.push(`GRANT CREATE ON DATABASE ${quoteName(rights.database)} TO ${role}`);
  }
  if (!rights.hasUserRole && !rights.mayMakeRoles) {
    missing.push(`CREATE ROLE ${quoteName(userRole)} NOLOGIN`);
  }
  if (!rights.isUserMember && !rights.mayMakeRoles) {
    missing.push(`GRANT ${quoteName(userRole)} TO ${role}`);
  }
  if (missing.length === 0) return;
  throw new TidelockError({
    code: 'SOURCE_UNFIT',
    message: `role ${rights.role} lacks rights to ${what}`,
    hint: `run as a superuser: ${missing.join('; ')}`,
    details: { missing },
  });
}

function checkKind({ name, sql, facts }: Subject): Verdict {
  if (facts.kind === 'p' || facts.isPartition) {
    return { reason: 'it is partitioned', remedy: 'keep partitioned tables one-way' };
  }
  if (facts.kind !== 'r') {
    return {
      reason: 'it is no ordinary table',
      remedy: `enable the tables behind ${name} instead`,
    };
  }
  if (facts.persistence !== 'p') {
    return { reason: 'it is unlogged', remedy: `ALTER TABLE ${sql} SET LOGGED` };
  }
  if (facts.isInherited) {
    return { reason: 'it inherits or is inherited from', remedy: `ALTER TABLE ... NO INHERIT ...` };
  }
  if (facts.isSubscribed) {
    return {
      reason: 'a subscription writes it, and Postgres fires no statement triggers for that',
      remedy: 'enable it where its rows come from',
    };
  }
  return null;
}

function checkKey({ sql, facts }: Subject): Verdict {
  if (facts.key === null) {
    return { reason: 'it has no primary key', remedy: `ALTER TABLE ${sql} ADD PRIMARY KEY (...)` };
  }
  if (!facts.key.isImmediate) {
    return {
      reason: 'its primary key is deferrable',
      remedy: `drop it and ALTER TABLE ${sql} ADD PRIMARY KEY (...)`,
    };
  }
  if (facts.key.numbers.length > KEY_COLUMNS_MAX) {
    return {
      reason: `its key has ${facts.key.numbers.length} columns, more than ${KEY_COLUMNS_MAX}`,
      remedy: 'give it a key of one column, and make the present one UNIQUE',
    };
  }
  const generated = keyColumns(facts).find((column) => column.generated !== '');
  if (generated === undefined) return null;
  return {
    reason: `its key column ${generated.name} is generated`,
    remedy: `ALTER TABLE ${sql} ALTER COLUMN ${quoteName(generated.name)} DROP EXPRESSION`,
  };
}

function checkColumns({ sql, facts }: Subject): Verdict {
  const key = new Set(facts.key?.numbers);
  for (const column of facts.columns) {
    const quoted = quoteName(column.name);
    if (column.name.startsWith(OWN_PREFIX)) {
      return {
        reason: `its column ${column.name} begins with ${OWN_PREFIX}`,
        remedy: `ALTER TABLE ${sql} RENAME COLUMN ${quoted} TO ...`,
      };
    }
    if (column.identity === 'a') {
      return {
        reason: `its column ${column.name} is GENERATED ALWAYS, so a replica's value could not be kept`,
        remedy: `ALTER TABLE ${sql} ALTER COLUMN ${quoted} SET GENERATED BY DEFAULT`,
      };
    }
    if (column.isNotNull && !column.hasDefault && !key.has(column.number)) {
      return {
        reason: `its column ${column.name} is NOT NULL without a DEFAULT: replicas that do not know it could not insert`,
        remedy: `ALTER TABLE ${sql} ALTER COLUMN ${quoted} SET DEFAULT ...`,
      };
    }
  }
  return null;
}

function checkRule({ name, facts, rule }: Subject): Verdict {
  const missing = columnsOf(rule).find(
    (used) => !facts.columns.some((column) => column.name === used && column.generated === ''),
  );
  if (missing === undefined) return null;
  return {
    reason: `its rule reads column ${missing}, which does not exist or is generated`,
    remedy: `tidelock twoway enable ${name} --selector '<column>'`,
  };
}

function warnings({ name, facts }: Subject): readonly string[] {
  const column = keyColumns(facts).find(({ type }) => INTEGER_TYPES.has(type));
  if (column === undefined) return [];
  return [
    `key column ${column.name} of ${name} is ${column.type}: replicas that insert offline choose the same numbers, and their rows are merged into one; text or uuid keys (tidelock_uuid()) never meet`,
  ];
}

/** In key order. */
export function keyColumns(facts: TwowayFacts): readonly TwowayColumnFacts[] {
  return (facts.key?.numbers ?? []).flatMap((number) =>
    facts.columns.filter((column) => column.number === number),
  );
}

function unfit(
  name: string,
  { reason, remedy }: { reason: string; remedy: string },
): TidelockError {
  return new TidelockError({
    code: 'TABLE_UNFIT',
    message: `table ${name} cannot be two-way: ${reason}`,
    hint: remedy,
  });
}
