/** The catalog as the stream's reader asks it, and the messages in the stream that speak about tables. */
import { TidelockError } from '../core/errors.ts';
import type { LogicalMessage } from '../core/source.ts';
import { describeTable } from '../postgres/catalog.ts';
import { parseDdlMessage } from '../postgres/ddl.ts';
import type { PgSession } from '../postgres/session.ts';
import type { TableDeclaration, TableDescription } from '../postgres/table-fitness.ts';
import type { Catalog, TableEvent } from './replicated-tables.ts';

const ANNOUNCE_PREFIX = 'tidelock.tables';
const VISIBLE_POLL_MS = 2;
/** Half a minute. */
const VISIBLE_TRIES_MAX = 15_000;

export class SourceCatalog implements Catalog {
  /** Puts a JSON array of table names into the stream: look at these tables again, from here on. */
  static readonly announceSql =
    `SELECT pg_catalog.pg_logical_emit_message(true, '${ANNOUNCE_PREFIX}', $1)`;
  readonly #session: PgSession;
  readonly #declarations: readonly TableDeclaration[];

  constructor(session: PgSession, declarations: readonly TableDeclaration[]) {
    this.#session = session;
    this.#declarations = declarations;
  }

  async describe(name: string, txid: number): Promise<TableDescription> {
    await this.#untilVisible(txid);
    return describeTable(this.#session, name, this.#declarations);
  }

  /**
   * A transaction is in the stream as soon as its commit record is on disk; for everybody else it commits a
   * little later (much later when a synchronous standby is slow).
   */
  async #untilVisible(txid: number): Promise<void> {
    for (let tries = 0; txid > 0 && tries < VISIBLE_TRIES_MAX; tries += 1) {
      const row = await this.#session.queryOne(
        `SELECT pg_catalog.pg_visible_in_snapshot('${txid}', pg_catalog.pg_current_snapshot()) AS is_visible`,
      );
      if (row.is_visible === 't') return;
      await new Promise((resolve) => setTimeout(resolve, VISIBLE_POLL_MS));
    }
    if (txid === 0) return;
    throw new TidelockError({
      code: 'SOURCE_DOWN',
      message: `transaction ${txid} is in the stream but does not become visible`,
      hint: 'a synchronous standby may be away: see pg_stat_replication',
    });
  }

  parse(message: LogicalMessage): readonly TableEvent[] | null {
    if (message.prefix === ANNOUNCE_PREFIX) return namesIn(message).map(named);
    return parseDdlMessage(message, this.#declarations);
  }
}

/** Anybody may write messages into the stream: what is not a list of names says nothing. */
function namesIn(message: LogicalMessage): readonly string[] {
  try {
    const names: unknown = JSON.parse(Buffer.from(message.content).toString());
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}

function named(name: string): TableEvent {
  return { name, description: undefined, isNew: false, isRewritten: undefined };
}
