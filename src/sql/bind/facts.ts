/** Rows of system collections in plans, and what can be told from there being none. */

import { assert } from '../../core/assert.ts';
import { notSupported } from '../errors.ts';
import { mapExpression } from '../map-plan.ts';
import type { Expression, Plan } from '../plan.ts';
import type { SqlValue } from '../types.ts';
import { constant } from './coerce.ts';
import type { Context, Facts } from './context.ts';
import { columnAt } from './scope.ts';

export const factsPlan = ({ columns, rows }: Facts): Plan => ({
  ...{ kind: 'facts', columns, facts: rows },
});

/** True when it has no row, whatever is in the catalog's items. */
export function isEmptyPlan(plan: Plan): boolean {
  switch (plan.kind) {
    case 'facts':
      return plan.facts.length === 0;
    case 'values':
      return plan.rows.length === 0;
    case 'filter':
    case 'project':
    case 'window':
    case 'distinct':
    case 'limit':
      return isEmptyPlan(plan.input);
    case 'aggregate':
      return plan.keys.length > 0 && isEmptyPlan(plan.input);
    case 'lateral':
      return isEmptyPlan(plan.left) || (plan.type === 'inner' && isEmptyPlan(plan.right));
    case 'join':
      if (plan.type === 'full') return isEmptyPlan(plan.left) && isEmptyPlan(plan.right);
      return isEmptyPlan(plan.left) || (plan.type !== 'left' && isEmptyPlan(plan.right));
    case 'set':
      return isEmptyPlan(plan.left) && isEmptyPlan(plan.right);
    default:
      return false;
  }
}

export type Search = {
  /** A collection of `pg_catalog`. */
  readonly collection: string;
  /** What must be equal: expressions of the query, and texts. */
  readonly where: Readonly<Record<string, Expression | string | boolean>>;
  readonly give: string;
};

/** The column of the one row for which it is so; NULL when there is none. */
export function search({ binding }: Context, { collection, where, give }: Search): Expression {
  const facts = binding.lookup({ parts: ['pg_catalog', collection], offset: 0 });
  assert(facts !== null && 'rows' in facts, `${collection} is there`);
  binding.usesSession = true;
  const place = (name: string): number => facts.columns.findIndex((one) => one.name === name);
  const found = facts.columns[place(give)];
  assert(found !== undefined, `${collection} has ${give}`);
  const known = Object.entries(where).map(
    ([name, wanted]) => [place(name), knownValue(wanted)] as const,
  );
  if (known.every(([, value]) => value !== undefined)) {
    const row = facts.rows.find((one) => known.every(([index, value]) => one[index] === value));
    return constant(found.type, row?.[place(give)] ?? null);
  }
  const tests = Object.entries(where).map(([name, wanted]): Expression => {
    const column = columnAt(place(name), facts.columns[place(name)]?.type ?? 'text');
    const value =
      typeof wanted === 'object' ? inside(wanted) : constant(column.type, wanted as SqlValue);
    return { kind: 'call', type: 'bool', name: 'eq', args: [column, value] };
  });
  const predicate: Expression = { kind: 'and', type: 'bool', args: tests };
  const input: Plan = {
    ...{ kind: 'filter', columns: facts.columns, predicate },
    input: factsPlan(facts),
  };
  const columns = [{ ...found, isNullable: true }];
  const expressions = [columnAt(place(give), found.type)];
  return {
    kind: 'scalar',
    type: found.type,
    plan: { kind: 'project', columns, input, expressions },
  };
}

/** Undefined where a row decides. Numbers of objects are constants behind casts. */
function knownValue(wanted: Search['where'][string]): SqlValue | undefined {
  if (typeof wanted !== 'object') return wanted;
  if (wanted.kind === 'cast' && wanted.arg.kind === 'constant') {
    return typeof wanted.arg.value === 'number' ? wanted.arg.value : undefined;
  }
  return wanted.kind === 'constant' ? wanted.value : undefined;
}

/** The same, seen from a query inside of the one that it stands in. 0A000 when it has queries in itself. */
export function inside(expression: Expression): Expression {
  return mapExpression(expression, {
    plan: (plan) => plan,
    expression: (one) => {
      if (one.kind === 'exists' || one.kind === 'scalar' || one.kind === 'in') {
        throw notSupported('a subquery compared with another one, or asked of the catalog,');
      }
      if (one.kind === 'column')
        return { kind: 'outer', type: one.type, depth: 1, index: one.index };
      return one.kind === 'outer' ? { ...one, depth: one.depth + 1 } : one;
    },
  });
}
