/** Which columns a name can mean. */
import { sqlError } from '../errors.ts';
import { mapExpression } from '../map-plan.ts';
import type { Expression } from '../plan.ts';

export type ScopeColumn = {
  /** Alias of its table; null for a column that USING made of two. */
  readonly table: string | null;
  readonly name: string;
  /** Over the row of FROM. */
  readonly expression: Expression;
  readonly isNullable: boolean;
  /** One of the two that USING made one of: only `table.name` means it. */
  readonly isMerged: boolean;
};

/** Columns of one query, in the order of `*`, and the query around it. */
export type Scope = {
  readonly tables: readonly string[];
  readonly columns: readonly ScopeColumn[];
  readonly parent: Scope | null;
};

export const emptyScope = (parent: Scope | null): Scope => ({ tables: [], columns: [], parent });

/** Null when no query, here or around, has it. */
export function findColumn(
  scope: Scope,
  name: string,
  table: string | null,
  offset: number | undefined,
): Expression | null {
  let depth = 0;
  for (let at: Scope | null = scope; at !== null; at = at.parent, depth++) {
    const found = at.columns.filter(
      (column) =>
        column.name === name && (table === null ? !column.isMerged : column.table === table),
    );
    if (found.length > 1) {
      throw sqlError('42702', `column reference "${name}" is ambiguous`, { offset });
    }
    if (found[0] !== undefined) return outward(found[0].expression, depth);
    if (table !== null && at.tables.includes(table)) return null;
  }
  return null;
}

/** The same, seen from `depth` queries inside. */
function outward(expression: Expression, depth: number): Expression {
  if (depth === 0) return expression;
  return mapExpression(expression, {
    plan: (plan) => plan,
    expression: (one) =>
      one.kind === 'column' ? { kind: 'outer', type: one.type, depth, index: one.index } : one,
  });
}

export function hasTable(scope: Scope, table: string): boolean {
  for (let at: Scope | null = scope; at !== null; at = at.parent) {
    if (at.tables.includes(table)) return true;
  }
  return false;
}

export const columnAt = (index: number, type: Expression['type']): Expression => ({
  kind: 'column',
  type,
  index,
});

/** Columns of a row that has `by` others before it. */
export function shiftColumns(expression: Expression, by: number): Expression {
  return mapExpression(expression, {
    plan: (plan) => plan,
    expression: (one) => (one.kind === 'column' ? { ...one, index: one.index + by } : one),
  });
}

/** How many queries are around one with this scope around it. */
export function depthOf(outer: Scope | null): number {
  let depth = 0;
  for (let at = outer; at !== null; at = at.parent) depth++;
  return depth;
}
