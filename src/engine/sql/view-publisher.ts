/**
 * Publishes views: every materialized view over replicated tables is subscribed to, and its rows go to whoever offers
 * them to replicas.
 */
import { indexesOf, type Relation } from '../../coordinator/sql/catalog.ts';
import { POSTGRES_TIMELINE, type SqlCoordinator } from '../../coordinator/sql/state.ts';
import type { ConnectionId, SqlEvent } from '../../coordinator/sql/types.ts';
import { messageOf } from '../../core/errors.ts';
import { quoteName } from '../../core/table.ts';
import { parseBatch } from '../../sql/parse/batch.ts';
import type { Column, ItemId, SqlRow } from '../../sql/types.ts';
import type { SessionListener } from './live-session.ts';

/** Takes views by name, `schema.name`, and their rows: time, progressed, diff, then the columns. */
export interface ViewSink {
  /** Null for a view that cannot be offered. */
  add(name: string, columns: readonly Column[]): ((rows: readonly SqlRow[]) => void) | null;
  remove(name: string): void;
  /** All views that came back after a start were added. */
  ready(): void;
  /** Everything that was told holds no more. */
  forget(): void;
  /** The tables have moved. */
  wake(): void;
}

export type ViewPublisherOptions = {
  readonly state: SqlCoordinator;
  readonly sink: ViewSink;
  readonly dispatch: (event: SqlEvent) => void;
  readonly listen: (connection: ConnectionId, listener: SessionListener) => void;
  readonly unlisten: (connection: ConnectionId) => void;
  readonly onNotice: (notice: string) => void;
};

type Published = { readonly id: ItemId; readonly connection: ConnectionId | null };

export class ViewPublisher {
  readonly #options: ViewPublisherOptions;
  readonly #views = new Map<string, Published>();
  /** Connections of ours are below those of clients. */
  #lastConnection = 0;

  constructor(options: ViewPublisherOptions) {
    this.#options = options;
  }

  /** The catalog has changed. */
  sync(): void {
    const wanted = this.#wanted();
    for (const [name, { id }] of [...this.#views]) {
      if (wanted.get(name)?.id !== id) this.#remove(name);
    }
    for (const [name, view] of wanted) if (!this.#views.has(name)) this.#add(name, view);
  }

  #wanted(): ReadonlyMap<string, Relation> {
    const { catalog, options } = this.#options.state;
    const wanted = new Map<string, Relation>();
    for (const item of catalog.items.values()) {
      if (item.kind !== 'view' || item.timeline !== POSTGRES_TIMELINE) continue;
      const { database, schema, name } = item.at;
      if (database !== options.database || indexesOf(catalog, item.id).length === 0) continue;
      wanted.set(`${schema}.${name}`, item);
    }
    return wanted;
  }

  #add(name: string, { id, columns, at }: Relation): void {
    const { sink, dispatch, listen, onNotice } = this.#options;
    const take = sink.add(name, columns);
    if (take === null) {
      this.#views.set(name, { id, connection: null });
      onNotice(
        `the view ${name} is not offered to replicas: it has a column of a name that is ours`,
      );
      return;
    }
    this.#lastConnection -= 1;
    const connection = this.#lastConnection;
    this.#views.set(name, { id, connection });
    listen(connection, this.#listener(name, id, take));
    dispatch({ kind: 'connect', connection, secret: 0 });
    const relation = `${quoteName(at.schema)}.${quoteName(at.name)}`;
    const statements = parseBatch(`SUBSCRIBE ${relation} WITH (progress)`);
    dispatch({ kind: 'run', connection, statements });
  }

  #listener(name: string, id: ItemId, take: (rows: readonly SqlRow[]) => void): SessionListener {
    return {
      columns: () => undefined,
      rows: (rows) => {
        take(rows);
        return true;
      },
      respond: () => undefined,
      fail: (error) => {
        const { catalog } = this.#options.state;
        // One that was dropped goes with the next look at the catalog.
        if (this.#views.get(name)?.id !== id || !catalog.items.has(id)) return;
        this.#options.onNotice(`the view ${name} is offered no more: ${messageOf(error)}`);
        this.#options.sink.remove(name);
      },
      ready: () => undefined,
    };
  }

  #remove(name: string): void {
    const { sink, dispatch, unlisten } = this.#options;
    const connection = this.#views.get(name)?.connection ?? null;
    this.#views.delete(name);
    sink.remove(name);
    if (connection === null) return;
    dispatch({ kind: 'disconnect', connection });
    unlisten(connection);
  }
}
