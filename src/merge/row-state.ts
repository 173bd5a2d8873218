/**
 * The state of one row of a two-way table, and how two states become one. Used by replicas (what is shown)
 * and by the server (what is stored): both get the same from the same changes, in whatever order they arrive.
 *
 * A change is a piece of a state: an insert has every column, an update the written ones, a delete none. So
 * changes are joined to states and to one another by the same function. No clock and no name of a site takes
 * part: versions decide, and values where versions are equal.
 */
import type { Cell } from '../core/value.ts';
import { compareCells } from './value-order.ts';

export type ColumnState = {
  /** 1 in the life's first write, then one more with every write that changes the value. */
  readonly version: number;
  readonly value: Cell;
};

export type RowState = {
  /** Causal length: how often the row began and ended. 0 = never seen, odd = alive, even = deleted. */
  readonly cl: number;
  /** The columns outside the key, by name; empty unless alive. One that is missing is older than every version. */
  readonly columns: ReadonlyMap<string, ColumnState>;
};

/** The largest causal length and column version that Postgres stores for us. */
export const VERSION_MAX = 2 ** 31 - 1;

const NO_COLUMNS: ReadonlyMap<string, ColumnState> = new Map();

/** A row that nobody ever wrote. */
export const UNKNOWN_ROW: RowState = { cl: 0, columns: NO_COLUMNS };

/** The state after the row's end. `cl` is even. */
export function deadRow(cl: number): RowState {
  return { cl, columns: NO_COLUMNS };
}

export function isAlive(state: RowState): boolean {
  return state.cl % 2 === 1;
}

/**
 * The least state that has both. Commutative, associative and idempotent. Returns `a` itself when `b` adds
 * nothing to it, and columns that are those of `a` where `b` wins none: what `b` changed is what is not `===`.
 */
export function merge(a: RowState, b: RowState): RowState {
  if (a.cl !== b.cl) return a.cl > b.cl ? a : b;
  if (!isAlive(a)) return a;
  const columns = mergeColumns(a.columns, b.columns);
  return columns === a.columns ? a : { cl: a.cl, columns };
}

function mergeColumns(
  a: ReadonlyMap<string, ColumnState>,
  b: ReadonlyMap<string, ColumnState>,
): ReadonlyMap<string, ColumnState> {
  let merged: Map<string, ColumnState> | undefined;
  for (const [name, theirs] of b) {
    const ours = a.get(name);
    if (ours !== undefined && !beats(theirs, ours)) continue;
    merged ??= new Map(a);
    merged.set(name, theirs);
  }
  return merged ?? a;
}

/** True when `a` replaces `b`: the higher version, or with equal versions the greater value. */
function beats(a: ColumnState, b: ColumnState): boolean {
  if (a.version !== b.version) return a.version > b.version;
  return compareCells(a.value, b.value) > 0;
}
