/** Plans whose cost is bounded by the rows that they look at: those are few, and nothing is long that is made of them. */
import type { Aggregate, Expression, Plan, Query, SortKey } from '../../sql/plan.ts';
import type { ItemId, SqlType } from '../../sql/types.ts';
import { walkExpression } from '../../sqlite/collections/expressions.ts';

/** Rows that a read may look at, each as often as it looks at it, to be computed on the thread that serves. */
const ROWS_MAX = 1000;
/** Parts of all expressions of a plan. */
const PARTS_MAX = 100;

/** Whose values are a few bytes. */
const SHORT: ReadonlySet<SqlType> = new Set<SqlType>([
  ...(['bool', 'int2', 'int4', 'int8', 'float4', 'float8'] as const),
  ...(['date', 'timestamp', 'timestamptz'] as const),
]);
const COMPARISONS: ReadonlySet<string> = new Set(['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'distinct']);
const AGGREGATES: ReadonlySet<string> = new Set([
  'count',
  'sum',
  'avg',
  'min',
  'max',
  'bool_and',
  'bool_or',
]);

/** True when a query surely takes next to no time. `rowsOf`: null for an item that may have many rows. */
export function isSmallQuery(query: Query, rowsOf: (item: ItemId) => number | null): boolean {
  const budget = { parts: PARTS_MAX };
  const rows = rowsOfPlan(query.plan, { rowsOf, budget });
  return rows !== null && rows <= ROWS_MAX && areSmall(expressionsOf(query.order), budget);
}

type Bounds = {
  readonly rowsOf: (item: ItemId) => number | null;
  readonly budget: { parts: number };
};

/** How many rows are looked at, or null. */
function rowsOfPlan(plan: Plan, bounds: Bounds): number | null {
  const { budget } = bounds;
  const over = (input: Plan, expressions: readonly Expression[]): number | null =>
    areSmall(expressions, budget) ? rowsOfPlan(input, bounds) : null;
  switch (plan.kind) {
    case 'get':
      return bounds.rowsOf(plan.item);
    case 'values':
      return areSmall(plan.rows.flat(), { parts: ROWS_MAX }) ? plan.rows.length : null;
    case 'filter':
      return over(plan.input, [plan.predicate]);
    case 'project':
      return over(plan.input, plan.expressions);
    case 'distinct':
      return rowsOfPlan(plan.input, bounds);
    case 'limit':
      return over(plan.input, expressionsOf(plan.order));
    case 'aggregate':
      return plan.aggregates.every(isSmallAggregate)
        ? over(plan.input, [...plan.keys, ...plan.aggregates.flatMap(argumentsOf)])
        : null;
    case 'join':
      return rowsOfJoin(plan, bounds);
    default:
      return null;
  }
}

/** Every row of one side with every one of the other: nothing is assumed of the order of work. */
function rowsOfJoin(plan: Extract<Plan, { kind: 'join' }>, bounds: Bounds): number | null {
  if (!areSmall([plan.on], bounds.budget)) return null;
  const [left, right] = [rowsOfPlan(plan.left, bounds), rowsOfPlan(plan.right, bounds)];
  return left === null || right === null ? null : (left + 1) * (right + 1);
}

function isSmallAggregate({ name, isDistinct }: Aggregate): boolean {
  return AGGREGATES.has(name) && !isDistinct;
}

function argumentsOf({ arg, filter }: Aggregate): Expression[] {
  return [arg, filter].filter((one) => one !== null);
}

function expressionsOf(order: readonly SortKey[]): readonly Expression[] {
  return order.map(({ expression }) => expression);
}

function areSmall(expressions: readonly Expression[], budget: { parts: number }): boolean {
  let isSo = true;
  for (const expression of expressions) {
    walkExpression(expression, (one) => {
      budget.parts -= 1;
      if (budget.parts < 0 || !isSmall(one)) isSo = false;
    });
  }
  return isSo;
}

function isSmall(one: Expression): boolean {
  switch (one.kind) {
    case 'column':
    case 'constant':
    case 'and':
    case 'or':
    case 'not':
    case 'isNull':
      return true;
    case 'call':
      return (
        COMPARISONS.has(one.name) ||
        (SHORT.has(one.type) && one.args.every(({ type }) => SHORT.has(type)))
      );
    case 'cast':
      return SHORT.has(one.type) && SHORT.has(one.arg.type);
    default:
      return false;
  }
}
