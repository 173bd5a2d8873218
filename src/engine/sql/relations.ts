/** Texts of relations that are made of other relations. */
import type { Plan } from '../../sql/plan.ts';
import type { Column } from '../../sql/types.ts';
import { carrying, isPlain, WEIGHT } from '../../sqlite/collections/linear-plan.ts';
import { planSql } from '../../sqlite/collections/plan-sql.ts';

export function columnNames(columns: readonly Column[]): string[] {
  return columns.map((_, index) => `c${index}`);
}

/** Filters and projections over one item, the same for the same row: its changes are those of the item's rows. */
export function isChain(plan: Plan): boolean {
  switch (plan.kind) {
    case 'get':
      return true;
    case 'filter':
      return isPlain(plan.predicate) && isChain(plan.input);
    case 'project':
      return plan.expressions.every(isPlain) && isChain(plan.input);
    default:
      return false;
  }
}

const TIME: Column = { name: 'time', type: 'int8', isNullable: false };

/** The changes of a chain, given those of its item: `c0`, ..., `time`, `n`. */
export function changesThrough(plan: Plan, changes: string): string {
  if (plan.kind === 'get') return changes;
  const { plan: carried } = carrying(plan, [TIME, WEIGHT]);
  const width = widthOfItem(plan);
  const item = Array.from({ length: width }, (_, index) => `c${index}, `).join('');
  const input = `SELECT ${item}time AS c${width}, n AS c${width + 1} FROM (${changes})`;
  const columns = columnNames(plan.columns);
  const shown = [...columns, `c${columns.length} AS time`, `c${columns.length + 1} AS n`];
  return `SELECT ${shown.join(', ')} FROM (${planSql(carried, () => input)})`;
}

function widthOfItem(plan: Plan): number {
  return plan.kind === 'filter' || plan.kind === 'project'
    ? widthOfItem(plan.input)
    : plan.columns.length;
}
