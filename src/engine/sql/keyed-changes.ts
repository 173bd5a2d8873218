/** Changes of a replicated table as rows that come and go: where only a key is told, the old row is looked up. */
import type { Time } from '../../coordinator/sql/worker.ts';
import { assert } from '../../core/assert.ts';
import type { Stored } from '../../sql/storage.ts';
import type { ItemId, RowDelta, SqlRow } from '../../sql/types.ts';
import {
  type CellDelta,
  CHUNK_ROWS,
  type Collection,
} from '../../sqlite/collections/collection.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import { storedRow } from './stored-rows.ts';

export type SourceOperation =
  | RowDelta
  /** The row takes the place of that with the same key, if there is one. */
  | { readonly put: SqlRow }
  /** By the values of the key's columns. One without a row does no harm. */
  | { readonly remove: SqlRow }
  /** The row with this key, with the values that are told; the others stay. */
  | { readonly patch: SqlRow; readonly isTold: readonly boolean[]; readonly key: SqlRow }
  | { readonly clear: true };

/** Applies operations at one time, in a transaction of the caller. */
export function applyChanges(
  store: CollectionStore,
  id: ItemId,
  { time, changes }: { readonly time: Time; readonly changes: Iterable<SourceOperation> },
): void {
  const pieces = new KeyedChanges(store, id).pieces(changes);
  for (const piece of pieces) store.apply(id, time, piece);
}

class KeyedChanges {
  readonly #store: CollectionStore;
  readonly #collection: Collection;
  #piece: CellDelta[] = [];
  /** What this piece has made of the rows it touched, by key; null for gone. */
  #touched = new Map<string, readonly Stored[] | null>();

  constructor(store: CollectionStore, id: ItemId) {
    this.#store = store;
    this.#collection = store.get(id);
  }

  /** Deltas, some at a time. Each piece is applied before the next is asked for: looking up sees what was applied. */
  *pieces(changes: Iterable<SourceOperation>): Generator<readonly CellDelta[]> {
    for (const change of changes) {
      if ('clear' in change) {
        yield this.#cut();
        yield* presentRows(this.#store, this.#collection.id);
      } else this.#add(change);
      if (this.#piece.length >= CHUNK_ROWS) yield this.#cut();
    }
    yield this.#cut();
  }

  #cut(): readonly CellDelta[] {
    const piece = this.#piece;
    this.#piece = [];
    this.#touched = new Map();
    return piece;
  }

  #add(change: Exclude<SourceOperation, { readonly clear: true }>): void {
    const { columns } = this.#collection;
    if ('row' in change) this.#push(storedRow(columns, change.row), change.diff);
    else if ('remove' in change) this.#take(this.#storedKey(change.remove));
    else if ('patch' in change) {
      const old = this.#take(this.#storedKey(change.key));
      assert(old !== null, `the row of ${this.#collection.id} that changes in part is there`);
      const told = storedRow(columns, change.patch);
      this.#push(
        told.map((cell, index) => (change.isTold[index] === true ? cell : (old[index] ?? null))),
        1,
      );
    } else {
      const row = storedRow(columns, change.put);
      this.#take(this.#keyOf(row));
      this.#push(row, 1);
    }
  }

  /** Takes the row with a key away, if there is one. */
  #take(key: readonly Stored[]): readonly Stored[] | null {
    assert(this.#collection.key.length > 0, `${this.#collection.id} has a key to find rows by`);
    const known = this.#touched.get(textOf(key));
    const row = known === undefined ? (this.#collection.withKey(key)[0] ?? null) : known;
    if (row !== null) this.#push(row, -1);
    return row;
  }

  #push(row: readonly Stored[], n: number): void {
    this.#piece.push({ row, n });
    if (this.#collection.key.length === 0) return;
    this.#touched.set(textOf(this.#keyOf(row)), n > 0 ? row : null);
  }

  #keyOf(row: readonly Stored[]): readonly Stored[] {
    return this.#collection.key.map((position) => row[position] ?? null);
  }

  #storedKey(key: SqlRow): readonly Stored[] {
    const { columns } = this.#collection;
    return storedRow(
      this.#collection.key.flatMap((position) => columns[position] ?? []),
      key,
    );
  }
}

/** What a collection has now, as deltas that take it away: each piece is applied before the next is asked for. */
export function* presentRows(store: CollectionStore, id: ItemId): Generator<readonly CellDelta[]> {
  for (;;) {
    const rows = store.firstRows(id, CHUNK_ROWS);
    if (rows.length === 0) return;
    yield rows.map(({ row, n }) => ({ row, n: -n }));
  }
}

/** 5 and 5n are one key. */
function textOf(cells: readonly Stored[]): string {
  return cells.map((cell) => (typeof cell === 'string' ? JSON.stringify(cell) : `${cell};`)).join();
}
