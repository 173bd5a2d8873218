/** UNION, EXCEPT and INTERSECT in SQLite's SQL. */
import type { Plan } from '../plan.ts';
import { columnName, isNative } from '../storage.ts';
import { equalKey } from './expression.ts';

type Sides = { readonly left: string; readonly right: string; readonly alias: string };

type SetPlan = Extract<Plan, { kind: 'set' }>;

/** A whole SELECT. Both sides are SELECTs of `c0`, `c1`, ... */
export function compileSet(plan: SetPlan, { left, right, alias }: Sides): string {
  const names = plan.columns.map((_, index) => columnName(index));
  const list = names.join(', ') || '1';
  const side = (select: string): string => `SELECT ${list} FROM (${select})`;
  if (plan.operation === 'union' && plan.isAll) return `${side(left)} UNION ALL ${side(right)}`;
  const isPlain = plan.columns.every(({ type }) => isNative(type));
  if (isPlain && !plan.isAll) return `${side(left)} ${plan.operation.toUpperCase()} ${side(right)}`;
  return bySides(plan, { left, right, alias });
}

/**
 * Equal rows of both sides are put together and counted by side. With ALL the rows of each side are numbered first, so that
 * the second of two equal rows meets the second of the other side.
 */
function bySides(plan: SetPlan, { left, right, alias }: Sides): string {
  const { columns, isAll, operation } = plan;
  const names = columns.map((_, index) => columnName(index));
  const keys = columns.map(({ type }, index) => equalKey(type, columnName(index)));
  const number = isAll ? `row_number() OVER (PARTITION BY ${keys.join(', ')})` : '0';
  const side = (select: string, mark: number): string =>
    `SELECT ${[...names, `${mark} AS side`, `${number} AS number`].join(', ')} FROM (${select})`;
  const shown = columns.map(({ type }, index) =>
    isNative(type) ? columnName(index) : `min(${columnName(index)}) AS ${columnName(index)}`,
  );
  const grouped = `SELECT ${shown.join(', ')} FROM (${side(left, 0)} UNION ALL ${side(right, 1)}) AS ${alias}`;
  return `${grouped} GROUP BY ${[...keys, 'number'].join(', ')}${HAVING[operation]}`;
}

const HAVING: Readonly<Record<SetPlan['operation'], string>> = {
  union: '',
  except: ' HAVING max(side) = 0',
  intersect: ' HAVING max(side) = 1 AND min(side) = 0',
};
