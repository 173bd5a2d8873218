/** Subscriptions: each is told what its query has, and what changes, as uppers move. */
import type { Time, WorkerCommand, WorkerFeedback } from '../../coordinator/sql/worker.ts';
import type { ItemId } from '../../sql/types.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import { Follower } from './follower.ts';
import type { Items } from './items.ts';

type Subscribe = Extract<WorkerCommand, { kind: 'subscribe' }>;

export class Subscriptions {
  readonly #store: CollectionStore;
  readonly #items: Items;
  readonly #tell: (feedback: WorkerFeedback) => void;
  readonly #open = new Map<number, Follower>();

  constructor(store: CollectionStore, items: Items, tell: (feedback: WorkerFeedback) => void) {
    this.#store = store;
    this.#items = items;
    this.#tell = tell;
  }

  add({ subscription, query, asOf, hasSnapshot }: Subscribe): void {
    const follower = new Follower(this.#store, this.#items, { query, asOf, hasSnapshot });
    this.#open.set(subscription, follower);
  }

  remove(subscription: number): void {
    this.#open.delete(subscription);
  }

  /** Those that read something that is dropped end without a word: the coordinator knows. */
  dropped(ids: readonly ItemId[]): void {
    for (const [subscription, { query }] of this.#open) {
      if (query.items.some((id) => ids.includes(id))) this.#open.delete(subscription);
    }
  }

  /** What must stay readable for them, by item. */
  *needs(): Generator<{ readonly id: ItemId; readonly time: Time }> {
    for (const { query, needs } of this.#open.values()) {
      if (needs !== null) yield* query.items.map((id) => ({ id, time: needs }));
    }
  }

  /** Tells each what has become complete. The empty frontier ends it. */
  settle(): void {
    for (const [subscription, follower] of [...this.#open]) {
      for (const { deltas, upper } of follower.batches()) {
        this.#tell({ kind: 'subscribed', subscription, deltas, upper });
      }
      if (follower.isDone) this.#open.delete(subscription);
    }
  }
}
