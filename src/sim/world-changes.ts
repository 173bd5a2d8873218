/** Committed changes in the form of the evidence. */
import type { RowChange } from './database.ts';
import type { CommittedChange } from './evidence.ts';
import { namedRow } from './tables.ts';

export function changesOf(changes: readonly RowChange[]): readonly CommittedChange[] {
  return changes.map(({ table, kind, old, row }) => ({
    ...{ table: table.name, op: kind },
    old: old === null ? null : namedRow(table, old),
    row: row === null ? null : namedRow(table, row),
  }));
}
