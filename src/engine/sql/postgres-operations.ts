/** Changes of the log as operations on a source's rows. */
import type { RowChange } from '../../core/row-change.ts';
import type { SourceOperation } from './keyed-changes.ts';
import { keyOf, rowOf, type SourceLayout } from './postgres-types.ts';

export function operationsOf(change: RowChange, layout: SourceLayout): readonly SourceOperation[] {
  switch (change.type) {
    case 'insert':
      return [{ put: rowOf(layout, change.row) }];
    case 'delete':
      return [{ remove: keyOf(layout, change.key) }];
    case 'truncate':
      return [{ clear: true }];
    case 'update': {
      const { cols, row, key } = change;
      const gone = key === undefined ? [] : [{ remove: keyOf(layout, key) }];
      if (cols === undefined) return [...gone, { put: rowOf(layout, row) }];
      return [patchOf(change, layout)];
    }
    default:
      return [];
  }
}

/** An update whose unchanged out-of-line values were left out: the rest of the row is what it was. */
function patchOf(
  { cols = [], row, key }: Extract<RowChange, { readonly type: 'update' }>,
  layout: SourceLayout,
): SourceOperation {
  const told = new Map(cols.map((position, index) => [position, row[index] ?? null]));
  const whole = layout.positions.map((position) => told.get(position) ?? null);
  const isTold = layout.positions.map((position) => told.has(position));
  const values = rowOf({ ...layout, positions: layout.positions.map((_, index) => index) }, whole);
  const after = layout.key.map((position) => values[position] ?? null);
  return { patch: values, isTold, key: key === undefined ? after : keyOf(layout, key) };
}
