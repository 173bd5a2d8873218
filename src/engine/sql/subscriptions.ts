/** Subscriptions: each is told what its query has, and what changes, as uppers move. */
import type {
  Time,
  TimedDelta,
  WorkerCommand,
  WorkerFeedback,
} from '../../coordinator/sql/worker.ts';
import { sqlError, toSqlError } from '../../sql/errors.ts';
import type { Query } from '../../sql/plan.ts';
import type { ItemId } from '../../sql/types.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import { Follower } from './follower.ts';
import type { Items } from './items.ts';
import { isChain } from './relations.ts';

/** Changes that are told at once. */
const CHANGES_MAX = 1_000_000;

type Subscribe = Extract<WorkerCommand, { kind: 'subscribe' }>;

export class Subscriptions {
  readonly #store: CollectionStore;
  readonly #items: Items;
  readonly #tell: (feedback: WorkerFeedback) => void;
  readonly #open = new Map<number, Follower>();
  /** Those whose query is kept as a view of their own. */
  readonly #kept = new Set<number>();

  constructor(store: CollectionStore, items: Items, tell: (feedback: WorkerFeedback) => void) {
    this.#store = store;
    this.#items = items;
    this.#tell = tell;
  }

  /** A query of which more than the changes of one item has to be looked at is kept by delta, if it can be. */
  add({ subscription, query, asOf, hasSnapshot }: Subscribe): void {
    const id = ownView(subscription);
    const isKept = !isChain(query.plan) && this.#keep(id, query);
    const followed = isKept ? readingOf(id, query) : query;
    const options = { query: followed, asOf, hasSnapshot };
    this.#open.set(subscription, new Follower(this.#store, this.#items, options));
    if (isKept) this.#kept.add(subscription);
  }

  remove(subscription: number): void {
    this.#open.delete(subscription);
    if (this.#kept.delete(subscription)) this.#items.remove(ownView(subscription));
  }

  #keep(id: ItemId, query: Query): boolean {
    this.#items.add({ kind: 'view', id, view: id, query, isHidden: true });
    if (this.#items.keep(id, query.plan)) return true;
    this.#items.remove(id);
    return false;
  }

  /** Those that read something that is dropped end without a word: the coordinator knows. */
  dropped(ids: readonly ItemId[]): void {
    for (const [subscription, { query }] of this.#open) {
      if (query.items.some((id) => this.#items.isMadeOf(id, ids))) this.remove(subscription);
    }
  }

  /** What must stay readable for them, by item. */
  *needs(): Generator<{ readonly id: ItemId; readonly time: Time }> {
    for (const { query, needs } of this.#open.values()) {
      if (needs !== null) yield* query.items.map((id) => ({ id, time: needs }));
    }
  }

  /** Tells each what has become complete. The empty frontier ends it, and so does a row that cannot be computed. */
  settle(): void {
    for (const [subscription, follower] of [...this.#open]) {
      try {
        this.#tellBatch(subscription, follower);
      } catch (error) {
        const { sqlState, message } = toSqlError(error);
        this.#tell({ kind: 'subscriptionFailed', subscription, code: sqlState, message });
        this.remove(subscription);
        continue;
      }
      if (follower.isDone) this.remove(subscription);
    }
  }

  /** Whole times only: what comes at one time is told at once. */
  #tellBatch(subscription: number, follower: Follower): void {
    let told: TimedDelta[] = [];
    for (const { deltas, upper, isLast } of follower.batches()) {
      for (const delta of deltas) told.push(delta);
      if (told.length > CHANGES_MAX) {
        throw sqlError('54000', `more than ${CHANGES_MAX} changes at once`);
      }
      if (!isLast) continue;
      this.#tell({ kind: 'subscribed', subscription, deltas: told, upper });
      told = [];
    }
  }
}

const OWN = 'subscription:';
const ownView = (subscription: number): ItemId => `${OWN}${subscription}`;

/** Views of subscriptions of an earlier life. */
export function dropLeftOvers(store: CollectionStore): void {
  for (const id of store.ids) if (id.startsWith(OWN)) store.drop(id);
}

/** All rows of a view. */
function readingOf(id: ItemId, query: Query): Query {
  const plan = { kind: 'get', item: id, columns: query.columns } as const;
  return { ...query, plan, order: [], items: [id] };
}
