/**
 * Two-way tables as the stream's reader declares them: each table with its companion, both with the rule that the
 * catalog or a message of the stream gives for that place. With row-level security the rule is compiled from the
 * table's policies each time they are told anew, so a changed policy counts from the very place of its change.
 */
import { parseSelectorRule, type SelectorRule } from '../../core/selector.ts';
import type { TableDef } from '../../core/table.ts';
import { fullName } from '../catalog.ts';
import { compilePolicies, nobodyRule } from '../policy/rule.ts';
import type { TableFacts } from '../table-facts.ts';
import {
  judgeByRule,
  type Refusal,
  type TableDeclaration,
  type TableDescription,
  type TwowaySide,
} from '../table-fitness.ts';
import type { TwowayTable } from './registry.ts';

/** Why the companion of a table that is not replicated is not either. */
const WITHOUT_TABLE: Refusal = {
  reason: 'its two-way table is not replicated',
  remedy: 'see the reason there',
};

/** One two-way table and its companion, at one place of the stream. */
class TwowayPair {
  readonly name: string;
  readonly versions: string;
  readonly #entry: TwowayTable;
  readonly #configured: SelectorRule | undefined;
  /** Numbers of the columns outside the key, by place. */
  #numbers: readonly number[];
  #rule: SelectorRule | Refusal;
  /** Counts where the policies could not be read: a change of them comes with the stream. */
  #known: SelectorRule | Refusal | undefined;
  #isFit = false;
  #held: Refusal | undefined;
  #companionFacts: { readonly facts: TableFacts; readonly version: number } | null = null;

  constructor(
    entry: TwowayTable,
    configured: SelectorRule | undefined,
    known: SelectorRule | undefined,
  ) {
    this.name = entry.name;
    this.versions = entry.versionsTable;
    this.#entry = entry;
    this.#configured = configured;
    this.#known = known;
    this.#rule = known ?? WITHOUT_TABLE;
    this.#numbers = entry.columnNumbers;
  }

