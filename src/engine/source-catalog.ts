/** The catalog as the stream's reader asks it, and the messages in the stream that speak about tables. */
import { TidelockError } from '../core/errors.ts';
import type { LogicalMessage } from '../core/source.ts';
import { announceSql, byName, describeTable } from '../postgres/catalog.ts';
import { parseDdlMessage } from '../postgres/ddl.ts';
import { DDL_PREFIX } from '../postgres/ddl-sql.ts';
import type { PgSession } from '../postgres/session.ts';
import type { TableDeclaration, TableDescription } from '../postgres/table-fitness.ts';
import { TWOWAY_PREFIX } from '../postgres/twoway/registry.ts';
import type { Catalog, TableEvent } from './replicated-tables.ts';

/** Our own messages: how tables are at that place of the stream, whatever changed them. */
const ANNOUNCE_PREFIX = 'tidelock.tables';

export type SourceCatalogOptions = {
  /** Tables that are said to be as given there, whatever the catalog and the stream say. */
  readonly withheld: ReadonlyMap<string, TableDescription>;
  /** The stream says that something about two-way tables changed. */
  readonly onTwoway: () => void;
};

const VISIBLE_POLL_MS = 2;
/** Half a minute. */
const VISIBLE_TRIES_MAX = 15_000;

export class SourceCatalog implements Catalog {
  readonly #session: PgSession;
  readonly #declarations: readonly TableDeclaration[];
  readonly #withheld: ReadonlyMap<string, TableDescription>;
  readonly #onTwoway: () => void;

  constructor(
    session: PgSession,
    declarations: readonly TableDeclaration[],
    { withheld, onTwoway }: SourceCatalogOptions,
  ) {
    this.#session = session;
    this.#declarations = declarations;
    this.#withheld = withheld;
    this.#onTwoway = onTwoway;
  }

  async describe(name: string, txid: number): Promise<TableDescription> {
    await this.#untilVisible(txid);
    const described = await describeTable(this.#session, name, this.#declarations);
    return this.#allowed(described);
  }

  /**
   * A transaction is in the stream as soon as its commit record is on disk; for everybody else it commits a
   * little later (much later when a synchronous standby is slow).
   */
  async #untilVisible(txid: number): Promise<void> {
    if (txid === 0) return;
    for (let tries = 0; tries < VISIBLE_TRIES_MAX; tries += 1) {
      const row = await this.#session.queryOne(
        `SELECT pg_catalog.pg_visible_in_snapshot('${txid}', pg_catalog.pg_current_snapshot()) AS is_visible`,
      );
      if (row.is_visible === 't') return;
      await new Promise((resolve) => setTimeout(resolve, VISIBLE_POLL_MS));
    }
    throw new TidelockError({
      code: 'SOURCE_DOWN',
      message: `transaction ${txid} is in the stream but does not become visible`,
      hint: 'a synchronous standby may be away: see pg_stat_replication',
    });
  }

  /** Puts tables into the stream as they are now. `present` are those that exist. */
  async announce(tables: {
    readonly names: readonly string[];
    readonly present: readonly string[];
    readonly rewritten: readonly string[];
    /** Run with it in one transaction: see postgres/publication-mark.ts. */
    readonly unmark: string;
  }): Promise<void> {
    const { unmark, ...announced } = tables;
    const messages =
      tables.names.length === 0 ? '' : announceSql({ prefix: ANNOUNCE_PREFIX, ...announced });
    await this.#session.query(`BEGIN; ${messages}; ${unmark}; COMMIT`);
  }

  parse(message: LogicalMessage): readonly TableEvent[] | null {
    if (message.prefix === TWOWAY_PREFIX) this.#onTwoway();
    const events = this.#eventsOf(message);
    if (events === null) return null;
    const companions = events.flatMap((event) => this.#companionOf(event));
    return [...events, ...companions].map(({ description, ...event }) => {
      return { ...event, description: description && this.#allowed(description) };
    });
  }

  /** What is said of a two-way table changes the rule of its companion too. */
  #companionOf({ name }: TableEvent): readonly TableEvent[] {
    const companion = byName(this.#declarations).get(name)?.twoway?.companion;
    if (companion === undefined || companion === null) return [];
    this.#onTwoway();
    const description = companion.describe() ?? undefined;
    return [{ name: companion.name, description, isNew: false, isRewritten: false }];
  }

  #allowed(described: TableDescription): TableDescription {
    if (described.kind !== 'table') return described;
    return this.#withheld.get(described.name) ?? described;
  }

  #eventsOf(message: LogicalMessage): readonly TableEvent[] | null {
    if (message.prefix !== ANNOUNCE_PREFIX) return parseDdlMessage(message, this.#declarations);
    const events = parseDdlMessage({ ...message, prefix: DDL_PREFIX }, this.#declarations);
    // Nobody watched these tables: only a `true` says something.
    return (events ?? []).map((event) => ({
      ...event,
      isRewritten: event.isRewritten || undefined,
    }));
  }
}
