/** What every versioned state in SQLite has: frontiers, and a past that is forgotten in pieces. */
import type { ItemId } from '../../sql/types.ts';
import { prepareArrays, type Sql, type SqlStatement } from '../sql.ts';
import { pastTable } from './collection-table.ts';

/** Times are whole numbers below 2^53; null is the empty frontier: nothing ever changes again. */
export type Upper = number | null;

export type CollectionState = {
  readonly upper: Upper;
  readonly since: number;
  /** The last time at which something changed; 0 before the first change. */
  readonly changedAt: number;
  /** Whether some row ever was there more than once. */
  readonly hasRepeats: boolean;
  /** Whether some row ever stood in another place than the first of its slot. */
  readonly hasMoved: boolean;
};

export type Versioned = {
  readonly id: ItemId;
  readonly number: number;
  state: CollectionState;
  /** At the end of a write. Throws when a row is there less than never: the source has taken away what it never gave. */
  assertCounts(): void;
  /** Forgets a bounded part of the past that nobody at or after `since` can see. True when there is more. */
  purge(): boolean;
};

/** Rows of the past that one call of `purge` forgets. */
const PURGE_ROWS_MAX = 10_000;

/** Deletes from `past_N`, whose key is `until` and then `columns`, up to a time. */
export class Purge {
  readonly #bound: SqlStatement;
  readonly #delete: SqlStatement;
  readonly #deleteAll: SqlStatement;

  constructor(sql: Sql, number: number, columns: readonly string[]) {
    const past = pastTable(number);
    const key = ['until', ...columns].join(', ');
    this.#bound = prepareArrays(
      sql,
      `SELECT ${key} FROM ${past} WHERE until <= ? ORDER BY ${key} LIMIT 1 OFFSET ?`,
    );
    this.#bound.setReadBigInts(true);
    const places = Array(columns.length + 1)
      .fill('?')
      .join();
    this.#delete = sql.prepare(`DELETE FROM ${past} WHERE (${key}) <= (${places})`);
    this.#deleteAll = sql.prepare(`DELETE FROM ${past} WHERE until <= ?`);
  }

  /** True when there is more. */
  run(since: number): boolean {
    const bound = this.#bound.get(since, PURGE_ROWS_MAX - 1) as unknown as
      | readonly (bigint | string)[]
      | undefined;
    if (bound === undefined) this.#deleteAll.run(since);
    else this.#delete.run(...bound);
    return bound !== undefined;
  }
}
