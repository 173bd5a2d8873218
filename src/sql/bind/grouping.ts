/** Rewrites expressions over the row of FROM into ones over the grouped row: its keys, then its aggregates. */
import { assert, unreachable } from '../../core/assert.ts';
import { sqlError } from '../errors.ts';
import { mapExpression } from '../map-plan.ts';
import type { Aggregate, Expression, Plan, SortKey } from '../plan.ts';
import { AGGREGATE_BASE } from './context.ts';
import { columnAt } from './scope.ts';

export type Grouping = {
  readonly keys: readonly Expression[];
  /** Names of the columns of FROM, for messages. */
  readonly nameAt: (index: number) => string;
};

/** Throws 42803 for a column that is neither a key nor inside of an aggregate. */
export function regroup(expression: Expression, grouping: Grouping, offset?: number): Expression {
  return rewrite(expression, { grouping, depth: 0, offset });
}

type At = {
  readonly grouping: Grouping;
  readonly depth: number;
  readonly offset: number | undefined;
};

function rewrite(expression: Expression, at: At): Expression {
  const key = findKey(expression, at);
  if (key !== null) return key;
  const one = (inner: Expression): Expression => rewrite(inner, at);
  switch (expression.kind) {
    case 'constant':
    case 'parameter':
    case 'logicalTimestamp':
    case 'now':
      return expression;
    case 'column':
      return at.depth === 0 ? groupedColumn(expression, at) : expression;
    case 'outer':
      return expression.depth === at.depth ? groupedOuter(expression, at) : expression;
    case 'call':
    case 'and':
    case 'or':
      return { ...expression, args: expression.args.map(one) };
    case 'not':
    case 'isNull':
    case 'cast':
      return { ...expression, arg: one(expression.arg) };
    case 'case':
      return {
        ...expression,
        branches: expression.branches.map(({ when, result }) => ({
          when: one(when),
          result: one(result),
        })),
        otherwise: one(expression.otherwise),
      };
    case 'exists':
    case 'scalar':
      return { ...expression, plan: rewritePlan(expression.plan, deeper(at)) };
    case 'in':
      return {
        ...expression,
        arg: one(expression.arg),
        plan: rewritePlan(expression.plan, deeper(at)),
      };
    default:
      return unreachable(expression);
  }
}

const deeper = (at: At): At => ({ ...at, depth: at.depth + 1 });

/** The key that the expression is, seen from as many queries inside as it stands. */
function findKey(expression: Expression, { grouping, depth }: At): Expression | null {
  const index = grouping.keys.findIndex((key) => isSame(outward(key, depth), expression));
  if (index < 0 || expression.kind === 'constant') return null;
  const { type } = expression;
  return depth === 0 ? columnAt(index, type) : { kind: 'outer', type, depth, index };
}

function outward(expression: Expression, depth: number): Expression {
  if (depth === 0) return expression;
  return mapExpression(expression, {
    plan: (plan) => plan,
    expression: (one) =>
      one.kind === 'column' ? { kind: 'outer', type: one.type, depth, index: one.index } : one,
  });
}

export function isSame(a: Expression, b: Expression): boolean {
  return a === b || (a.kind === b.kind && shapeOf(a) === shapeOf(b));
}

function shapeOf(expression: Expression): string {
  return JSON.stringify(expression, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
}

function groupedColumn(column: Extract<Expression, { kind: 'column' }>, at: At): Expression {
  const { grouping, offset } = at;
  if (column.index >= AGGREGATE_BASE) {
    return { ...column, index: grouping.keys.length + column.index - AGGREGATE_BASE };
  }
  throw ungrouped(grouping.nameAt(column.index), offset);
}

const ungrouped = (name: string, offset: number | undefined): Error =>
  sqlError(
    '42803',
    `column "${name}" must appear in the GROUP BY clause or be used in an aggregate function`,
    { offset },
  );

function groupedOuter(
  { index }: Extract<Expression, { kind: 'outer' }>,
  { grouping, offset }: At,
): Expression {
  assert(index < AGGREGATE_BASE, 'an aggregate is not named from inside');
  throw sqlError(
    '42803',
    `subquery uses ungrouped column "${grouping.nameAt(index)}" from outer query`,
    { offset },
  );
}

/** Goes down a subquery's plan: what is rewritten is what it takes from around. */
function rewritePlan(plan: Plan, at: At): Plan {
  const one = (expression: Expression): Expression => rewrite(expression, at);
  const all = (list: readonly Expression[]): readonly Expression[] => list.map(one);
  const inner = (input: Plan): Plan => rewritePlan(input, at);
  switch (plan.kind) {
    case 'get':
    case 'facts':
      return plan;
    case 'values':
      return { ...plan, rows: plan.rows.map(all) };
    case 'filter':
      return { ...plan, input: inner(plan.input), predicate: one(plan.predicate) };
    case 'project':
      return { ...plan, input: inner(plan.input), expressions: all(plan.expressions) };
    case 'function':
      return { ...plan, call: one(plan.call) };
    case 'lateral': {
      const right = rewritePlan(plan.right, deeper(at));
      return { ...plan, left: inner(plan.left), right, on: one(plan.on) };
    }
    case 'join':
      return { ...plan, left: inner(plan.left), right: inner(plan.right), on: one(plan.on) };
    case 'aggregate':
      return {
        ...plan,
        input: inner(plan.input),
        keys: all(plan.keys),
        aggregates: plan.aggregates.map((aggregate) => rewriteAggregate(aggregate, one)),
      };
    case 'window':
      return {
        ...plan,
        input: inner(plan.input),
        calls: plan.calls.map((call) => ({
          ...call,
          args: all(call.args),
          partition: all(call.partition),
          order: rewriteOrder(call.order, one),
          filter: call.filter === null ? null : one(call.filter),
        })),
      };
    case 'distinct':
      return { ...plan, input: inner(plan.input) };
    case 'set':
      return { ...plan, left: inner(plan.left), right: inner(plan.right) };
    case 'limit':
      return { ...plan, input: inner(plan.input), order: rewriteOrder(plan.order, one) };
    default:
      return unreachable(plan);
  }
}

function rewriteAggregate(
  aggregate: Aggregate,
  one: (expression: Expression) => Expression,
): Aggregate {
  const optional = (part: Expression | null): Expression | null =>
    part === null ? null : one(part);
  return {
    ...aggregate,
    arg: optional(aggregate.arg),
    filter: optional(aggregate.filter),
    separator: optional(aggregate.separator),
    order: rewriteOrder(aggregate.order, one),
  };
}

const rewriteOrder = (
  order: readonly SortKey[],
  one: (expression: Expression) => Expression,
): readonly SortKey[] => order.map((key) => ({ ...key, expression: one(key.expression) }));
