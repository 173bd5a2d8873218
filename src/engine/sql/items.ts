/** What the worker knows by id: collections, indexes (other names of something), views that are computed when read. */

import { type Frontier, TIME_END, type Time } from '../../coordinator/sql/worker.ts';
import { assert, unreachable } from '../../core/assert.ts';
import { type CompileOptions, compileQuery, compileRows } from '../../sql/compile/query.ts';
import type { Plan, Query } from '../../sql/plan.ts';
import type { ItemId } from '../../sql/types.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import { KeptViews } from '../../sqlite/collections/kept-views.ts';
import { planSql } from '../../sqlite/collections/plan-sql.ts';
import { Places, type ReadText } from '../../sqlite/collections/read-text.ts';
import { SmallTables } from '../../sqlite/collections/small-tables.ts';
import { changesThrough, isChain } from './relations.ts';
import { isSmallQuery } from './small-plans.ts';

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
      /** A subscription's own: nobody is told of it. */
      readonly isHidden?: boolean;
    };

export class Items {
  readonly #store: CollectionStore;
  readonly #kept: KeptViews;
  readonly #small: SmallTables;
  readonly #byId = new Map<ItemId, Item>();
  /** Of a view, the index that has its rows. */
  readonly #indexOf = new Map<ItemId, ItemId>();
  readonly #failures = new Map<ItemId, Failure>();

  constructor(store: CollectionStore) {
    this.#store = store;
    this.#kept = new KeptViews(store);
    this.#small = new SmallTables(store);
  }

  /** In the order in which they were added. */
  get all(): readonly Item[] {
    return [...this.#byId.values()];
  }

  /** Those that the coordinator knows. */
  get shown(): readonly Item[] {
    return this.all.filter((item) => item.kind !== 'view' || item.isHidden !== true);
  }

  add(item: Item): void {
    this.#byId.set(item.id, item);
    if (item.kind === 'view' && !this.#indexOf.has(item.view)) {
      this.#indexOf.set(item.view, item.id);
    }
  }

  /** By its id, or by the name of the view that it is the index of. Asserts that there is one. */
  get(id: ItemId): Item {
    const item = this.find(id);
    assert(item !== undefined, `the worker has an item ${id}`);
    return item;
  }

  find(id: ItemId): Item | undefined {
    return this.#byId.get(id) ?? this.#byId.get(this.#indexOf.get(id) ?? id);
  }

  /** Keeps a view by delta from now on, if it is of that kind. Its answers are the same either way. */
  keep(id: ItemId, plan: Plan): boolean {
    return this.#kept.keep(id, plan, (item) => this.#storedAs(item));
  }

  /** The collection that an item is: a table's or source's own, or a view's that is kept as it is read. */
  #storedAs(id: ItemId): ItemId | null {
    const item = this.find(id);
    if (item === undefined) return null;
    if (item.kind === 'index') return this.#storedAs(item.on);
    if (item.kind === 'collection') return item.id;
    return this.#kept.topOf(item.id)?.kind === 'get' ? item.id : null;
  }

