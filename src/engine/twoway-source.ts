/**
 * The two-way tables of the source: read when it is reached, watched while it streams. Who made a table two-way, or
 * changed who reads it, did so in Postgres; the server follows.
 */
import { messageOf } from '../core/errors.ts';
import { readFacts } from '../postgres/catalog.ts';
import { sqlStateOf } from '../postgres/pg-errors.ts';
import { loadPolicyParser } from '../postgres/policy-expression.ts';
import type { PgSession } from '../postgres/session.ts';
import type { TableFacts } from '../postgres/table-facts.ts';
import type { TableDeclaration } from '../postgres/table-fitness.ts';
import { declareTwoway, policyRule } from '../postgres/twoway-declaration.ts';
import { enableTwoway } from '../postgres/twoway-enable.ts';
import { readTwowayTables, type TwowayTable } from '../postgres/twoway-registry.ts';

export type TwowaySourceOptions = {
  /** Of the configuration. */
  readonly declarations: readonly TableDeclaration[];
  readonly onNotice: (notice: string) => void;
};

/** What was found at one look. */
type Found = {
  readonly registry: readonly TwowayTable[];
  readonly facts: readonly TableFacts[];
};

export class TwowaySource {
  readonly #options: TwowaySourceOptions;
  #declarations: readonly TableDeclaration[];
  #fingerprint = '';
  /** Told to the operator when it changes, not at every attempt. */
  #told = '';

  constructor(options: TwowaySourceOptions) {
    this.#options = options;
    this.#declarations = options.declarations;
  }

  /** Of the configuration and the registry, as of the last `read`. */
  get declarations(): readonly TableDeclaration[] {
    return this.#declarations;
  }

  /** Reads the registry anew, and has rules and companions follow changed policies. */
  async read(session: PgSession): Promise<readonly TableDeclaration[]> {
    const found = await this.#look(session);
    this.#fingerprint = fingerprintOf(found);
    const isMended = await this.#mend(session, found);
    const { registry } = isMended ? await this.#look(session) : found;
    this.#declarations = declareTwoway(this.#options.declarations, registry);
    return this.#declarations;
  }

  /** True when tables became two-way or one-way since the last `read`, or another rule decides who reads them. */
  async haveChanged(session: PgSession): Promise<boolean> {
    return fingerprintOf(await this.#look(session)) !== this.#fingerprint;
  }

  async #look(session: PgSession): Promise<Found> {
    const registry = await this.#registry(session);
    const names = registry.flatMap(({ isPresent, name }) => (isPresent ? [name] : []));
    return { registry, facts: await readFacts(session, names) };
  }

  async #registry(session: PgSession): Promise<readonly TwowayTable[]> {
    try {
      return await readTwowayTables(session);
    } catch (error) {
      if (sqlStateOf(error) !== '42501') throw error;
      this.#tell(`two-way tables are not followed: ${messageOf(error)}`);
      return [];
    }
  }

  /** True when something was changed: the registry and the companions have the present policies' rules. */
  async #mend(session: PgSession, { registry, facts }: Found): Promise<boolean> {
    const byPolicy = registry.filter(
      ({ ruleKind, isPresent }) => ruleKind === 'policy' && isPresent,
    );
    if (byPolicy.length > 0) await loadPolicyParser();
    let isMended = false;
    for (const entry of byPolicy) {
      const found = facts.find(({ oid }) => oid === entry.oid);
      const rule = found === undefined ? null : policyRule(found, entry);
      if (rule === null || 'reason' in rule) continue;
      const text = rule.kind === 'everyone' ? '*' : rule.text;
      if (text === entry.rule) continue;
      isMended = (await this.#enable(session, entry, text)) || isMended;
    }
    return isMended;
  }

  async #enable(session: PgSession, { name, role }: TwowayTable, rule: string): Promise<boolean> {
    try {
      await enableTwoway(session, { table: name, role, rule, ruleKind: 'policy' });
      this.#options.onNotice(`table ${name}: its policies changed, its rows are read by ${rule}`);
      return true;
    } catch (error) {
      if (session.isLost) throw error;
      this.#tell(
        `table ${name}: its policies changed, and its companion cannot follow: ${messageOf(error)}; run: tidelock twoway enable ${name}`,
      );
      return false;
    }
  }

  #tell(notice: string): void {
    if (notice === this.#told) return;
    this.#told = notice;
    this.#options.onNotice(notice);
  }
}

/** What the stream does not bring by itself; columns are left out, because it does bring them. */
function fingerprintOf({ registry, facts }: Found): string {
  const entries = registry.map(({ oid, name, isPresent, versionsTable, rule, ruleKind, role }) => {
    const own = ruleKind === 'selector' ? rule : null;
    return [oid, name, isPresent, versionsTable, ruleKind, role, own];
  });
  return JSON.stringify([entries, facts.map(({ oid, rowSecurity }) => [oid, rowSecurity])]);
}
