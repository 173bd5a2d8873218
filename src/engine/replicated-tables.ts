/**
 * Which tables are replicated, with what definition, at the stream's present position.
 *
 * A table is known by its definition in the log. When the stream announces a layout for the first time, or a
 * different one, the catalog is asked while the stream waits; what changed becomes lines of the transaction
 * in which it was announced:
 *
 *   same layout            nothing
 *   columns added, new     `table`
 *   anything else          `table`, `resync`: the rows must be copied again
 *   dropped                `drop`
 */
import type { LogicalMessage, Relation } from '../core/source.ts';
import type { TableDef } from '../core/table.ts';
import { compareTables } from '../postgres/schema-change.ts';
import type { TableDescription } from '../postgres/table-fitness.ts';
import type { TableState } from './api.ts';
import { givenFull, heldTable, toHeld } from './source-words.ts';
import { TablePlan } from './table-plan.ts';

/** A table that a message of the stream concerns: created, altered, dropped or newly declared. */
export type TableEvent = {
  readonly name: string;
  /** How the table looks from here on, when the message says so; otherwise the catalog is asked. */
  readonly description: TableDescription | undefined;
  /** Created in the same transaction and published from its first row on: there is nothing to copy. */
  readonly isNew: boolean;
  /** Whether its rows were rewritten; undefined when nobody watched. */
  readonly isRewritten: boolean | undefined;
  /** The server's event trigger gave it REPLICA IDENTITY FULL in the same transaction. */
  readonly isGivenFull?: boolean | undefined;
};

/** Rejects when Postgres is away: the stream then ends and is resumed. */
export interface Catalog {
  /**
   * The table as it is now, not before transaction `txid` (0 = any) shows in the catalog: the stream brings a
   * transaction a little earlier than Postgres makes it visible.
   */
  describe(name: string, txid: number): Promise<TableDescription>;
  /** What a logical message says about tables; null for messages of others. */
  parse(message: LogicalMessage): readonly TableEvent[] | null;
}

export type ReplicatedTablesOptions = {
  readonly catalog: Catalog;
  /** As of the log's upper. */
  readonly known: readonly TableDef[];
  readonly unfit: readonly TableState[];
  /** Of those that are known: why nobody reads them for now. */
  readonly held?: ReadonlyMap<string, string> | undefined;
  /** Event triggers put every change of schema into the stream: a layout that fits needs no question. */
  readonly hasTriggers: boolean;
  /** Old rows are written with updates and deletes, where the stream has them whole. */
  readonly keepsOldRows?: boolean | undefined;
  readonly onNotice?: ((notice: string) => void) | undefined;
};

/** Announced layouts kept before older ones of the same table are forgotten. */
const RELATIONS_MAX = 10_000;

type WriteLine = (line: object) => void;

/** Where in the stream something is said about a table. */
export type Place = {
  readonly write: WriteLine;
  /** 64 bits; 0 outside a transaction. */
  readonly txid: number;
};

export class ReplicatedTables {
  readonly #options: ReplicatedTablesOptions;
  readonly #known = new Map<string, TableDef>();
  readonly #unfit = new Map<string, TableState>();
  readonly #held: Map<string, string>;
  readonly #plans = new Map<Relation, TablePlan | null>();
  /** Layouts already compared with the catalog, by relation oid. */
  readonly #layouts = new Map<number, string>();
  #lastRelation: Relation | null = null;
  #lastPlan: TablePlan | null = null;
  #isChanged = false;

  constructor(options: ReplicatedTablesOptions) {
    this.#options = options;
    for (const table of options.known) this.#known.set(table.name, table);
    for (const table of options.unfit) this.#unfit.set(table.name, table);
    this.#held = new Map(options.held);
  }

