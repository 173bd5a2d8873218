/** ORDER BY in SQLite's SQL. */
import type { SortKey } from '../plan.ts';
import { columnAffinity, isNative } from '../storage.ts';
import type { SqlType } from '../types.ts';
import { compileExpression, type Environment, sortKey } from './expression.ts';

export function orderTerms(keys: readonly SortKey[], environment: Environment): readonly string[] {
  return keys.map(({ expression, isDescending, areNullsFirst }) => {
    const sql = sortKey(expression.type, compileExpression(expression, environment));
    return `${noOrdinal(expression.type, sql)} ${isDescending ? 'DESC' : 'ASC'} NULLS ${areNullsFirst ? 'FIRST' : 'LAST'}`;
  });
}

/** Column by column, NULL last; equal values that print differently by their text: no two different rows are left in any order. */
export function tieTerms(types: readonly SqlType[], columns: readonly string[]): readonly string[] {
  return types.flatMap((type, index) => {
    const column = columns[index] ?? 'NULL';
    const key = `${noOrdinal(type, sortKey(type, column))} NULLS LAST`;
    return isNative(type) ? [key] : [key, column];
  });
}

/**
 * A number in ORDER BY or GROUP BY would mean a column's place, also one that SQLite makes of `(0 AND x)`. Columns and
 * calls of ours are none.
 */
export function noOrdinal(type: SqlType, sql: string): string {
  if (/^(?:r\d+\.c\w+$|pg_\w+\()/.test(sql)) return sql;
  return columnAffinity(type) === 'INTEGER' ? `CAST(${sql} AS INTEGER)` : sql;
}
