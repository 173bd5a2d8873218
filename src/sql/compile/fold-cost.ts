/** What it takes at most to compute a call of constants, in characters that are looked at or made. */
import { functionOf } from '../functions/table.ts';
import type { Expression } from '../plan.ts';
import type { SqlValue } from '../types.ts';

/** For one statement: some ten milliseconds. */
const CHARS_MAX = 4_000_000;

/** As many times as they say, or with so many digits. */
const MULTIPLYING: ReadonlySet<string> = new Set(['repeat', 'lpad', 'rpad', 'round', 'trunc']);
/** Each part of one with each of the other. */
const CROSSING: ReadonlySet<string> = new Set([
  ...[
    'replace',
    'translate',
    'position',
    'strpos',
    'split_part',
    'like',
    '~~',
    '~~*',
    '!~~',
    '!~~*',
  ],
  ...['string_to_array', '*', '/', '%', 'mod', 'gcd', 'lcm'],
]);
/** Nobody can tell. */
const OPEN = /^(?:!?~\*?|regexp.*|.*series|\^|pow|power|sqrt|exp|ln|log.*|array_.*)$/;

export type FoldBudget = { chars: number };

export const newFoldBudget = (): FoldBudget => ({ chars: CHARS_MAX });

/** Takes what an expression may cost from the budget; false when it does not have that much. */
export function pays(expression: Expression, budget: FoldBudget): boolean {
  const cost = expression.kind === 'call' ? costOf(expression) : 1;
  if (cost > budget.chars) return false;
  budget.chars -= cost;
  return true;
}

function costOf({ name, args }: Extract<Expression, { kind: 'call' }>): number {
  const values = args.map((arg) => (arg.kind === 'constant' ? arg.value : null));
  const lengths = values.map(lengthOf).filter((length) => length > 0);
  // Numbers of the machine: whatever is done with them is done at once.
  if (lengths.length === 0 && !MULTIPLYING.has(sqlNameOf(name))) return 1;
  const sqlName = sqlNameOf(name);
  if (OPEN.test(sqlName)) return Number.POSITIVE_INFINITY;
  const sum = lengths.reduce((all, length) => all + length, 1);
  if (MULTIPLYING.has(sqlName)) return sum * values.reduce(timesNumber, 1);
  if (CROSSING.has(sqlName)) return lengths.reduce((all, length) => all * length, 1);
  return sum;
}

const sqlNameOf = (name: string): string => functionOf(name)?.sqlName ?? name;

/** Zero for what is no text. */
function lengthOf(value: SqlValue): number {
  if (value === null || typeof value === 'number') return 0;
  if (typeof value === 'bigint' || typeof value === 'boolean') return 0;
  return Math.max(1, value.length);
}

function timesNumber(product: number, value: SqlValue): number {
  const isNumber = typeof value === 'number' || typeof value === 'bigint';
  return isNumber ? product * Math.max(1, Math.abs(Number(value))) : product;
}
