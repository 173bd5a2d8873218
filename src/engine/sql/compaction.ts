/** What may be forgotten: of each collection, what none of those reads that are made of it. */
import type { Time } from '../../coordinator/sql/worker.ts';
import type { ItemId } from '../../sql/types.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import type { Items } from './items.ts';

export type Need = { readonly id: ItemId; readonly time: Time };

export class Compaction {
  readonly #store: CollectionStore;
  readonly #items: Items;
  readonly #since = new Map<ItemId, Time>();
  /** Collections with a past that may go. */
  readonly #toPurge = new Set<ItemId>();

  constructor(store: CollectionStore, items: Items) {
    this.#store = store;
    this.#items = items;
  }

  /** An item is readable from `since` on. Never back. */
  allow(id: ItemId, since: Time): void {
    this.#since.set(id, Math.max(since, this.#since.get(id) ?? 0));
  }

  dropped(id: ItemId): void {
    this.#since.delete(id);
    this.#toPurge.delete(id);
  }

  /** Moves the since of each collection to the lowest that anybody needs. */
  settle(needs: Iterable<Need>): void {
    const lowest = new Map<ItemId, Time>();
    const keep = ({ id, time }: Need): void => {
      if (this.#items.find(id) === undefined) return;
      for (const collection of this.#items.storedFor(id)) {
        lowest.set(collection, Math.min(time, lowest.get(collection) ?? time));
      }
    };
    for (const { id } of this.#items.shown) keep({ id, time: this.#since.get(id) ?? 0 });
    for (const need of needs) keep(need);
    for (const [id, since] of lowest) {
      if (since <= this.#store.versioned(id).state.since) continue;
      this.#store.allowCompaction(id, since);
      this.#toPurge.add(id);
    }
  }

  /** Forgets a bounded part of what may go. */
  purge(): void {
    for (const id of this.#toPurge) {
      if (!this.#store.has(id) || !this.#store.purge(id)) this.#toPurge.delete(id);
    }
  }
}
