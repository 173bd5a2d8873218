/** DISTINCT, and DISTINCT ON: the first row of each group, in the order of the query. */
import { sqlError } from '../errors.ts';
import type { Node, SelectStmt } from '../pg-parser.ts';
import type { Expression, Plan, SortKey } from '../plan.ts';
import { constant, known } from './coerce.ts';
import { type Binding, type Context, offsetOf } from './context.ts';
import { bindExpression } from './expression.ts';
import { isSame } from './grouping.ts';
import { checkSortable, isUnordered } from './operators.ts';
import { columnAt } from './scope.ts';
import { namedTarget, type Target } from './targets.ts';
import { windowPlan } from './windows.ts';

/** The expressions of DISTINCT ON; null for another query. */
export function bindDistinctOn(
  { distinctClause = [] }: SelectStmt,
  targets: readonly Target[],
  context: Context,
): readonly Expression[] | null {
  const nodes = distinctClause.filter((node: Node) => Object.keys(node).length > 0);
  if (nodes.length === 0) return null;
  return nodes.map((node) => {
    const target = namedTarget(node, targets, { context, columnsFirst: false });
    const expression = target === null ? bindExpression(node, context) : target.expression;
    return known(expression, context.binding, offsetOf(node));
  });
}

/** 42P10 when ORDER BY has something else before the expressions of DISTINCT ON. */
export function checkLeading(ons: readonly Expression[], sorts: readonly SortKey[]): void {
  const met = new Set<Expression>();
  for (const { expression } of sorts) {
    if (met.size === ons.length) return;
    const on = ons.find((one) => isSame(one, expression));
    if (on === undefined) {
      const message = 'SELECT DISTINCT ON expressions must match initial ORDER BY expressions';
      throw sqlError('42P10', message);
    }
    met.add(on);
  }
}

export function distinctPlan(input: Plan, binding: Binding): Plan {
  for (const [index, { type }] of input.columns.entries()) {
    // Everything has an equality.
    if (!isUnordered(type)) checkSortable(columnAt(index, type), { binding, offset: undefined });
  }
  return { kind: 'distinct', columns: input.columns, input };
}

/** `places`: of the expressions among the columns. */
export function distinctOnPlan(
  input: Plan,
  places: readonly number[],
  order: readonly SortKey[],
): Plan {
  const { columns } = input;
  const at = (index: number): Expression => columnAt(index, columns[index]?.type ?? 'text');
  const numbered = windowPlan(input, [
    {
      ...{ name: 'row_number', type: 'int8', args: [], filter: null, frame: '' },
      ...{ partition: places.map(at), order, needsTies: true },
    },
  ]);
  const predicate: Expression = {
    ...{ kind: 'call', type: 'bool', name: 'eq' },
    args: [columnAt(columns.length, 'int8'), constant('int8', 1n)],
  };
  const first: Plan = { kind: 'filter', columns: numbered.columns, input: numbered, predicate };
  return {
    kind: 'project',
    columns,
    input: first,
    expressions: columns.map((_, index) => at(index)),
  };
}
