/**
 * The worker of SQL: holds the rows, answers the coordinator's commands.
 *
 * It has no clock and no timers: `tick` tells the time. Feedback comes synchronously, in an order that depends only on
 * the calls and the files read. Frontiers here are the worker's own; the coordinator knows those it was told of.
 */

import type {
  Frontier,
  Time,
  WorkerCommand,
  WorkerFeedback,
} from '../../coordinator/sql/worker.ts';
import { unreachable } from '../../core/assert.ts';
import { cellOf } from '../../sql/cell.ts';
import type { ItemId, RowDelta } from '../../sql/types.ts';
import type { CellDelta } from '../../sqlite/collections/collection.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import { Items, type QueryCompiler } from './items.ts';
import { Peeks } from './peeks.ts';

export type WorkerOptions = {
  readonly store: CollectionStore;
  readonly compile: QueryCompiler;
  /** Takes the feedback, in order. */
  readonly tell: (feedback: WorkerFeedback) => void;
};

type Command<K extends WorkerCommand['kind']> = Extract<WorkerCommand, { kind: K }>;

export class SqlWorker {
  readonly #store: CollectionStore;
  readonly #tell: (feedback: WorkerFeedback) => void;
  readonly #items: Items;
  readonly #peeks: Peeks;
  /** What the coordinator was told of; it takes a new item's upper to be 0. */
  readonly #toldUppers = new Map<ItemId, Frontier>();
  #tablesUpper: Time = 0;

  constructor({ store, compile, tell }: WorkerOptions) {
    this.#store = store;
    this.#tell = tell;
    this.#items = new Items(store, compile);
    this.#peeks = new Peeks(store, this.#items, tell);
  }

  /** Performs a command and tells what follows from it. Throws only on bugs and when SQLite cannot write. */
  handle(command: WorkerCommand): void {
    this.#perform(command);
    this.#settle();
  }

  #perform(command: WorkerCommand): void {
    switch (command.kind) {
      case 'createTable':
        this.#createTable(command);
        break;
      case 'createIndex':
        this.#items.add({ kind: 'index', id: command.id, on: command.on });
        break;
      case 'createView':
        this.#createView(command);
        break;
      case 'drop':
        this.#drop(command.ids);
        break;
      case 'insert':
        this.#insert(command);
        break;
      case 'advanceTables':
        this.#advanceTables(command.to);
        break;
      case 'peek':
        this.#peeks.add(command);
        break;
      case 'cancelPeek':
        this.#peeks.cancel(command.peek);
        break;
      case 'createFileSource':
      case 'createPostgresSource':
      case 'createSink':
      case 'allowCompaction':
      case 'subscribe':
      case 'unsubscribe':
        break;
      default:
        unreachable(command);
    }
  }

  /** Tells what has become true: uppers first, then what waited for them. */
  #settle(): void {
    this.#tellUppers();
    this.#peeks.answerReady();
  }

  #createTable({ id, columns, since }: Command<'createTable'>): void {
    const upper = Math.max(since, this.#tablesUpper);
    this.#store.create(id, { columns, key: [], since, upper });
    this.#items.add({ kind: 'collection', id, isTable: true });
  }

  #createView({ id, view, query }: Command<'createView'>): void {
    this.#items.add({ kind: 'view', id, view, query });
  }

  #insert({ time, updates }: Command<'insert'>): void {
    this.#store.write(() => {
      for (const { id, deltas } of updates) this.#store.apply(id, time, deltas.map(cellDelta));
    });
  }

  #advanceTables(to: Time): void {
    this.#tablesUpper = Math.max(this.#tablesUpper, to);
    this.#store.write(() => {
      for (const item of this.#items.all) {
        if (item.kind !== 'collection' || !item.isTable) continue;
        const { upper } = this.#store.get(item.id).state;
        if (upper !== null && upper < to) this.#store.advance(item.id, to);
      }
    });
  }

  #drop(ids: readonly ItemId[]): void {
    for (const id of ids) {
      if (this.#store.has(id)) this.#store.drop(id);
      this.#items.remove(id);
      this.#toldUppers.delete(id);
    }
  }

  #toldUpper(id: ItemId): Frontier {
    const told = this.#toldUppers.get(id);
    return told === undefined ? 0 : told;
  }

  #tellUppers(): void {
    const uppers = this.#items.all
      .map(({ id }) => ({ id, upper: this.#items.upper(id) }))
      .filter(({ id, upper }) => upper !== this.#toldUpper(id));
    if (uppers.length === 0) return;
    for (const { id, upper } of uppers) this.#toldUppers.set(id, upper);
    this.#tell({ kind: 'uppers', uppers });
  }
}

function cellDelta({ row, diff }: RowDelta): CellDelta {
  return { row: row.map(cellOf), n: diff };
}
