/** What the worker knows by id: collections, indexes (other names of something), views that are computed when read. */

import type { Frontier, Time } from '../../coordinator/sql/worker.ts';
import { assert, unreachable } from '../../core/assert.ts';
import type { Query } from '../../sql/plan.ts';
import type { ItemId } from '../../sql/types.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';

/** Failures of an item, told to everybody who reads it. */
export type Failure = { readonly code: string; readonly message: string };

export type Item =
  /** `isTable`: its upper is moved by `advanceTables`. */
  | { readonly kind: 'collection'; readonly id: ItemId; readonly isTable: boolean }
  | { readonly kind: 'index'; readonly id: ItemId; readonly on: ItemId }
  | {
      readonly kind: 'view';
      readonly id: ItemId;
      /** The view itself: another name of the same rows. */
      readonly view: ItemId;
      readonly query: Query;
    };

/** SQLite's SQL of a query, its columns in the order of the query's. */
export type QueryCompiler = (query: Query, at: ReadAt) => string;

export type ReadAt = {
  /** A SELECT of an item's rows, columns `c0`, `c1`, ... */
  readonly relation: (item: ItemId) => string;
  readonly time: Time;
  /** The wall clock, for `now()`. */
  readonly now: number;
};

export class Items {
  readonly #store: CollectionStore;
  readonly #compile: QueryCompiler;
  readonly #byId = new Map<ItemId, Item>();
  readonly #failures = new Map<ItemId, Failure>();

  constructor(store: CollectionStore, compile: QueryCompiler) {
    this.#store = store;
    this.#compile = compile;
  }

  /** In the order in which they were added. */
  get all(): readonly Item[] {
    return [...this.#byId.values()];
  }

  add(item: Item): void {
    this.#byId.set(item.id, item);
  }

  /** By its id, or by the name of the view that it is the index of. Asserts that there is one. */
  get(id: ItemId): Item {
    const item = this.find(id);
    assert(item !== undefined, `the worker has an item ${id}`);
    return item;
  }

  find(id: ItemId): Item | undefined {
    const item = this.#byId.get(id);
    if (item !== undefined) return item;
    return this.all.find((other) => other.kind === 'view' && other.view === id);
  }

  remove(id: ItemId): void {
    this.#byId.delete(id);
    this.#failures.delete(id);
  }

  fail(id: ItemId, failure: Failure): void {
    this.#failures.set(id, failure);
  }

  /** Of the item or of anything that it is computed from. */
  failureOf(id: ItemId): Failure | undefined {
    const item = this.get(id);
    const own = this.#failures.get(item.id);
    if (own !== undefined) return own;
    for (const input of inputsOf(item)) {
      const failure = this.failureOf(input);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  /** The first incomplete time; null when nothing changes any more. */
  upper(id: ItemId): Frontier {
    const item = this.get(id);
    return item.kind === 'collection'
      ? this.#store.get(id).state.upper
      : this.upperOfAll(inputsOf(item));
  }

  upperOfAll(ids: readonly ItemId[]): Frontier {
    const uppers = ids.map((id) => this.upper(id)).filter((upper) => upper !== null);
    return uppers.length === 0 ? null : Math.min(...uppers);
  }

  /** The collections that an item's rows are computed from. */
  collectionsOf(id: ItemId): readonly ItemId[] {
    const item = this.get(id);
    if (item.kind === 'collection') return [id];
    return [...new Set(inputsOf(item).flatMap((input) => this.collectionsOf(input)))];
  }

  /** A SELECT of the rows of an item at a time, columns `c0`, `c1`, ... */
  relation(id: ItemId, time: Time, now: number): string {
    const item = this.get(id);
    switch (item.kind) {
      case 'collection':
        return this.#store.relation(id, time);
      case 'index':
        return this.relation(item.on, time, now);
      case 'view':
        return this.viewRelation(item.query, time, now);
      default:
        return unreachable(item);
    }
  }

  /** A SELECT of the rows of a query at a time, columns `c0`, `c1`, ... */
  viewRelation(query: Query, time: Time, now: number): string {
    const names = query.columns.map((_, index) => `c${index}`).join(', ');
    return `SELECT * FROM (WITH q (${names}) AS (${this.querySql(query, time, now)}) SELECT * FROM q)`;
  }

  querySql(query: Query, time: Time, now: number): string {
    return this.#compile(query, { relation: (item) => this.relation(item, time, now), time, now });
  }
}

function inputsOf(item: Item): readonly ItemId[] {
  switch (item.kind) {
    case 'collection':
      return [];
    case 'index':
      return [item.on];
    case 'view':
      return item.query.items;
    default:
      return unreachable(item);
  }
}
