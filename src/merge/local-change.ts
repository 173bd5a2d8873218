/**
 * What a write of this place adds to the state that it saw. The result is the change alone: it is what is
 * uploaded, and merged into the state it is what is shown.
 *
 * A write that changes the key is a delete of the old key and an insert of the new one.
 */
import { type Cell, sameCell } from '../core/value.ts';
import { type ColumnState, deadRow, isAlive, type RowState } from './row-state.ts';

type Values = ReadonlyMap<string, Cell>;

/**
 * The row begins a new life with every column at version 1. `values` are all columns outside the key. Over a
 * living row (INSERT OR REPLACE) the old life ends first.
 */
export function insertChange(state: RowState, values: Values): RowState {
  const columns = new Map<string, ColumnState>();
  for (const [name, value] of values) columns.set(name, { version: 1, value });
  return { cl: state.cl + (isAlive(state) ? 2 : 1), columns };
}

/** The columns of `values` that differ from the living row; null when none does, or the row is not alive. */
export function updateChange(state: RowState, values: Values): RowState | null {
  if (!isAlive(state)) return null;
  const columns = new Map<string, ColumnState>();
  for (const [name, value] of values) {
    const present = state.columns.get(name);
    if (present !== undefined && sameCell(present.value, value)) continue;
    columns.set(name, { version: (present?.version ?? 0) + 1, value });
  }
  return columns.size === 0 ? null : { cl: state.cl, columns };
}

/** The end of a living row; null when it is not alive. */
export function deleteChange(state: RowState): RowState | null {
  return isAlive(state) ? deadRow(state.cl + 1) : null;
}
