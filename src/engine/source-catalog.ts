/** The catalog as the stream's reader asks it, and the messages in the stream that speak about tables. */
import type { LogicalMessage } from '../core/source.ts';
import { describeTable } from '../postgres/catalog.ts';
import { parseDdlMessage } from '../postgres/ddl.ts';
import type { PgSession } from '../postgres/session.ts';
import type { TableDeclaration, TableDescription } from '../postgres/table-fitness.ts';
import type { Catalog, TableEvent } from './replicated-tables.ts';

const ANNOUNCE_PREFIX = 'tidelock.tables';

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

  describe(name: string): Promise<TableDescription> {
    return describeTable(this.#session, name, this.#declarations);
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
