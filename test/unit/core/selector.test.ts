import { expect, test } from 'vitest';
import { formatLsn, parseLsn } from '../../../src/core/lsn.ts';
import {
  columnsOf,
  mayBeEveryone,
  parseSelector,
  parseSelectorRule,
  readableSelectors,
} from '../../../src/core/selector.ts';
import { evaluateSelector, selectorSql } from '../../../src/core/selector-expression.ts';
import { formatExpression } from '../../../src/core/selector-parser.ts';

function evaluate(rule: string, row: Record<string, string | null>): string | null {
  const parsed = parseSelectorRule(rule);
  if (parsed.kind === 'everyone') return '*';
  return evaluateSelector(parsed.expression, (name) => row[name] ?? null);
}

test.each([
  ['country', { country: 'FR' }, 'FR'],
  ['country', { country: null }, null],
  ['"Mixed Case"', { 'Mixed Case': 'x' }, 'x'],
  ["tenant || '/' || region", { tenant: 'a', region: 'eu' }, 'a/eu'],
  ["tenant || '/' || region", { tenant: 'a', region: null }, null],
  ["coalesce(tenant, 'none')", { tenant: null }, 'none'],
  ["coalesce(tenant, 'it''s') || '!'", { tenant: null }, "it's!"],
  ["(('x'))", {}, 'x'],
])('the rule %s of %o is %s', (rule, row, expected) => {
  expect(evaluate(rule, row)).toBe(expected);
});

test.each(['', '||', 'a ||', 'lower(a)', 'a b', "a || '", 'coalesce(a', 'a; drop table x', 'a)'])(
  'the rule %j is refused as BAD_CONFIG',
  (rule) => {
    expect(() => parseSelectorRule(rule)).toThrowError(
      expect.objectContaining({ code: 'BAD_CONFIG' }) as Error,
    );
  },
);

test('a rule as SQL quotes what it must', () => {
  const rule = parseSelectorRule(`"o'dd" || coalesce(b, 'it''s')`);
  if (rule.kind !== 'expression') throw new Error('not an expression');
  const plain = (name: string): string => `"${name}"`;
  const sql = selectorSql(rule.expression, {
    ...{ plain, flag: plain },
    text: (name) => `"${name}"::text`,
  });
  expect(sql).toBe(`("o'dd"::text || coalesce("b"::text, 'it''s'))`);
  expect(columnsOf(rule)).toEqual(["o'dd", 'b']);
});

test.each(['', '*', 'a\nb', 'a\u0000', 'x'.repeat(201)])(
  'clients cannot ask for selector %j',
  (text) => {
    expect(() => parseSelector(text)).toThrowError(
      expect.objectContaining({ code: 'BAD_SELECTOR' }) as Error,
    );
  },
);

test.each(['0/0', '0/16B3748', 'FFFF/FFFFFFFF', '1FFFFF/FFFFFFFF'])(
  'position %s survives',
  (text) => {
    expect(formatLsn(parseLsn(text, 'since'))).toBe(text);
  },
);

test.each(['', '16B3748', '0/', '0/123456789', '0/xyz', '200000/0', ' 0/1', '0/1 ', '-1/0'])(
  '%j is no position',
  (text) => {
    expect(() => parseLsn(text, 'since')).toThrowError(
      expect.objectContaining({ code: 'BAD_POSITION' }) as Error,
    );
  },
);

test.each([
  ["CASE WHEN open THEN '*' ELSE 'user:' || owner END", ['u', '*']],
  ['country', ['u']],
  ["'*'", ['u']],
  ['*', ['*']],
])('readers of u find rows of the rule %s under %j', (text, expected) => {
  const rule = parseSelectorRule(text);
  expect(readableSelectors(rule, ['u'])).toEqual(expected);
  expect(mayBeEveryone(rule)).toBe(expected.includes('*'));
});

test('a rule that is written for people is written again so that it is read alike', () => {
  const rule = parseSelectorRule(
    "CASE WHEN NOT (done OR n >= 5) THEN 'a' ELSE coalesce(b, 'c') END",
  );
  if (rule.kind !== 'expression') throw new Error('not an expression');
  expect(formatExpression(rule.expression)).toBe(
    `CASE WHEN (NOT ("done" OR ("n" >= 5))) THEN 'a' ELSE coalesce("b", 'c') END`,
  );
});
