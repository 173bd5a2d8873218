/**
 * Replicated tables of the engine. Whoever drives them gives snapshots, transactions and progress in the order of
 * positions; all tables of the source stand at the same upper, so a query over several of them sees whole transactions.
 *
 * What is noted with a source becomes durable with its rows. A source whose rows are being replaced has no note: when
 * the process ends meanwhile, they are loaded again.
 */
import type { Frontier, Time } from '../../coordinator/sql/worker.ts';
import { assert } from '../../core/assert.ts';
import type { Column, ItemId } from '../../sql/types.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import type { Items } from './items.ts';
import { applyChanges, presentRows, type SourceOperation } from './keyed-changes.ts';

export type SourceUpdate = {
  readonly id: ItemId;
  readonly operations: readonly SourceOperation[];
};

/** A transaction, or a part of one that is still going on. */
export type SourcePiece = {
  readonly time: Time;
  readonly updates: readonly SourceUpdate[];
  readonly isLast: boolean;
};

export class PostgresSources {
  readonly #store: CollectionStore;
  readonly #items: Items;
  readonly #ids = new Set<ItemId>();

  constructor(store: CollectionStore, items: Items) {
    this.#store = store;
    this.#items = items;
  }

  /** Nothing of it is complete before its rows are loaded. `key`: positions of the primary key's columns. */
  create(id: ItemId, columns: readonly Column[], key: readonly number[]): void {
    this.#store.create(id, { columns, key, since: 0, upper: 0 });
    this.#items.add({ kind: 'collection', id, isTable: false });
    this.#ids.add(id);
  }

  drop(id: ItemId): void {
    this.#ids.delete(id);
  }

  /** Everything before `upper` is there; 0 when nothing is. */
  stateOf(id: ItemId): { readonly upper: Time; readonly note: string | null } {
    return { upper: this.#upperOf(id), note: this.#store.note(id) };
  }

  note(id: ItemId, note: string): void {
    this.#store.write(() => this.#store.setNote(id, note));
  }

  beginLoad(id: ItemId): void {
    this.#store.write(() => this.#store.setNote(id, null));
  }

  /** Takes a bounded part of the rows away, at `time`. True when there is more. */
  clear(id: ItemId, time: Time): boolean {
    const [piece] = presentRows(this.#store, id);
    if (piece === undefined) return false;
    this.#store.apply(id, this.#timeOf(id, time), piece);
    return true;
  }

  load(id: ItemId, time: Time, operations: readonly SourceOperation[]): void {
    this.#store.write(() => {
      applyChanges(this.#store, id, { time: this.#timeOf(id, time), changes: operations });
    });
  }

  endLoad(loaded: readonly { readonly id: ItemId; readonly note: string }[], time: Time): void {
    const store = this.#store;
    store.write(() => {
      for (const { id, note } of loaded) {
        const at = this.#timeOf(id, time);
        if (this.#upperOf(id) === 0) store.allowCompaction(id, at);
        store.setNote(id, note);
        store.advance(id, at + 1);
      }
    });
  }

  /** Applies pieces as one; what is there already is skipped. Null: nothing more is complete. */
  applyPieces(pieces: readonly SourcePiece[], upper: Time | null): void {
    const store = this.#store;
    store.write(() => {
      for (const { time, updates } of pieces) {
        for (const { id, operations } of updates) {
          assert(this.#upperOf(id) > 0, `${id} has its rows before their changes`);
          if (time < this.#upperOf(id)) continue;
          applyChanges(store, id, { time, changes: operations });
        }
      }
      if (upper !== null) this.#advance(upper);
    });
  }

  #advance(upper: Time): void {
    for (const id of this.#ids) {
      const now = this.#upperOf(id);
      if (now > 0 && now < upper) this.#store.advance(id, upper);
    }
  }

  /** Rows that replace others at a time that was complete already come at the next one. */
  #timeOf(id: ItemId, time: Time): Time {
    return Math.max(time, this.#upperOf(id));
  }

  #upperOf(id: ItemId): Time {
    const upper: Frontier = this.#store.get(id).state.upper;
    assert(upper !== null, `${id} is never complete`);
    return upper;
  }
}
