import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseSelectorRule } from '../../../src/core/selector.ts';
import { evaluateSelector } from '../../../src/core/selector-expression.ts';
import { formatExpression, parseExpression } from '../../../src/core/selector-parser.ts';
import { RULE_COLUMNS, ruledRow, ruleExpression } from '../../support/selector-rules.ts';

const NAMES = RULE_COLUMNS.map((column) => column.split('|')[0] ?? '').slice(1);

test('a rule that is written down and read back gives every row the same selector', () => {
  fc.assert(
    fc.property(ruleExpression, fc.array(ruledRow, { minLength: 5 }), (expression, rows) => {
      const text = formatExpression(expression);
      const read = parseExpression(text);
      expect(formatExpression(read)).toBe(text);
      for (const row of rows) {
        const column = (name: string): string | null => row[NAMES.indexOf(name)] ?? null;
        expect(evaluateSelector(read, column)).toBe(evaluateSelector(expression, column));
      }
    }),
    { numRuns: 300 },
  );
});

const ROW: Readonly<Record<string, string | null>> = {
  done: 't',
  n: '7',
  owner: 'ann',
  none: null,
};

test.each([
  ['done', 'yes'],
  ['NOT done', 'no'],
  ['done = false', 'no'],
  ["n = 07 AND owner = 'ann'", 'yes'],
  ["n != 7 OR owner <> 'ann'", 'no'],
  ['n > -8 AND n < 10', 'yes'],
  ['none = 1', 'no'],
  ['NOT none = 1', 'no'],
  ['(none = 1) IS UNKNOWN', 'yes'],
  ['none IS NULL AND n IS NOT NULL', 'yes'],
  ['none IS NOT TRUE', 'yes'],
  ["owner IN ('bob', 'ann')", 'yes'],
  ['n NOT IN (1, 2)', 'yes'],
  ['none NOT IN (1, 2)', 'no'],
  ['FALSE OR TRUE', 'yes'],
])('where %s holds is decided as in SQL: %s', (condition, expected) => {
  const rule = parseSelectorRule(`CASE WHEN ${condition} THEN 'yes' ELSE 'no' END`);
  if (rule.kind !== 'expression') throw new Error('not an expression');
  expect(evaluateSelector(rule.expression, (name) => ROW[name] ?? null)).toBe(expected);
});

test.each([
  ["CASE WHEN a < 'b' THEN 'x' END", 'texts have no order'],
  ["CASE WHEN a IN () THEN 'x' END", 'a constant is missing'],
  ["CASE WHEN a IN (1, 'b') THEN 'x' END", 'mixed'],
  ["CASE WHEN a = b THEN 'x' END", 'a constant is missing before b'],
  ["CASE WHEN a = 9223372036854775808 THEN 'x' END", 'no bigint'],
  ["CASE WHEN a THEN 'x'", 'it ends too early|END is missing'],
  ["CASE WHEN a 'x' END", 'THEN is missing'],
  ["CASE WHEN (a THEN 'x' END", 'a \\) is missing'],
  ["replace(a, '', 'x')", 'something to replace'],
  [`CASE WHEN ${'('.repeat(101)}a${')'.repeat(101)} THEN 'x' END`, 'nested more than 100'],
  ['a'.repeat(50_001), 'more than 50000 characters'],
  ["CASE WHEN a THEN '*' ELSE b END", "a row's own value could be"],
  ["CASE WHEN a THEN '*' ELSE '' || b END", "a row's own value could be"],
])('the rule %s is refused', (rule, reason) => {
  expect(() => parseSelectorRule(rule)).toThrowError(
    expect.objectContaining({
      code: 'BAD_CONFIG',
      message: expect.stringMatching(reason),
    }) as Error,
  );
});
