/** Companions of two-way tables travel with them; people count rows of their own tables. */
import type { RowChange } from '../core/row-change.ts';
import type { TableDef } from '../core/table.ts';

/** How many of the changes are not of a companion. */
export function countChanges(changes: readonly RowChange[], tables: readonly TableDef[]): number {
  const companions = new Set(tables.flatMap(({ twoway }) => twoway?.versions ?? []));
  if (companions.size === 0) return changes.length;
  return changes.filter((change) => !companions.has(tableOf(change))).length;
}

function tableOf(change: RowChange): string {
  return typeof change.table === 'string' ? change.table : change.table.name;
}
