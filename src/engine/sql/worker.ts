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
import type { ItemId } from '../../sql/types.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import { Compaction } from './compaction.ts';
import { FileSources } from './file-sources.ts';
import { type Failure, Items } from './items.ts';
import { applyChanges, type SourceOperation } from './keyed-changes.ts';
import { Peeks } from './peeks.ts';
import { PostgresSources, type SourcePiece } from './postgres-sources.ts';
import { ReadersHere } from './readers/here.ts';
import type { Readers } from './readers/read-port.ts';
import { Sinks } from './sinks.ts';
import { dropLeftOvers, Subscriptions } from './subscriptions.ts';

export type WorkerOptions = {
  readonly store: CollectionStore;
  /** Takes the feedback, in order. */
  readonly tell: (feedback: WorkerFeedback) => void;
  /** Where reads are computed; without them on this thread, at once. */
  readonly readers?: Readers;
  /** How people call an item; without it by its id. */
  readonly nameOf?: (id: ItemId) => string;
};

type Command<K extends WorkerCommand['kind']> = Extract<WorkerCommand, { kind: K }>;

export class SqlWorker {
  readonly #store: CollectionStore;
  readonly #tell: (feedback: WorkerFeedback) => void;
  /** Told at the end of a call, so that whoever hears it may call again. */
  readonly #toTell: WorkerFeedback[] = [];
  #isTelling = false;
  #isSettling = false;
  readonly #items: Items;
  readonly #peeks: Peeks;
  readonly #files: FileSources;
  readonly #postgres: PostgresSources;
  readonly #subscriptions: Subscriptions;
  readonly #sinks: Sinks;
  readonly #compaction: Compaction;
  /** What the coordinator was told of; it takes a new item's upper to be 0. */
  readonly #toldUppers = new Map<ItemId, Frontier>();
  /** Collections of which the coordinator does not know from when on they are readable. */
  readonly #unknownSince = new Set<ItemId>();
  #tablesUpper: Time = 0;
  #now: Time = 0;

