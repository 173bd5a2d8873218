/** Constant parts of queries: computed at once, unless that may take long. */
import { expect, test } from 'vitest';
import { foldExpression } from '../../../src/sql/compile/fold.ts';
import { newFoldBudget } from '../../../src/sql/compile/fold-cost.ts';
import type { Expression } from '../../../src/sql/plan.ts';
import type { SqlType, SqlValue } from '../../../src/sql/types.ts';

const constant = (type: SqlType, value: SqlValue): Expression => ({
  kind: 'constant',
  type,
  value,
});
const text = (value: string): Expression => constant('text', value);
const call = (name: string, type: SqlType, ...args: Expression[]): Expression => {
  return { kind: 'call', name, type, args };
};
const repeat = (of: Expression, times: number): Expression =>
  call('repeat_text_int4', 'text', of, constant('int4', times));

function fold(expression: Expression, budget = newFoldBudget()): Expression {
  return foldExpression(expression, { now: 0, time: 0 }, budget);
}

test('what is cheap is computed', () => {
  expect(fold(call('upper_text', 'text', repeat(text('ab'), 3)))).toEqual(text('ABABAB'));
  const sum = call('add_int8_int8', 'int8', constant('int8', 10n ** 15n), constant('int8', 1n));
  expect(fold(sum)).toEqual(constant('int8', 10n ** 15n + 1n));
});

test.each([
  ['a text of many repetitions', repeat(text('xyz'), 20_000_000)],
  ['repetitions of repetitions', repeat(repeat(text('x'), 1000), 1_000_000)],
  [
    'each part of a text by a long one',
    call(
      'replace_text_text_text',
      'text',
      repeat(text('a'), 10_000),
      text('a'),
      repeat(text('b'), 10_000),
    ),
  ],
  [
    'a pattern of which nobody knows',
    call('imatch_operator_text_text', 'bool', text('aaa'), text('(a+)+$')),
  ],
])('%s is left to who computes the query', (_, expression) => {
  expect(fold(call('length_text', 'int4', expression)).kind).toBe('call');
});

test('many that are cheap are not cheap together', () => {
  const budget = newFoldBudget();
  const kinds = Array.from({ length: 10 }, () => fold(repeat(text('x'), 500_000), budget).kind);
  expect(kinds[0]).toBe('constant');
  expect(kinds.at(-1)).toBe('call');
});
