/**
 * Computes what is constant, once, unless that may take long: then it is left to whoever computes the query, who can be
 * ended. A constant part that fails becomes a call of `fail`, which raises its error only where and when it is reached:
 * `CASE WHEN false THEN 1/0 END` is NULL.
 */
import { SqlError } from '../errors.ts';
import { evaluateStored } from '../evaluate.ts';
import { mapExpression, mapPlan } from '../map-plan.ts';
import type { Expression, Plan } from '../plan.ts';
import { fromStored } from '../storage.ts';
import { type FoldBudget, newFoldBudget, pays } from './fold-cost.ts';

export type Clocks = {
  /** The time at which the query reads. */
  readonly time: number | bigint;
  /** Milliseconds since 1970. */
  readonly now: number;
};

export const FAIL = 'fail';

export function foldPlan(plan: Plan, clocks: Clocks): Plan {
  const budget = newFoldBudget();
  return mapPlan(plan, { plan: (one) => one, expression: (one) => fold(one, clocks, budget) });
}

/** As far as the budget goes: what is left may take long. */
export function foldExpression(
  expression: Expression,
  clocks: Clocks,
  budget: FoldBudget,
): Expression {
  return mapExpression(expression, {
    plan: (one) => one,
    expression: (one) => fold(one, clocks, budget),
  });
}

function fold(expression: Expression, clocks: Clocks, budget: FoldBudget): Expression {
  if (!isConstant(expression) || !pays(expression, budget)) return expression;
  try {
    const stored = evaluateStored(expression, clocks);
    return { kind: 'constant', type: expression.type, value: fromStored(expression.type, stored) };
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    return failure(error, expression.type);
  }
}

function failure(error: SqlError, type: Expression['type']): Expression {
  const texts = [error.sqlState, error.message].map(
    (value): Expression => ({ kind: 'constant', type: 'text', value }),
  );
  return { kind: 'call', type, name: FAIL, args: texts };
}

/** True when all that it needs is known. Its parts are folded already. */
function isConstant(expression: Expression): boolean {
  switch (expression.kind) {
    case 'now':
    case 'logicalTimestamp':
      return true;
    case 'call':
      return expression.name !== FAIL && expression.args.every(isLiteral);
    case 'and':
    case 'or':
      return expression.args.every(isLiteral);
    case 'not':
    case 'isNull':
    case 'cast':
      return isLiteral(expression.arg);
    case 'case':
      return (
        isLiteral(expression.otherwise) &&
        expression.branches.every(({ when, result }) => isLiteral(when) && isLiteral(result))
      );
    default:
      return false;
  }
}

/** Computed, or known to fail. */
export const isFolded = (expression: Expression): boolean =>
  isLiteral(expression) || (expression.kind === 'call' && expression.name === FAIL);

const isLiteral = ({ kind }: Expression): boolean => kind === 'constant';
