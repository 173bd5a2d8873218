/** Rows of values as rows of cells, and back. */
import { fromStored, type Stored, toStored } from '../../sql/storage.ts';
import type { Column, SqlRow } from '../../sql/types.ts';

export function storedRow(columns: readonly Column[], row: SqlRow): readonly Stored[] {
  return columns.map(({ type }, index) => toStored(type, row[index] ?? null));
}

export function valuesOf(columns: readonly Column[], cells: readonly Stored[]): SqlRow {
  return columns.map(({ type }, index) => fromStored(type, cells[index] ?? null));
}
