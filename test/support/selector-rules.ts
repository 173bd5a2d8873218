/** Random selector rules and rows, for tests that hold JavaScript, SQLite and Postgres against each other. */
import * as fc from 'fast-check';
import type { Condition, Constant } from '../../src/core/selector-condition.ts';
import type { SelectorExpression } from '../../src/core/selector-expression.ts';
import { formatExpression } from '../../src/core/selector-parser.ts';

/** Columns of the rows, in order, as `name|kind`. */
export const RULE_COLUMNS = [
  ...['id|int', 'name|text', 'Mixed "Case"|text', 'code|text'],
  ...['n|int', 'big|bigint', 'done|bool', 'hidden|bool'],
] as const;

export const RULE_TABLE_SQL = `CREATE TABLE public.ruled (id int PRIMARY KEY, name text, "Mixed ""Case""" varchar(40),
  code uuid, n int, big bigint, done bool, hidden bool); ALTER TABLE public.ruled REPLICA IDENTITY FULL;`;

/** A row's columns behind `id`, as Postgres prints them. */
export type RuledRow = readonly (string | null)[];

const WORDS = ['', 'a', 'A', '*', ' ', "it's", 'a,b', '%25', '$&', 'ÄÖ€🙂', 'true', '5', 'NULL'];
const UUIDS = ['00000000-0000-0000-0000-000000000001', 'ffffffff-ffff-4fff-bfff-ffffffffffff'];
const NUMBERS = [0, 1, -1, 5, 9, 10, 2_147_483_647, -2_147_483_648].map(String);
const BIGS = [...NUMBERS, '9007199254740993', '9223372036854775807', '-9223372036854775808'];

const TEXT_COLUMNS = ['name', 'Mixed "Case"', 'code'];
const FLAGS = ['done', 'hidden'];
const ANY = [...TEXT_COLUMNS, 'n', 'big', ...FLAGS];

const maybe = (values: readonly string[]) => fc.option(fc.constantFrom(...values), { nil: null });

export const ruledRow: fc.Arbitrary<RuledRow> = fc.tuple(
  ...[maybe(WORDS), maybe(WORDS), maybe(UUIDS), maybe(NUMBERS), maybe(BIGS)],
  ...[maybe(['t', 'f']), maybe(['t', 'f'])],
);

const text = (texts: readonly string[]) =>
  fc.constantFrom(...texts).map((one): Constant => ({ type: 'text', text: one }));
const integer = fc.constantFrom(...BIGS).map((one): Constant => ({ type: 'integer', text: one }));

const comparison: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({
    kind: fc.constant('compare' as const),
    column: fc.constantFrom(...TEXT_COLUMNS),
    operator: fc.constantFrom('=' as const, '<>' as const),
    constant: text([...WORDS, ...UUIDS]),
  }),
  fc.record({
    kind: fc.constant('compare' as const),
    column: fc.constantFrom('n', 'big'),
    operator: fc.constantFrom('=' as const, '<>', '<', '<=', '>', '>='),
    constant: integer,
  }),
  fc.record({
    kind: fc.constant('in' as const),
    column: fc.constantFrom(...TEXT_COLUMNS),
    constants: fc.array(text([...WORDS, ...UUIDS]), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('in' as const),
    column: fc.constantFrom('n', 'big'),
    constants: fc.array(integer, { minLength: 1, maxLength: 3 }),
  }),
);

const { condition } = fc.letrec<{ condition: Condition }>((tie) => {
  const parts = fc.array(tie('condition'), { minLength: 2, maxLength: 3 });
  return {
    condition: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constantFrom(true, false, null).map((value): Condition => ({ kind: 'constant', value })),
      fc.constantFrom(...FLAGS).map((column): Condition => ({ kind: 'flag', column })),
      fc.constantFrom(...ANY).map((column): Condition => ({ kind: 'isNull', column })),
      comparison,
      comparison,
      parts.map((of): Condition => ({ kind: 'and', parts: of })),
      parts.map((of): Condition => ({ kind: 'or', parts: of })),
      tie('condition').map((of): Condition => ({ kind: 'not', of })),
      fc
        .tuple(tie('condition'), fc.constantFrom(true, false, null))
        .map(([of, value]): Condition => ({ kind: 'is', of, value })),
    ),
  };
});

const literal = fc
  .constantFrom(...WORDS)
  .map((one): SelectorExpression => ({ kind: 'literal', text: one }));

const { expression } = fc.letrec<{ expression: SelectorExpression }>((tie) => {
  const parts = fc.array(tie('expression'), { minLength: 2, maxLength: 3 });
  const branch = fc.record({ when: condition, value: tie('expression') });
  return {
    expression: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc
        .constantFrom(...TEXT_COLUMNS, 'n', 'big')
        .map((name): SelectorExpression => ({ kind: 'column', name })),
      literal,
      parts.map((of): SelectorExpression => ({ kind: 'concat', parts: of })),
      parts.map((of): SelectorExpression => ({ kind: 'coalesce', parts: of })),
      fc.record({
        kind: fc.constant('replace' as const),
        of: tie('expression'),
        from: fc.constantFrom(',', '%', 'a', "'"),
        to: fc.constantFrom('', '%2C', '$&', "''"),
      }),
      fc.record({
        kind: fc.constant('case' as const),
        branches: fc.array(branch, { minLength: 1, maxLength: 3 }),
        otherwise: fc.option(tie('expression'), { nil: null }),
      }),
    ),
  };
});

/** The text of a rule that says something for each row; rules in which a value could mean everyone are left out. */
export const ruleText: fc.Arbitrary<string> = expression.map(formatExpression);

export const ruleExpression: fc.Arbitrary<SelectorExpression> = expression;