  constructor(options: WorkerOptions) {
    const { store, tell: listener, readers = new ReadersHere(store) } = options;
    const { nameOf = (id) => id } = options;
    this.#store = store;
    this.#tell = listener;
    const tell = (feedback: WorkerFeedback): void => void this.#toTell.push(feedback);
    this.#items = new Items(store);
    dropLeftOvers(store);
    const wake = (): void => this.#wake();
    const parts = { store, items: this.#items, readers, tell, wake, nameOf };
    this.#peeks = new Peeks(parts);
    this.#files = new FileSources(store, this.#items, tell);
    this.#postgres = new PostgresSources(store, this.#items);
    this.#subscriptions = new Subscriptions(parts);
    this.#sinks = new Sinks(parts);
    this.#compaction = new Compaction(store, this.#items);
  }

  /** Performs a command and tells what follows from it. Throws only on bugs and when SQLite cannot write. */
  handle(command: WorkerCommand): void {
    this.#perform(command);
    this.#settle();
  }

  /** The clock. Files are looked at when it has advanced; a bounded part of what may be forgotten goes. */
  tick(now: Time): void {
    this.#now = Math.max(this.#now, now);
    this.#files.tick(this.#now);
    this.#compaction.purge();
    this.#settle();
  }

  /** How far a replicated table is: everything before `upper` is there, 0 when nothing is. And what was noted with it. */
  sourceState(id: ItemId): { readonly upper: Time; readonly note: string | null } {
    return this.#postgres.stateOf(id);
  }

  /** Durable at once. */
  noteSource(id: ItemId, note: string): void {
    this.#postgres.note(id, note);
  }

  /** The rows of a replicated table are about to be given anew. Nobody sees it before `endLoad`. */
  beginLoad(id: ItemId): void {
    this.#postgres.beginLoad(id);
  }

  /** Takes a bounded part of the rows that it has away, at `time`. True when there is more. */
  clear(id: ItemId, time: Time): boolean {
    return this.#postgres.clear(id, time);
  }

  load(id: ItemId, time: Time, operations: readonly SourceOperation[]): void {
    this.#postgres.load(id, time, operations);
  }

  /** The rows are those of `time`. The first ones make the table readable, from there on. */
  endLoad(loaded: readonly { readonly id: ItemId; readonly note: string }[], time: Time): void {
    this.#postgres.endLoad(loaded, time);
    for (const { id } of loaded) this.#unknownSince.add(id);
    this.#settle();
  }

  /**
   * Applies transactions as one, in the order of their times; what a table has already is skipped. Then everything
   * before `upper` is complete; null while a transaction goes on.
   */
  applyPieces(pieces: readonly SourcePiece[], upper: Time | null): void {
    this.#postgres.applyPieces(pieces, upper);
    this.#settle();
  }

  /** A table cannot be followed any more: whoever reads it is told why. */
  failSource(id: ItemId, failure: Failure): void {
    this.#items.fail(id, failure);
    this.#toTell.push({ kind: 'failed', id, ...failure });
    this.#settle();
  }

  /** Rows of a peek were taken by who asked for them. */
  took(peek: number): void {
    this.#peeks.took(peek);
  }

  /** Lets the files of sinks go. The store is its owner's. */
  close(): void {
    this.#sinks.close();
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
        this.#files.create(command, this.#now);
        if (this.#store.get(command.id).state.since > 0) this.#unknownSince.add(command.id);
        break;
      case 'createPostgresSource':
        this.#createPostgresSource(command);
        break;
      case 'createSink':
        this.#sinks.create(command);
        break;
      case 'allowCompaction':
        for (const { id, since } of command.since) this.#compaction.allow(id, since);
        this.#compact();
        break;
      case 'subscribe':
        this.#subscriptions.add(command);
        break;
      case 'unsubscribe':
        this.#subscriptions.remove(command.subscription);
        break;
      default:
        unreachable(command);
    }
  }

  /** Tells what has become true: from when on items are readable, uppers, then what waited for them. */
  #settle(): void {
    this.#isSettling = true;
    try {
      this.#tellSinces();
      this.#sinks.settle();
      this.#tellUppers();
      this.#subscriptions.settle();
      this.#peeks.answerReady();
    } finally {
      this.#isSettling = false;
    }
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      for (let one = this.#toTell.shift(); one !== undefined; one = this.#toTell.shift()) {
        this.#tell(one);
      }
    } finally {
      this.#isTelling = false;
    }
  }

  /** A reader has told something. One that answers at once is heard in the middle of settling. */
  #wake(): void {
    if (!this.#isSettling) this.#settle();
  }

  #createTable({ id, columns, since, key }: Command<'createTable'>): void {
    const upper = Math.max(since, this.#tablesUpper);
    const { state } = this.#store.create(id, { columns, key: key ?? [], since, upper });
    if (state.since > since) this.#unknownSince.add(id);
    // What an earlier life has written is complete, also where it ended before it could say so.
    const written = state.changedAt === 0 ? 0 : state.changedAt + 1;
    this.#store.advanceLazily(id, Math.max(state.upper ?? 0, upper, written));
    this.#items.add({ kind: 'collection', id, isTable: true });
  }

  #createPostgresSource({ id, columns, key }: Command<'createPostgresSource'>): void {
    this.#postgres.create(id, columns, key ?? []);
    if (this.#store.get(id).state.since > 0) this.#unknownSince.add(id);
  }

  #createView({ id, view, query }: Command<'createView'>): void {
    this.#items.add({ kind: 'view', id, view, query });
    this.#items.keep(id, query.plan);
  }

  #insert({ time, updates }: Command<'insert'>): void {
    this.#store.write(() => {
      for (const { id, deltas } of updates)
        applyChanges(this.#store, id, { time, changes: deltas });
    });
  }

  #advanceTables(to: Time): void {
    this.#tablesUpper = Math.max(this.#tablesUpper, to);
    for (const item of this.#items.all) {
      if (item.kind !== 'collection' || !item.isTable) continue;
      const { upper } = this.#store.get(item.id).state;
      if (upper !== null && upper < to) this.#store.advanceLazily(item.id, to);
    }
  }

  #drop(ids: readonly ItemId[]): void {
    this.#subscriptions.dropped(ids);
    for (const id of ids) {
      this.#files.drop(id);
      this.#postgres.drop(id);
      this.#sinks.drop(id);
      this.#compaction.dropped(id);
      this.#items.remove(id);
      this.#toldUppers.delete(id);
    }
    // Views go before what they are kept of.
    for (const id of ids) if (this.#store.has(id)) this.#store.drop(id);
    this.#compact();
  }

  #compact(): void {
    this.#compaction.settle([...this.#subscriptions.needs(), ...this.#sinks.needs()]);
    this.#compaction.purge();
  }

  /** Rows that came from an earlier life, or from a snapshot, are not readable from the start. */
  #tellSinces(): void {
    const sinces = [...this.#unknownSince].flatMap((collection) =>
      this.#items.shown.flatMap(({ id }) =>
        this.#items.collectionsOf(id).includes(collection)
          ? [{ id, since: this.#items.since(id) }]
          : [],
      ),
    );
    this.#unknownSince.clear();
    if (sinces.length > 0) this.#toTell.push({ kind: 'sinces', sinces });
  }

  #toldUpper(id: ItemId): Frontier {
    const told = this.#toldUppers.get(id);
    return told === undefined ? 0 : told;
  }

  #tellUppers(): void {
    const items = this.#items.shown.map(({ id }) => ({ id, upper: this.#items.upper(id) }));
    const uppers = [...items, ...this.#sinks.uppers()].filter(
      ({ id, upper }) => upper !== this.#toldUpper(id),
    );
    if (uppers.length === 0) return;
    for (const { id, upper } of uppers) this.#toldUppers.set(id, upper);
    this.#toTell.push({ kind: 'uppers', uppers });
  }
}
