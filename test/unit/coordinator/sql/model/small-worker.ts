/**
 * A worker in memory that computes nothing but how many rows each item that a query reads has at a time. That is enough to see
 * whether times are right. What it tells lies in two queues until the model hands it on: uppers in their order, answers in any.
 */
import type {
  Frontier,
  Time,
  WorkerCommand,
  WorkerFeedback,
} from '../../../../../src/coordinator/sql/worker.ts';
import { assert } from '../../../../../src/core/assert.ts';
import type { Query } from '../../../../../src/sql/plan.ts';
import type { ItemId, SqlRow } from '../../../../../src/sql/types.ts';

type Collection = {
  readonly changes: { readonly time: Time; readonly diff: number }[];
  upper: Frontier;
  since: Time;
  readonly isTable: boolean;
};

type Command<K extends WorkerCommand['kind']> = Extract<WorkerCommand, { kind: K }>;

export class SmallWorker {
  /** Told in order. */
  readonly uppers: WorkerFeedback[] = [];
  readonly answers: WorkerFeedback[] = [];
  readonly collections = new Map<ItemId, Collection>();
  readonly inputs = new Map<ItemId, readonly ItemId[]>();
  /** An indexed view by its own id. */
  readonly #views = new Map<ItemId, ItemId>();
  readonly #told = new Map<ItemId, Frontier>();
  readonly #peeks = new Map<number, Command<'peek'>>();
  readonly #subscriptions = new Map<number, Command<'subscribe'> & { told: Frontier }>();
  #tablesUpper: Time = 1;

  handle(command: WorkerCommand): void {
    this.#perform(command);
    this.settle();
  }

  /** A source has a row more at `time`, and is complete before `upper`. */
  grow(id: ItemId, time: Time, upper: Frontier): void {
    const source = this.collections.get(id);
    if (source === undefined || source.upper === null || time < source.upper) return;
    source.changes.push({ time, diff: 1 });
    source.upper = upper;
    this.settle();
  }

  sources(): readonly ItemId[] {
    return [...this.collections].flatMap(([id, { isTable }]) => (isTable ? [] : [id]));
  }

  settle(): void {
    const ids = [...this.collections.keys(), ...this.inputs.keys()];
    const uppers = ids
      .map((id) => ({ id, upper: this.upper(id) }))
      .filter(({ id, upper }) => upper !== (this.#told.has(id) ? this.#told.get(id) : 0));
    for (const { id, upper } of uppers) this.#told.set(id, upper);
    if (uppers.length > 0) this.uppers.push({ kind: 'uppers', uppers });
    for (const [number, peek] of this.#peeks) {
      const upper = this.#upperOf(peek.query.items);
      if (upper !== null && upper <= peek.time) continue;
      this.#peeks.delete(number);
      this.answers.push({ kind: 'peekDone', peek: number, result: this.#answer(peek) });
    }
    for (const [number, subscription] of this.#subscriptions) this.#tell(number, subscription);
  }

  upper(id: ItemId): Frontier {
    const collection = this.collections.get(id);
    if (collection !== undefined) return collection.upper;
    return this.#upperOf(this.inputs.get(this.#views.get(id) ?? id) ?? []);
  }

  /** How many rows the item has at a time; asserts that this can still be told. */
  count(id: ItemId, time: Time): number {
    const collection = this.collections.get(id);
    if (collection === undefined) {
      const inputs = this.inputs.get(this.#views.get(id) ?? id) ?? [];
      return inputs.reduce((sum, input) => sum + this.count(input, time), 0);
    }
    assert(time >= collection.since, `${id} is read at ${time}, compacted to ${collection.since}`);
    return collection.changes
      .filter((change) => change.time <= time)
      .reduce((sum, { diff }) => sum + diff, 0);
  }

  #perform(command: WorkerCommand): void {
    switch (command.kind) {
      case 'createTable':
        this.#add(command.id, { changes: [], upper: this.#tablesUpper, since: 0, isTable: true });
        break;
      case 'createFileSource':
      case 'createPostgresSource':
        this.#add(command.id, { changes: [], upper: 1, since: 0, isTable: false });
        break;
      case 'createIndex':
        this.inputs.set(command.id, [command.on]);
        break;
      case 'createView':
        this.inputs.set(command.id, command.query.items);
        this.#views.set(command.view, command.id);
        break;
      case 'createSink':
        this.inputs.set(command.id, [command.from]);
        this.answers.push({ kind: 'sinkReady', id: command.id });
        break;
      case 'drop':
        for (const id of command.ids) this.#drop(id);
        break;
      case 'insert':
        this.#insert(command);
        break;
      case 'advanceTables':
        this.#tablesUpper = command.to;
        for (const table of this.collections.values()) {
          if (table.isTable && table.upper !== null)
            table.upper = Math.max(table.upper, command.to);
        }
        break;
      case 'peek':
        this.#peeks.set(command.peek, command);
        break;
      case 'cancelPeek':
        if (!this.#peeks.delete(command.peek)) break;
        this.answers.push({ kind: 'peekDone', peek: command.peek, result: { kind: 'canceled' } });
        break;
      case 'allowCompaction':
        this.#compact(command);
        break;
      case 'subscribe':
        this.#subscriptions.set(command.subscription, { ...command, told: command.asOf });
        break;
      case 'unsubscribe':
        this.#subscriptions.delete(command.subscription);
        break;
    }
  }

  #add(id: ItemId, collection: Collection): void {
    this.collections.set(id, collection);
  }

  #drop(id: ItemId): void {
    this.collections.delete(id);
    this.inputs.delete(id);
    this.#told.delete(id);
  }

  #insert({ time, updates }: Command<'insert'>): void {
    for (const { id, deltas } of updates) {
      const table = this.collections.get(id);
      assert(table?.upper != null && time >= table.upper, `${id} is written in what is closed`);
      for (const { diff } of deltas) table.changes.push({ time, diff });
    }
  }

  /** Collections forget; an index is another name, and views are computed from collections here. */
  #compact({ since: told }: Command<'allowCompaction'>): void {
    for (const { id, since } of told) {
      const collection = this.collections.get(id);
      if (collection === undefined) continue;
      assert(since >= collection.since, `${id} is compacted forward`);
      collection.since = since;
    }
  }

  #upperOf(ids: readonly ItemId[]): Frontier {
    const uppers = ids.map((id) => this.upper(id)).filter((upper) => upper !== null);
    return uppers.length === 0 ? null : Math.min(...uppers);
  }

  #answer({ query, time }: Command<'peek'>): (WorkerFeedback & { kind: 'peekDone' })['result'] {
    const isThere = (id: ItemId) =>
      this.collections.has(id) || this.inputs.has(this.#views.get(id) ?? id);
    if (!query.items.every(isThere)) return { kind: 'error', code: '42P01', message: 'dropped' };
    return { kind: 'rows', rows: this.#rows(query, time) };
  }

  #rows(query: Query, time: Time): readonly SqlRow[] {
    return query.items.map((id) => [this.count(id, time)]);
  }

  #tell(number: number, subscription: Command<'subscribe'> & { told: Frontier }): void {
    const upper = this.#upperOf(subscription.query.items);
    const { told, asOf } = subscription;
    if (told === null || (upper !== null && upper <= told)) return;
    const times = told === asOf ? [asOf] : [];
    const deltas = times.map((time) => ({ time, row: [], diff: 1 }));
    subscription.told = upper;
    this.answers.push({ kind: 'subscribed', subscription: number, deltas, upper });
  }
}