  declarations(): readonly TableDeclaration[] {
    const selector: SelectorRule = { kind: 'everyone' };
    return [
      { name: this.name, selector, twoway: this.#table() },
      { name: this.versions, selector, twoway: this.#companion() },
    ];
  }

  #table(): TwowaySide {
    return {
      companion: { name: this.versions, describe: () => this.#describeCompanion() },
      ruleFor: (facts) => {
        if (facts.rowSecurity === undefined && this.#known !== undefined) return this.#known;
        this.#rule = this.#ruleNow(facts);
        this.#known = this.#rule;
        return this.#rule;
      },
      complete: (description, facts) => this.#complete(description, facts),
    };
  }

  /** A table without a rule stays: replicas keep it, without rows of others, and what they have written to it. */
  #ruleNow(facts: TableFacts): SelectorRule | Refusal {
    const found = ruleOf(facts, this.#entry);
    this.#held = 'reason' in found ? found : undefined;
    if ('reason' in found) return nobodyRule();
    return unlessConfigured(found, this.#configured, this.name);
  }

  #companion(): TwowaySide {
    return {
      companion: null,
      ruleFor: (facts, version) => {
        this.#companionFacts = { facts, version };
        return this.#isFit ? this.#rule : WITHOUT_TABLE;
      },
      complete: (description) => description,
    };
  }

  #describeCompanion(): TableDescription | null {
    if (this.#companionFacts === null) return null;
    const { facts, version } = this.#companionFacts;
    return judgeByRule(facts, this.#isFit ? this.#rule : WITHOUT_TABLE, version);
  }

  #complete(description: TableDescription, facts: TableFacts | null): TableDescription {
    this.#isFit = description.kind === 'table';
    if (description.kind !== 'table' || facts === null) return description;
    const twoway = {
      versions: this.versions,
      columns: this.#columns(description.table.key, facts),
    };
    const table = { ...description.table, twoway };
    return { ...description, table, ...(this.#held === undefined ? {} : { held: this.#held }) };
  }

  /** As `tidelock.twoway_refresh` has them: renamed ones keep their place, new ones come behind. */
  #columns(key: readonly string[], { columns }: TableFacts): readonly string[] {
    const added = columns.filter(
      ({ name, number = 0, generated }) =>
        generated === '' && !key.includes(name) && !this.#numbers.includes(number),
    );
    this.#numbers = [...this.#numbers, ...added.map(({ number = 0 }) => number)];
    return this.#numbers.map((place) => columns.find(({ number }) => number === place)?.name ?? '');
  }
}

/** The declarations of the configuration and of the registry together. `known` are tables as replicas have them. */
export function declareTwoway(
  configured: readonly TableDeclaration[],
  registry: readonly TwowayTable[],
  known: readonly TableDef[],
): readonly TableDeclaration[] {
  const present = registry.filter(({ isPresent }) => isPresent);
  const rules = new Map(configured.map(({ name, selector }) => [fullName(name), selector]));
  const held = new Map(known.map(({ name, selector }) => [name, selector]));
  const pairs = present.map(
    (entry) => new TwowayPair(entry, rules.get(entry.name), held.get(entry.name)),
  );
  const own = new Set(pairs.flatMap(({ name, versions }) => [name, versions]));
  return [
    ...configured.filter(({ name }) => !own.has(fullName(name))),
    ...pairs.flatMap((pair) => pair.declarations()),
  ];
}

/** What the registry says of a table's rule. */
export type RuleEntry = Pick<TwowayTable, 'name' | 'role' | 'rule' | 'ruleKind'>;

/** The rule of a two-way table as its facts have it, or why nobody reads it. */
export function ruleOf(facts: TableFacts, entry: RuleEntry): SelectorRule | Refusal {
  return entry.ruleKind === 'policy' ? policyRule(facts, entry) : selectorRule(facts, entry);
}

function unlessConfigured(
  rule: SelectorRule,
  configured: SelectorRule | undefined,
  name: string,
): SelectorRule | Refusal {
  if (configured === undefined) return rule;
  if (JSON.stringify(configured) === JSON.stringify(rule)) return rule;
  return {
    reason: 'it is two-way with a rule of its own, and the configuration gives it another selector',
    remedy: `take ${name} out of the configuration`,
  };
}

function selectorRule({ rowSecurity }: TableFacts, entry: RuleEntry): SelectorRule | Refusal {
  if (rowSecurity === null) return parseSelectorRule(entry.rule);
  return {
    reason: 'row-level security was switched on after it was made two-way with a selector',
    remedy: `run: tidelock twoway enable ${entry.name}`,
  };
}

/** The rule of a table whose policies decide, as its facts have them. Without row-level security everybody reads. */
export function policyRule(
  { rowSecurity, columns }: TableFacts,
  { name, role }: { readonly name: string; readonly role: string },
): SelectorRule | Refusal {
  const again = `run: tidelock twoway enable ${name}`;
  if (rowSecurity === undefined) return { reason: 'its policies are not known', remedy: again };
  if (rowSecurity === null) return { kind: 'everyone' };
  if (rowSecurity.exempt.includes(role)) {
    return {
      reason: `its policies do not apply to role ${role}, which owns it, is a superuser or has BYPASSRLS`,
      remedy: `ALTER TABLE ${name} FORCE ROW LEVEL SECURITY, or use a role of its own: tidelock twoway enable ${name} --role`,
    };
  }
  const known = columns.map((column) => ({
    ...column,
    isDeterministic: column.isDeterministic ?? false,
  }));
  const compiled = compilePolicies({ policies: rowSecurity.policies, columns: known, role });
  if (compiled.kind === 'rule') return compiled.rule;
  return {
    reason: `its policies cannot be compiled: ${compiled.reason}`,
    remedy: 'change the policy with ALTER POLICY, or drop it; docs/security.md says what compiles',
  };
}
