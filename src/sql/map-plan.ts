/** A plan rebuilt from the leaves up: each expression and each node is what the given functions make of it. */
import { unreachable } from '../core/assert.ts';
import type { Aggregate, Expression, Plan, SortKey } from './plan.ts';

/** Given a node whose parts are rebuilt already, returns what stands in its place. */
export type PlanMapper = {
  readonly plan: (plan: Plan) => Plan;
  readonly expression: (expression: Expression) => Expression;
};

export function mapPlan(plan: Plan, mapper: PlanMapper): Plan {
  return mapper.plan(mapParts(plan, mapper));
}

export function mapExpression(expression: Expression, mapper: PlanMapper): Expression {
  return mapper.expression(mapOperands(expression, mapper));
}

function mapParts(plan: Plan, mapper: PlanMapper): Plan {
  const inner = (input: Plan): Plan => mapPlan(input, mapper);
  const all = (expressions: readonly Expression[]) =>
    expressions.map((one) => mapExpression(one, mapper));
  switch (plan.kind) {
    case 'get':
    case 'facts':
      return plan;
    case 'values':
      return { ...plan, rows: plan.rows.map(all) };
    case 'filter': {
      const predicate = mapExpression(plan.predicate, mapper);
      return { ...plan, input: inner(plan.input), predicate };
    }
    case 'project':
      return { ...plan, input: inner(plan.input), expressions: all(plan.expressions) };
    case 'function':
      return { ...plan, call: mapExpression(plan.call, mapper) };
    case 'lateral':
    case 'join': {
      const on = mapExpression(plan.on, mapper);
      return { ...plan, left: inner(plan.left), right: inner(plan.right), on };
    }
    case 'aggregate': {
      const aggregates = plan.aggregates.map((one) => mapAggregate(one, mapper));
      return { ...plan, input: inner(plan.input), keys: all(plan.keys), aggregates };
    }
    case 'window':
      return {
        ...plan,
        input: inner(plan.input),
        calls: plan.calls.map((call) => ({
          ...call,
          args: all(call.args),
          partition: all(call.partition),
          order: mapKeys(call.order, mapper),
          filter: call.filter === null ? null : mapExpression(call.filter, mapper),
        })),
      };
    case 'distinct':
      return { ...plan, input: inner(plan.input) };
    case 'set':
      return { ...plan, left: inner(plan.left), right: inner(plan.right) };
    case 'limit': {
      const { limit, offset } = plan;
      return {
        ...plan,
        input: inner(plan.input),
        order: mapKeys(plan.order, mapper),
        limit: limit === null ? null : mapExpression(limit, mapper),
        offset: offset === null ? null : mapExpression(offset, mapper),
      };
    }
    default:
      return unreachable(plan);
  }
}

function mapOperands(expression: Expression, mapper: PlanMapper): Expression {
  const one = (operand: Expression): Expression => mapExpression(operand, mapper);
  switch (expression.kind) {
    case 'constant':
    case 'column':
    case 'outer':
    case 'parameter':
    case 'logicalTimestamp':
    case 'now':
      return expression;
    case 'call':
    case 'and':
    case 'or':
      return { ...expression, args: expression.args.map(one) };
    case 'not':
    case 'isNull':
    case 'cast':
      return { ...expression, arg: one(expression.arg) };
    case 'case': {
      const branches = expression.branches.map(({ when, result }) => ({
        when: one(when),
        result: one(result),
      }));
      return { ...expression, branches, otherwise: one(expression.otherwise) };
    }
    case 'exists':
    case 'scalar':
      return { ...expression, plan: mapPlan(expression.plan, mapper) };
    case 'in':
      return { ...expression, arg: one(expression.arg), plan: mapPlan(expression.plan, mapper) };
    default:
      return unreachable(expression);
  }
}

function mapAggregate(aggregate: Aggregate, mapper: PlanMapper): Aggregate {
  const { arg, filter, separator } = aggregate;
  const optional = (expression: Expression | null) =>
    expression === null ? null : mapExpression(expression, mapper);
  return {
    ...aggregate,
    arg: optional(arg),
    filter: optional(filter),
    separator: optional(separator),
    order: mapKeys(aggregate.order, mapper),
  };
}

function mapKeys(keys: readonly SortKey[], mapper: PlanMapper): readonly SortKey[] {
  return keys.map((key) => ({ ...key, expression: mapExpression(key.expression, mapper) }));
}
