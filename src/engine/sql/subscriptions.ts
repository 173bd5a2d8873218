/** Subscriptions: each is told what its query has, and what changes, as uppers move. */
import type {
  Time,
  TimedDelta,
  WorkerCommand,
  WorkerFeedback,
} from '../../coordinator/sql/worker.ts';
import { type SqlError, sqlError } from '../../sql/errors.ts';
import type { Query } from '../../sql/plan.ts';
import type { ItemId } from '../../sql/types.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import {
  type FollowedBatch,
  Follower,
  type FollowerListener,
  type FollowerParts,
} from './follower.ts';
import { isChain } from './relations.ts';

/** Changes that are told at once. */
const CHANGES_MAX = 1_000_000;

type Subscribe = Extract<WorkerCommand, { kind: 'subscribe' }>;

type Open = {
  readonly follower: Follower;
  readonly listener: FollowerListener;
  /** Changes that wait for the rest of their time. */
  told: TimedDelta[];
};

export type SubscriptionsOptions = FollowerParts & {
  readonly tell: (feedback: WorkerFeedback) => void;
  /** Something was told at a moment when nobody asked. */
  readonly wake: () => void;
};

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #open = new Map<number, Open>();
  /** Those whose query is kept as a view of their own. */
  readonly #kept = new Set<number>();

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** A query of which more than the changes of one item has to be looked at is kept by delta, if it can be. */
  add({ subscription, query, asOf, hasSnapshot }: Subscribe): void {
    const id = ownView(subscription);
    const isKept = !isChain(query.plan) && this.#keep(id, query);
    const followed = isKept ? readingOf(id, query) : query;
    const follower = new Follower(this.#options, { query: followed, asOf, hasSnapshot });
    const listener: FollowerListener = {
      batch: (batch) => this.#take(subscription, batch),
      failed: (error) => this.#fail(subscription, error),
      idle: () => this.#options.wake(),
    };
    this.#open.set(subscription, { follower, listener, told: [] });
    if (isKept) this.#kept.add(subscription);
  }

  remove(subscription: number): void {
    this.#open.get(subscription)?.follower.end();
    this.#open.delete(subscription);
    if (this.#kept.delete(subscription)) this.#options.items.remove(ownView(subscription));
  }

  #keep(id: ItemId, query: Query): boolean {
    const { items } = this.#options;
    items.add({ kind: 'view', id, view: id, query, isHidden: true });
    if (items.keep(id, query.plan)) return true;
    items.remove(id);
    return false;
  }

  /** Those that read something that is dropped end without a word: the coordinator knows. */
  dropped(ids: readonly ItemId[]): void {
    const { items } = this.#options;
    for (const [subscription, { follower }] of [...this.#open]) {
      if (follower.query.items.some((id) => items.isMadeOf(id, ids))) this.remove(subscription);
    }
  }

  /** What must stay readable for them, by item. */
  *needs(): Generator<{ readonly id: ItemId; readonly time: Time }> {
    for (const { follower } of this.#open.values()) {
      const { needs: time, query } = follower;
      if (time !== null) yield* query.items.map((id) => ({ id, time }));
    }
  }

  /** Tells each what has become complete. The empty frontier ends it, and so does a row that cannot be computed. */
  settle(): void {
    for (const { follower, listener } of [...this.#open.values()]) follower.advance(listener);
  }

  /** Whole times only: what comes at one time is told at once. */
  #take(subscription: number, { deltas, upper, isLast }: FollowedBatch): void {
    const open = this.#open.get(subscription);
    if (open === undefined) return;
    if (open.told.length === 0) open.told = [...deltas];
    else for (const delta of deltas) open.told.push(delta);
    if (open.told.length > CHANGES_MAX) {
      throw sqlError('54000', `more than ${CHANGES_MAX} changes at once`);
    }
    if (!isLast) return;
    const { told } = open;
    open.told = [];
    this.#options.tell({ kind: 'subscribed', subscription, deltas: told, upper });
    if (open.follower.isDone) this.remove(subscription);
  }

  #fail(subscription: number, { sqlState, message }: SqlError): void {
    this.#options.tell({ kind: 'subscriptionFailed', subscription, code: sqlState, message });
    this.remove(subscription);
    this.#options.wake();
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
