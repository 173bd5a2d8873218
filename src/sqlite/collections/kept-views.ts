/**
 * Views that are kept by delta: brought up to date in the transaction that changes their inputs.
 *
 * A state is right for times from its `since` on. It is filled with what the inputs have when the view is created; should
 * changes of one input come at a time before the state's last change (inputs of different pace), they are put in at that
 * last change, and `since` moves there. Whoever reads before `since` computes the view.
 */
import { SqlError } from '../../sql/errors.ts';
import type { Plan } from '../../sql/plan.ts';
import type { ItemId } from '../../sql/types.ts';
import { sqlFailureOf } from '../sql.ts';
import type { Collection } from './collection.ts';
import type { CollectionStore } from './collection-store.ts';
import { liveTable } from './collection-table.ts';
import { type KeptPlan, keptPlanOf } from './kept-plan.ts';
import { KeptView } from './kept-view.ts';
import { joinColumns } from './linear-plan.ts';
import { textOf } from './registry.ts';

export class KeptViews {
  readonly #store: CollectionStore;
  readonly #views = new Map<ItemId, KeptView>();

  constructor(store: CollectionStore) {
    this.#store = store;
    store.listen((collection, time) => this.#update(collection, time));
  }

  has(id: ItemId): boolean {
    return this.#views.has(id);
  }

  /** The plan of what is computed over the state when the view is read. */
  topOf(id: ItemId): Plan | null {
    return this.#views.get(id)?.kept.top ?? null;
  }

  /**
   * Keeps a view from now on, or goes on with what the file has of it. False when it is not of the kind that is kept, or
   * its rows cannot be computed now.
   */
  keep(id: ItemId, plan: Plan, collectionOf: (item: ItemId) => ItemId | null): boolean {
    const kept = keptPlanOf(plan);
    if (kept === null || !this.#areBags(kept, collectionOf)) return false;
    const view = new KeptView(this.#store, {
      id,
      kept,
      collectionOf: (item) => collectionOf(item) ?? item,
    });
    if (!this.#isKnown(view, plan)) {
      try {
        this.#store.write(() => this.#create(view, plan));
      } catch (error) {
        if (!isOfRow(error)) throw error;
        return false; // whoever reads it is told why
      }
    }
    this.#views.set(id, view);
    return true;
  }

  drop(id: ItemId): void {
    const view = this.#views.get(id);
    if (view === undefined) return;
    this.#views.delete(id);
    const needed = new Set(
      [...this.#views.values()].flatMap((other) => [...indexesOf(this.#store, other).keys()]),
    );
    for (const name of indexesOf(this.#store, view).keys()) {
      if (!needed.has(name)) this.#store.sql.exec(`DROP INDEX IF EXISTS ${name}`);
    }
    if (this.#store.has(id)) this.#store.drop(id);
    for (const other of [...this.#views.values()]) {
      if (other.inputs.includes(id)) this.drop(other.id);
    }
  }

  #areBags(kept: KeptPlan, collectionOf: (item: ItemId) => ItemId | null): boolean {
    return kept.terms.every(({ leaves }) =>
      leaves.every((item) => {
        const id = collectionOf(item);
        return id !== null && this.#store.isBag(id);
      }),
    );
  }

  /** The file has it, of the same plan, and no input has changed without it. */
  #isKnown({ id, inputs }: KeptView, plan: Plan): boolean {
    if (!this.#store.has(id)) return false;
    const { changedAt } = this.#store.versioned(id).state;
    const isCurrent = inputs.every((input) => this.#store.get(input).state.changedAt <= changedAt);
    if (isCurrent && this.#store.note(id) === textOf(plan)) return true;
    this.#store.drop(id);
    return false;
  }

  #create(view: KeptView, plan: Plan): void {
    const store = this.#store;
    const time = Math.max(0, ...view.inputs.map((input) => store.get(input).state.changedAt));
    const { state } = view.kept;
    if (state.kind === 'groups') store.createGroups(view.id, state, time);
    else store.create(view.id, { columns: state.columns, key: [], since: time, upper: 0 });
    store.setNote(view.id, textOf(plan));
    for (const create of indexesOf(store, view).values()) store.sql.exec(create);
    view.fill(time);
    store.set(store.versioned(view.id), { changedAt: time });
  }

  #update(collection: Collection, time: number): void {
    for (const view of this.#views.values()) {
      if (!view.inputs.includes(collection.id)) continue;
      const at = this.#moveTo(view, time);
      if (view.kept.isTotal) view.update(collection.id, at);
      else this.#try(view, () => view.update(collection.id, at));
    }
  }

  /** The time at which a change is put in. */
  #moveTo({ id }: KeptView, time: number): number {
    const state = this.#store.versioned(id);
    const { changedAt, since } = state.state;
    if (time < changedAt) this.#store.set(state, { since: Math.max(since, changedAt) });
    else this.#store.set(state, { changedAt: time });
    return Math.max(time, changedAt);
  }

  /** A view with a row that cannot be computed is not kept any more: whoever reads it at such a time is told. */
  #try(view: KeptView, work: () => void): void {
    const { sql } = this.#store;
    sql.exec('SAVEPOINT tidelock_view');
    try {
      work();
      sql.exec('RELEASE tidelock_view');
    } catch (error) {
      if (!isOfRow(error)) throw error;
      sql.exec('ROLLBACK TO tidelock_view; RELEASE tidelock_view');
      this.drop(view.id);
    }
  }
}

/** True when a value could not be computed, false when SQLite could not write. */
function isOfRow(error: unknown): boolean {
  return error instanceof SqlError || sqlFailureOf(error) === 'other';
}

/** The indexes by which a view's joins find rows: name and statement. */
function indexesOf(store: CollectionStore, view: KeptView): Map<string, string> {
  const found = new Map<string, string>();
  for (const term of view.kept.terms) {
    for (const { leaf, column } of joinColumns(term) ?? []) {
      const input = view.inputOf(term, leaf);
      if (input === null) continue;
      const { number } = store.get(input);
      const name = `live_${number}_by_c${column}`;
      found.set(name, `CREATE INDEX IF NOT EXISTS ${name} ON ${liveTable(number)} (c${column})`);
    }
  }
  return found;
}
