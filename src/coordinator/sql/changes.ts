/** INSERT, UPDATE and DELETE as queries for the rows that come and go. */
import { unreachable } from '../../core/assert.ts';
import {
  bindDelete,
  bindInsert,
  bindUpdate,
  type ChangeOptions,
  type Target,
} from '../../sql/bind/changes.ts';
import type { BindOptions } from '../../sql/bind/query.ts';
import { foldExpression, isFolded } from '../../sql/compile/fold.ts';
import { newFoldBudget } from '../../sql/compile/fold-cost.ts';
import { sqlError } from '../../sql/errors.ts';
import { evaluate } from '../../sql/evaluate.ts';
import { mapPlan } from '../../sql/map-plan.ts';
import type { Query } from '../../sql/plan.ts';
import type { Statement } from '../../sql/statement.ts';
import type { ItemId, SqlRow } from '../../sql/types.ts';
import { factsOf, lookupOf, type Names } from './binding.ts';
import { resolve } from './catalog.ts';
import { type Context, transactionOf } from './context.ts';
import { withParameters } from './expand.ts';

/** What a change does with the rows of its query: new ones, old ones, or old ones followed by new ones. */
export type Change = {
  readonly kind: 'insert' | 'update' | 'delete';
  readonly table: ItemId;
  readonly query: Query;
};

export type ChangeStatement = Statement & { readonly kind: 'insert' | 'update' | 'delete' };

/** With the values of the session's parameters. Throws `SqlError` with the place in the batch. */
export function bindChange(context: Context, statement: ChangeStatement): Change {
  const parameters = context.session.batch?.parameters ?? null;
  const session = factsOf(context);
  const options = parameters === null ? { session } : { parameters: parameters.types, session };
  const table = targetOf(context, statement);
  const query = changeQuery(context, statement, options);
  const { kind } = statement;
  return { kind, table: table.item, query: withParameters(query, parameters?.values ?? []) };
}

/** The query as it is written, parameters and all. */
export function changeQuery(names: Names, statement: ChangeStatement, bind: BindOptions): Query {
  const target = targetOf(names, statement);
  const options: ChangeOptions = { ...bind, lookup: lookupOf(names) };
  switch (statement.kind) {
    case 'insert':
      return bindInsert(statement, target, options);
    case 'update':
      return bindUpdate(statement, target, options);
    case 'delete':
      return bindDelete(statement, target, options);
    default:
      return unreachable(statement);
  }
}

/** The rows of a query over nothing, or null when they depend on more than the clock, or take long to compute. */
export function constantRows(context: Context, query: Query): readonly SqlRow[] | null {
  const { plan, items, usesLogicalTimestamp } = query;
  if (plan.kind !== 'values' || items.length > 0 || usesLogicalTimestamp) return null;
  if (hasSubquery(query)) return null;
  const { now } = transactionOf(context);
  const budget = newFoldBudget();
  const rows = plan.rows.map((row) =>
    row.map((value) => foldExpression(value, { now, time: 0 }, budget)),
  );
  if (!rows.flat().every(isFolded)) return null;
  return rows.map((row) => row.map((value) => evaluate(value, { now })));
}

function hasSubquery({ plan }: Query): boolean {
  let plans = 0;
  const count = (node: typeof plan): typeof plan => {
    plans += 1;
    return node;
  };
  mapPlan(plan, { plan: count, expression: (expression) => expression });
  return plans > 1;
}

function targetOf({ state, session }: Names, { table: name }: ChangeStatement): Target {
  const item = resolve(state.catalog, name, session);
  if (item.kind === 'table') {
    const { id, columns, defaults, at } = item;
    return { item: id, columns, defaults, name: at.name };
  }
  const hint = item.kind === 'source' ? 'write to where it comes from' : undefined;
  throw sqlError('42809', `${item.at.name} is no table`, { offset: name.offset, hint });
}
