/**
 * The two-way tables of the source: read when it is reached, watched while it streams. Who made a table two-way, or
 * changed who reads it, did so in Postgres; the server follows. What changes policies comes with the stream, at its
 * place; this looks for what does not: members of roles, a server without event triggers, and companions that lack a
 * column which a changed policy reads.
 */
import { hasCode, messageOf } from '../core/errors.ts';
import type { TableDef } from '../core/table.ts';
import { readFacts } from '../postgres/catalog.ts';
import { sqlStateOf } from '../postgres/pg-errors.ts';
import { PgSession } from '../postgres/session.ts';
import type { TableDeclaration } from '../postgres/table-fitness.ts';
import { declareTwoway, ruleOf } from '../postgres/twoway/declaration.ts';
import { enableTwoway } from '../postgres/twoway/enable.ts';
import { readTwowayTables, type TwowayTable } from '../postgres/twoway/registry.ts';
import { loadPgParser } from '../sql/pg-parser.ts';
import type { TableState } from './api.ts';

/** Writers wait behind us so long at most. What did not get its lock tries again at the next look. */
const LOCK_MS_MAX = 1000;

export type TwowaySourceOptions = {
  readonly url: string;
  /** Of the configuration. */
  readonly declarations: readonly TableDeclaration[];
  readonly onNotice: (notice: string) => void;
};

/** What was found at one look. */
type Found = {
  readonly registry: readonly TwowayTable[];
  /** By table: the text of the rule that the catalog gives it now; null when it gives none, absent when it is busy. */
  readonly rules: ReadonlyMap<string, string | null>;
};

export class TwowaySource {
  readonly #options: TwowaySourceOptions;
  #declarations: readonly TableDeclaration[];
  #entries = '';
  #rules: ReadonlyMap<string, string | null> = new Map();
  /** What differed at the look before: the stream may have been on its way to it. */
  #doubts = '';
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

  /** Reads the registry anew. `known` are the tables as of the log. */
  async read(session: PgSession, known: readonly TableDef[]): Promise<readonly TableDeclaration[]> {
    const { registry, rules } = await this.#look(session);
    this.#entries = entriesOf(registry);
    this.#rules = rules;
    this.#doubts = '';
    this.#declarations = declareTwoway(this.#options.declarations, registry, known);
    return this.#declarations;
  }

  /**
   * True when only connecting anew brings what changed since the last `read`. `states` are the tables as of the
   * stream. Gives companions the columns that changed policies read.
   */
  async haveChanged(session: PgSession, states: readonly TableState[]): Promise<boolean> {
    const found = await this.#look(session);
    if (entriesOf(found.registry) !== this.#entries) return true;
    const before = this.#doubts;
    this.#doubts = this.#differences(found, states);
    if (this.#doubts !== '' && this.#doubts === before) return true;
    return await this.#mend(found);
  }

  async #look(session: PgSession): Promise<Found> {
    const registry = await this.#registry(session);
    const present = registry.filter(({ isPresent }) => isPresent);
    if (present.some(({ ruleKind }) => ruleKind === 'policy')) await loadPgParser();
    const facts = await readFacts(
      session,
      present.map(({ name }) => name),
    );
    const rules = new Map<string, string | null>();
    for (const entry of present) {
      const known = facts.find(({ oid }) => oid === entry.oid);
      if (known !== undefined && known.rowSecurity === undefined) continue;
      const rule = known === undefined ? null : ruleOf(known, entry);
      rules.set(entry.name, rule === null || 'reason' in rule ? null : textOf(rule));
    }
    return { registry, rules };
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

  /** Tables that readers have under another rule than the catalog's; '' when there are none. */
  #differences({ rules }: Found, states: readonly TableState[]): string {
    const live = new Map(
      states.flatMap((one) => {
        const isRead = one.state === 'live' || one.state === 'held';
        return isRead ? [[one.name, one.state === 'held' ? null : one.selector] as const] : [];
      }),
    );
    const other = [...rules].filter(([name, rule]) => {
      return rule !== (live.has(name) ? live.get(name) : this.#rules.get(name));
    });
    return other.length === 0 ? '' : JSON.stringify(other);
  }

  /** True when a companion was changed: the registry has the present policies' rules then. */
  async #mend({ registry, rules }: Found): Promise<boolean> {
    const stale = registry.filter(({ name, rule }) => (rules.get(name) ?? rule) !== rule);
    if (stale.length === 0) return false;
    // A session of its own: the stream's must not wait for locks, least of all for those of who waits for the stream.
    const session = await PgSession.connect({ url: this.#options.url });
    try {
      let isMended = false;
      for (const entry of stale) {
        isMended = (await this.#enable(session, entry, rules.get(entry.name) ?? '')) || isMended;
      }
      return isMended;
    } finally {
      await session.end();
    }
  }

  async #enable(session: PgSession, { name, role }: TwowayTable, rule: string): Promise<boolean> {
    const how = { rule, ruleKind: 'policy', lockMsMax: LOCK_MS_MAX } as const;
    try {
      await enableTwoway(session, { table: name, role, ...how });
      this.#tell(`table ${name}: its policies changed, its rows are filed by ${rule}`);
      return true;
    } catch (error) {
      if (session.isLost) throw error;
      const next = hasCode(error, 'BUSY') ? 'trying again' : `run: tidelock twoway enable ${name}`;
      this.#tell(
        `table ${name}: its policies changed, its companion not yet: ${messageOf(error)}; ${next}`,
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

function textOf(rule: Exclude<ReturnType<typeof ruleOf>, { readonly reason: string }>): string {
  return rule.kind === 'everyone' ? '*' : rule.text;
}

/** The part of the registry that the stream does not bring: it does bring columns and changed policies. */
function entriesOf(registry: readonly TwowayTable[]): string {
  const entries = registry.map(({ oid, name, isPresent, versionsTable, rule, ruleKind, role }) => {
    const own = ruleKind === 'selector' ? rule : null;
    return [oid, name, isPresent, versionsTable, ruleKind, role, own];
  });
  return JSON.stringify(entries);
}