  remove(id: ItemId): void {
    this.#kept.drop(id);
    const item = this.#byId.get(id);
    this.#byId.delete(id);
    if (item?.kind === 'view' && this.#indexOf.get(item.view) === id) this.#reindex(item.view);
    this.#failures.delete(id);
  }

  /** Another index of the view takes the place of one that is gone. */
  #reindex(view: ItemId): void {
    this.#indexOf.delete(view);
    const other = this.all.find((item) => item.kind === 'view' && item.view === view);
    if (other !== undefined) this.#indexOf.set(view, other.id);
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

  /** The first time at which it can be read. */
  since(id: ItemId): Time {
    return Math.max(0, ...this.collectionsOf(id).map((one) => this.#store.get(one).state.since));
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

  /** Everything that is stored for reading an item: what it is computed from, and what is kept of it. */
  storedFor(id: ItemId): readonly ItemId[] {
    const item = this.get(id);
    const own = this.#kept.has(item.id) ? [item.id] : [];
    return [
      ...own,
      ...inputsOf(item).flatMap((input) => this.storedFor(input)),
      ...(item.kind === 'collection' ? [id] : []),
    ];
  }

  /** True when an item is one of these, or computed from one. */
  isMadeOf(id: ItemId, ids: readonly ItemId[]): boolean {
    const item = this.find(id);
    if (item === undefined || ids.includes(item.id) || ids.includes(id)) return true;
    return inputsOf(item).some((input) => this.isMadeOf(input, ids));
  }

  /** A SELECT of the rows of an item at a time, columns `c0`, `c1`, ... */
  #relation(id: ItemId, at: At): string {
    const item = this.get(id);
    switch (item.kind) {
      case 'collection':
        return at.places.add(this.#store.place(id, at.time));
      case 'index':
        return this.#relation(item.on, at);
      case 'view':
        return this.#keptRelation(item.id, at) ?? compileRows(item.query, this.#reading(at));
      default:
        return unreachable(item);
    }
  }

  /**
   * A SELECT of an item's changes at times of a span: `c0`, ..., `time`, `n`, not consolidated. Null when they are not kept:
   * the rows at two times tell them.
   */
  #changes(id: ItemId, span: Span, places: Places): string | null {
    const item = this.get(id);
    if (item.kind === 'index') return this.#changes(item.on, span, places);
    if (item.kind === 'view') return this.#keptChanges(item.id, span, places);
    return places.add(this.#store.changesPlace(id, span.from, span.until));
  }

  /** Null when the view is not kept, or not since that time. */
  #keptRelation(id: ItemId, { time, places }: At): string | null {
    const top = this.#kept.topOf(id);
    if (top === null || time < this.#store.versioned(id).state.since) return null;
    const state = places.add(this.#store.place(id, time));
    return top.kind === 'get' ? state : planSql(top, () => state);
  }

  #keptChanges(id: ItemId, { from, until }: Span, places: Places): string | null {
    const top = this.#kept.topOf(id);
    if (top === null || from <= this.#store.versioned(id).state.since) return null;
    return changesThrough(top, places.add(this.#store.changesPlace(id, from, until)));
  }

  /** What `text` makes of the changes of a query's rows; null when they are not kept. */
  changesText(
    { plan, items }: Query,
    span: Span,
    text: (changes: string) => string,
  ): ReadText | null {
    const [item] = items;
    if (item === undefined || !isChain(plan)) return null;
    const places = new Places();
    const changes = this.#changes(item, span, places);
    return changes === null ? null : places.read(text(changesThrough(plan, changes)));
  }

  /** A SELECT of what `text` makes of the rows of a query at some times, in no order, columns `c0`, `c1`, ... */
  rowsText(query: Query, text: (rowsAt: (time: Time) => string) => string): ReadText {
    const places = new Places();
    return places.read(text((time) => compileRows(query, this.#reading({ time, now: 0, places }))));
  }

  /** A SELECT of the rows of a query at a time, in the query's order. */
  queryText(query: Query, time: Time, now: number): ReadText {
    const places = new Places();
    return places.read(compileQuery(query, this.#reading({ time, now, places })));
  }

  /** True when reading the rows of a query at a time surely takes next to no time. */
  isSmall(query: Query, time: Time): boolean {
    return isSmallQuery(query, (item) => this.#rowsOf(item, time));
  }

  /** The same of its changes from a time on. */
  areSmallChanges(query: Query, from: Time): boolean {
    return isSmallQuery(query, (item) => {
      const id = this.#storedFrom(item, from - 1);
      return id === null ? null : this.#small.changesOf(id, from);
    });
  }

  /** Null when they may be many, or are computed. */
  #rowsOf(item: ItemId, time: Time): number | null {
    const id = this.#storedFrom(item, time);
    return id === null ? null : this.#small.rowsOf(id);
  }

  /** The collection whose rows an item's are, but for a filter and a projection. Null when they are computed. */
  #storedFrom(id: ItemId, time: Time): ItemId | null {
    const item = this.get(id);
    if (item.kind === 'index') return this.#storedFrom(item.on, time);
    if (item.kind === 'collection') return item.id;
    const top = this.#kept.topOf(item.id);
    if (top === null || time < this.#store.versioned(item.id).state.since) return null;
    return top.kind === 'get' ? item.id : null;
  }

  #reading(at: At): CompileOptions {
    const { time, now } = at;
    return {
      relation: (item) => this.#relation(item, at),
      time: time === TIME_END ? LOGICAL_END : time,
      now,
    };
  }
}

/** Times of [from, until). */
type Span = { readonly from: Time; readonly until: Time };

/** When and where relations are read. */
type At = { readonly time: Time; readonly now: number; readonly places: Places };

/** How the end of time is shown. */
const LOGICAL_END = 2n ** 64n - 1n;

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
