/**
 * A versioned bag of rows in SQLite: readable at every time from `since` on, complete before `upper`.
 *
 * Changes come in the order of their times; several calls at one time add up. The caller holds the SQLite
 * transaction open around them, so that rows and frontiers become durable together.
 */
import { assert } from '../../core/assert.ts';
import type { Stored } from '../../sql/storage.ts';
import type { Column, ItemId } from '../../sql/types.ts';
import { asNumber, type Sql } from '../sql.ts';
import { CollectionStatements, createDeltaTable, type Layout } from './collection-table.ts';
import { areSame, type CellRow, KEY_SLOTS, keySlot, PLACES, slotOf } from './row-slot.ts';
import { type CollectionState, Purge, type Versioned } from './versioned.ts';

/** A row and how often it comes (above zero) or goes (below). */
export type CellDelta = { readonly row: CellRow; readonly n: number };

/** Deltas that are applied by one set of statements. */
export const CHUNK_ROWS = 1000;

type Placed = { slot: number; n: number; readonly row: CellRow };

export class Collection implements Versioned {
  readonly id: ItemId;
  readonly number: number;
  readonly columns: readonly Column[];
  readonly key: readonly number[];
  state: CollectionState;
  readonly #statements: CollectionStatements;
  readonly #purge: Purge;
  /** Whether `hasRepeats` is up to date. */
  #isCounted = true;
  readonly #parameters: Stored[] = [];

  constructor(
    sql: Sql,
    {
      id,
      key,
      state,
      ...layout
    }: Layout & { id: ItemId; key: readonly number[]; state: CollectionState },
  ) {
    this.id = id;
    this.number = layout.number;
    this.columns = layout.columns;
    this.key = key;
    this.state = state;
    createDeltaTable(sql, layout);
    this.#statements = new CollectionStatements(sql, layout);
    this.#purge = new Purge(sql, layout.number, ['slot']);
  }

  /**
   * Applies at most `CHUNK_ROWS` deltas at `time`. Afterwards `delta_N` holds them, consolidated, until the next
   * call. Returns whether anything changed.
   */
  apply(time: number, deltas: readonly CellDelta[]): boolean {
    const { upper, changedAt } = this.state;
    assert(
      upper !== null && time >= upper && time >= changedAt,
      `changes of ${this.id} at ${time} come after its upper ${upper} and its last change ${changedAt}`,
    );
    const statements = this.#statements;
    statements.clear.run();
    const placed = this.#place(deltas);
    if (placed.length === 0) return false;
    if (!this.state.hasMoved) this.#fill(placed);
    if (this.state.hasMoved || statements.strangers.get() !== undefined) this.#move(placed);
    statements.archive.run(time, time);
    statements.merge.run(time);
    if (placed.some(({ n }) => n < 0)) statements.sweep.run();
    this.#isCounted = false;
    if (time !== changedAt) this.state = { ...this.state, changedAt: time };
    return true;
  }

  /** The rows that have this key now, as often as they are there. */
  withKey(key: CellRow): CellRow[] {
    const first = keySlot(key);
    return this.#placesOf(first, first + KEY_SLOTS - 1)
      .map(({ row }) => row)
      .filter((row) =>
        areSame(
          this.key.map((position) => row[position] ?? null),
          key,
        ),
      );
  }

  assertCounts(): void {
    if (this.#isCounted) return;
    this.#isCounted = true;
    const [value] = this.#statements.odd.get() as unknown as readonly unknown[];
    if (value === null) return;
    const lowest = asNumber(value);
    assert(lowest > 0, `a row of ${this.id} is there ${lowest} times`);
    this.state = { ...this.state, hasRepeats: true };
  }

  purge(): boolean {
    return this.#purge.run(this.state.since);
  }

  /** Gives each different row its slot, and leaves out what cancels out. */
  #place(deltas: readonly CellDelta[]): Placed[] {
    const bySlot = new Map<number, Placed>();
    for (const { row, n } of deltas) {
      let slot = slotOf(row, this.key);
      let there = bySlot.get(slot);
      for (let place = 1; there !== undefined && !areSame(there.row, row); place += 1) {
        assert(place < PLACES, 'a slot has places enough');
        slot += 1;
        there = bySlot.get(slot);
      }
      if (there === undefined) bySlot.set(slot, { slot, n, row });
      else there.n += n;
      if (slot % PLACES !== 0) this.state = { ...this.state, hasMoved: true };
    }
    return [...bySlot.values()].filter(({ n }) => n !== 0);
  }

  #fill(placed: readonly Placed[]): void {
    let start = 0;
    for (const batch of this.#statements.inserts) {
      for (; start + batch.size <= placed.length; start += batch.size) {
        this.#bind(placed, start, start + batch.size);
        this.#statements.insert(batch).run(...this.#parameters);
      }
    }
  }

  #bind(placed: readonly Placed[], start: number, end: number): void {
    const parameters = this.#parameters;
    let count = 0;
    for (let index = start; index < end; index += 1) {
      const entry = placed[index];
      if (entry === undefined) continue;
      parameters[count++] = entry.slot;
      parameters[count++] = entry.n;
      for (const cell of entry.row) parameters[count++] = cell;
    }
    parameters.length = count;
  }

  /** Different rows have met in a slot, once in some 2^50 pairs: each takes its row's place, or a free one. */
  #move(placed: readonly Placed[]): void {
    this.state = { ...this.state, hasMoved: true };
    const taken = new Set<number>();
    for (const entry of placed) {
      const first = slotOf(entry.row, this.key);
      const there = this.#placesOf(first, first + PLACES - 1);
      const same = there.find(({ row }) => areSame(row, entry.row));
      const isFree = (slot: number): boolean =>
        !taken.has(slot) && there.every((other) => other.slot !== slot);
      let slot = same?.slot ?? first;
      while (same === undefined && !isFree(slot)) slot += 1;
      assert(slot < first + PLACES, 'a slot has places enough');
      entry.slot = slot;
      taken.add(slot);
    }
    this.#statements.clear.run();
    this.#fill(placed);
  }

  #placesOf(first: number, last: number): { slot: number; row: Stored[] }[] {
    const rows = this.#statements.places.all(first, last) as unknown as Stored[][];
    return rows.map(([slot, ...row]) => ({ slot: Number(slot), row }));
  }
}
