/** Rows of values as rows of cells. */
import { type Stored, toStored } from '../../sql/storage.ts';
import type { Column, SqlRow } from '../../sql/types.ts';

export function storedRow(columns: readonly Column[], row: SqlRow): readonly Stored[] {
  return columns.map(({ type }, index) => toStored(type, row[index] ?? null));
}
