/** The SQL of plans that read no clock and no time. */
import { compileRows } from '../../sql/compile/query.ts';
import type { Plan, Query } from '../../sql/plan.ts';
import type { ItemId } from '../../sql/types.ts';

/** A SELECT of the plan's rows in no order, columns `c0`, `c1`, ...; `relation` gives those of its items. */
export function planSql(plan: Plan, relation: (item: ItemId) => string): string {
  return compileRows(queryOf(plan), { relation, time: 0, now: 0 });
}

/** A plan as a query without an order; its items are left out. */
export function queryOf(plan: Plan): Query {
  return {
    columns: plan.columns,
    plan,
    order: [],
    items: [],
    parameters: [],
    usesLogicalTimestamp: false,
    usesNow: false,
    usesSession: false,
  };
}
