/**
 * Queries as the worker takes them: views without an index are replaced by what they are, parameters by their values.
 * A view reads nothing around it, so its plan stands wherever its name stood.
 */
import { assert } from '../../core/assert.ts';
import { mapPlan } from '../../sql/map-plan.ts';
import type { Expression, Plan, Query } from '../../sql/plan.ts';
import type { SqlValue } from '../../sql/types.ts';
import { type Item, indexesOf, itemOf, nearestIndexes } from './catalog.ts';
import type { SqlCoordinator } from './state.ts';

/** Views inside of views. */
const NESTING_MAX = 100;

export function expandQuery(state: SqlCoordinator, query: Query): Query {
  const { items } = nearestIndexes(state.catalog, query.items);
  const isPlain =
    items.length === query.items.length && items.every((id) => query.items.includes(id));
  return isPlain ? query : { ...query, items, plan: expandPlan(state, query.plan, 0) };
}

function expandPlan(state: SqlCoordinator, plan: Plan, depth: number): Plan {
  assert(depth <= NESTING_MAX, `views are nested at most ${NESTING_MAX} deep`);
  return mapPlan(plan, {
    plan: (node) => (node.kind === 'get' ? expandGet(state, node, depth) : node),
    expression: (expression) => expression,
  });
}

function expandGet(state: SqlCoordinator, get: Plan & { kind: 'get' }, depth: number): Plan {
  const item = itemOf(state.catalog, get.item);
  if (item.kind !== 'view' || indexesOf(state.catalog, item.id).length > 0) return get;
  return visible(item, expandPlan(state, item.query.plan, depth + 1));
}

/** A plan may have columns that only its order needs, behind those of the query. */
function visible({ columns, query }: Item & { kind: 'view' }, plan: Plan): Plan {
  if (plan.columns.length === query.columns.length) return plan;
  const expressions = columns.map(
    ({ type }, index): Expression => ({ kind: 'column', type, index }),
  );
  return { kind: 'project', columns, input: plan, expressions };
}

export function withParameters(query: Query, values: readonly SqlValue[]): Query {
  if (query.parameters.length === 0) return query;
  const value = (expression: Expression): Expression =>
    expression.kind === 'parameter'
      ? { kind: 'constant', type: expression.type, value: values[expression.number - 1] ?? null }
      : expression;
  const plan = mapPlan(query.plan, { plan: (node) => node, expression: value });
  return { ...query, plan, parameters: [] };
}
