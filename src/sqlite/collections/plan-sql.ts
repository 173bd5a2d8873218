/** The SQL of plans that read no clock and no time. */
import { compileRows } from '../../sql/compile/query.ts';
import type { Plan } from '../../sql/plan.ts';
import type { ItemId } from '../../sql/types.ts';

/** A SELECT of the plan's rows in no order, columns `c0`, `c1`, ...; `relation` gives those of its items. */
export function planSql(plan: Plan, relation: (item: ItemId) => string): string {
  const query = {
    columns: plan.columns,
    plan,
    order: [],
    items: [],
    parameters: [],
    usesLogicalTimestamp: false,
    usesNow: false,
  };
  return compileRows(query, { relation, time: 0, now: 0 });
}