  get tables(): readonly TableDef[] {
    return [...this.#known.values()];
  }

  get states(): readonly TableState[] {
    const known = this.tables.map(({ name, selector }): TableState => {
      const reason = this.#held.get(name);
      if (reason !== undefined) return { name, state: 'held', reason };
      return { name, state: 'live', selector: selector.kind === 'everyone' ? '*' : selector.text };
    });
    return [...known, ...this.#unfit.values()];
  }

  /** How rows of this relation are written; null when they are not for anybody. */
  plan(relation: Relation): TablePlan | null {
    if (relation === this.#lastRelation) return this.#lastPlan;
    this.#lastPlan = this.#plans.get(relation) ?? null;
    this.#lastRelation = relation;
    return this.#lastPlan;
  }

  /** The definitions, when they changed since the last call. */
  takeChanged(): readonly TableDef[] | undefined {
    if (!this.#isChanged) return undefined;
    this.#isChanged = false;
    return this.tables;
  }

  announce(relation: Relation, place: Place): Promise<void> | undefined {
    const known = this.#known.get(relation.name);
    const layout = layoutOf(relation);
    if (this.#layouts.get(relation.oid) === layout) {
      this.#setPlan(relation, known);
      return undefined;
    }
    if (this.#options.hasTriggers && this.#setPlan(relation, known)) {
      this.#layouts.set(relation.oid, layout);
      return undefined;
    }
    return this.#ask(relation, place);
  }

  /** True when rows of this layout can be written as the table is known now. */
  fits(relation: Relation): boolean {
    const known = this.#known.get(relation.name);
    return known !== undefined && new TablePlan(known).fits(relation);
  }

  /** What a message of the stream says about tables of ours. */
  events(message: LogicalMessage): readonly TableEvent[] {
    const events = this.#options.catalog.parse(message) ?? [];
    return events.filter(({ name, description }) => {
      return description?.kind !== 'missing' || this.#known.has(name) || this.#unfit.has(name);
    });
  }

  async handle(events: readonly TableEvent[], place: Place): Promise<void> {
    for (const event of events) {
      if (event.isGivenFull === true) this.#options.onNotice?.(givenFull([event.name]));
      await this.#refresh(event, place);
    }
  }

  /** The rows of this table can no longer be followed: everybody copies it again. */
  requireResync(name: string, reason: string, write: WriteLine): void {
    this.#options.onNotice?.(`the table ${name} is copied anew: ${reason}`);
    write({ type: 'resync', table: name, reason });
  }

  async #ask(relation: Relation, place: Place): Promise<void> {
    await this.#refresh(seen(relation.name), place);
    const table = this.#known.get(relation.name);
    this.#setPlan(relation, table);
    if (table === undefined) return;
    if (this.plan(relation) === null) {
      // The catalog is ahead: these rows are older than a change of schema that the stream has yet to bring.
      // Whoever copies the table now gets a position behind that change, so leaving them out loses nothing.
      this.requireResync(
        table.name,
        'its layout in the stream is not the one in the catalog',
        place.write,
      );
      return;
    }
    this.#layouts.set(relation.oid, layoutOf(relation));
  }

  async #refresh(event: TableEvent, { write, txid }: Place): Promise<void> {
    const described = event.description ?? (await this.#options.catalog.describe(event.name, txid));
    const before = this.#known.get(event.name);
    this.#hold(described);
    if (described.kind !== 'table') {
      this.#remove(described, before, write);
      return;
    }
    this.#unfit.delete(event.name);
    if (before === undefined) {
      this.#define(withoutFills(described.table), write);
      if (event.isNew)
        this.#options.onNotice?.(`the table ${event.name} is replicated from now on`);
      else this.requireResync(event.name, 'it is replicated from now on', write);
      return;
    }
    const { table, fills } = described;
    const change = compareTables(before, { table, fills, isRewritten: event.isRewritten });
    if (change.kind === 'same') return;
    this.#define(change.kind === 'additive' ? change.table : withoutFills(table), write);
    if (change.kind === 'resync') this.requireResync(event.name, change.reason, write);
  }

  #hold(described: TableDescription): void {
    const before = this.#held.get(described.name);
    this.#held.delete(described.name);
    for (const [name, reason] of toHeld(described)) {
      this.#held.set(name, reason);
      if (reason !== before) this.#options.onNotice?.(heldTable(name, reason));
    }
  }

  #define(table: TableDef, write: WriteLine): void {
    this.#known.set(table.name, withoutFills(table));
    this.#isChanged = true;
    this.#replan(table.name);
    write({ type: 'table', table });
  }

  #remove(
    described: Exclude<TableDescription, { kind: 'table' }>,
    before: TableDef | undefined,
    write: WriteLine,
  ): void {
    if (described.kind === 'unfit') {
      const { name, reason, remedy } = described;
      this.#unfit.set(name, { name, state: 'unfit', reason: `${reason}; ${remedy}` });
    } else {
      this.#unfit.delete(described.name);
    }
    if (before === undefined) return;
    const why =
      this.#unfit.get(before.name)?.reason ?? 'it was dropped, or is not in the publication';
    this.#options.onNotice?.(`the table ${before.name} is not replicated any more: ${why}`);
    this.#known.delete(before.name);
    this.#isChanged = true;
    this.#replan(before.name);
    write({ type: 'drop', table: before.name });
  }

  /** The stream announces a changed table again before its next row; what it announced before is checked anew. */
  #replan(name: string): void {
    for (const relation of [...this.#plans.keys()]) {
      if (relation.name !== name) continue;
      this.#layouts.delete(relation.oid);
      this.#setPlan(relation, this.#known.get(name));
    }
  }

  /** False when the layout does not fit the definition; rows of it are then left out. */
  #setPlan(relation: Relation, table: TableDef | undefined): boolean {
    const { keepsOldRows } = this.#options;
    const plan = table === undefined ? null : new TablePlan(table, keepsOldRows);
    const isFit = plan?.fits(relation) === true;
    this.#plans.set(relation, isFit ? plan : null);
    this.#lastRelation = null;
    if (this.#plans.size > RELATIONS_MAX) this.#dropOlderRelations();
    return isFit;
  }

  /** Every announcement is an object of its own; only the latest of each table is still in use. */
  #dropOlderRelations(): void {
    const latest = new Map([...this.#plans.keys()].map((relation) => [relation.oid, relation]));
    for (const relation of [...this.#plans.keys()]) {
      if (latest.get(relation.oid) !== relation) this.#plans.delete(relation);
    }
  }
}

/** `missing` says how rows look that are there already: nothing, where they are copied anew. */
function withoutFills(table: TableDef): TableDef {
  return { ...table, columns: table.columns.map(({ missing: _, ...column }) => column) };
}

/** A table about which the stream said nothing but its name. */
function seen(name: string): TableEvent {
  return { name, description: undefined, isNew: false, isRewritten: undefined };
}

function layoutOf(relation: Relation): string {
  const columns = relation.columns.map((column) => [
    column.name,
    column.typeOid,
    column.typeModifier,
  ]);
  return JSON.stringify([relation.name, relation.identity, columns]);
}
