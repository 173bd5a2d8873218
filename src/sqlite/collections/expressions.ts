/** Looking through expressions, and moving their columns. Expressions here have no subqueries. */
import { mapExpression } from '../../sql/map-plan.ts';
import type { Expression, Plan } from '../../sql/plan.ts';

const samePlan = (plan: Plan): Plan => plan;

/** Calls `visit` with the expression and everything in it. */
export function walkExpression(expression: Expression, visit: (one: Expression) => void): void {
  mapExpression(expression, {
    plan: samePlan,
    expression: (one) => {
      visit(one);
      return one;
    },
  });
}

/** The expression over columns that stand elsewhere. */
export function shiftColumns(expression: Expression, shift: (index: number) => number): Expression {
  return mapExpression(expression, {
    plan: samePlan,
    expression: (one) => (one.kind === 'column' ? { ...one, index: shift(one.index) } : one),
  });
}
