/** The order of rows that nothing else orders. */
import { compareStored } from './functions/polymorphic.ts';
import { compareNative } from './native-order.ts';
import { toStored } from './storage.ts';
import type { Column, SqlRow, SqlType, SqlValue } from './types.ts';

/**
 * Column by column, NULL last. Values that are equal and print differently (1.0 and 1.00) are told apart by their text, so
 * the order is total.
 */
export function compareRows(columns: readonly Column[]): (a: SqlRow, b: SqlRow) => number {
  const types = columns.map(({ type }) => type);
  return (a, b) => {
    for (const [index, type] of types.entries()) {
      const order = compareValues(type, a[index] ?? null, b[index] ?? null);
      if (order !== 0) return order;
    }
    return 0;
  };
}

function compareValues(type: SqlType, a: SqlValue, b: SqlValue): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  const [left, right] = [toStored(type, a), toStored(type, b)];
  return compareStored(type, left, right) || compareNative(left, right);
}
