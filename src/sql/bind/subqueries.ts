/** Queries as values: EXISTS, IN, and those of one column and at most one row. */
import { notSupported, sqlError } from '../errors.ts';
import { stringOf } from '../parse/names.ts';
import type { Node, SubLink } from '../pg-parser.ts';
import type { Aggregate, Expression, Plan } from '../plan.ts';
import { longName } from '../type-names.ts';
import type { Column } from '../types.ts';
import { coalesce, constant, known } from './coerce.ts';
import { type Bound, type Context, required } from './context.ts';
import { inside, isEmptyPlan } from './facts.ts';
import { bindOperator, comparable } from './operators.ts';
import { columnAt } from './scope.ts';

/** `test`: what is looked for, of `test IN (...)`. */
export function bindSubLink(link: SubLink, test: Expression | null, context: Context): Expression {
  const { subLinkType: type, location: offset } = link;
  const { binding, ctes, scope } = context;
  if (!link.subselect || !('SelectStmt' in link.subselect))
    throw notSupported('this subquery', offset);
  const bound = context.bindSelect(link.subselect.SelectStmt, { binding, outer: scope, ctes });
  switch (type) {
    case 'EXISTS_SUBLINK':
      return { kind: 'exists', type: 'bool', plan: bound.plan };
    case 'EXPR_SUBLINK':
      return { kind: 'scalar', type: onlyColumn(bound, offset).type, plan: bound.plan };
    case 'ANY_SUBLINK':
    case 'ALL_SUBLINK':
      return bindMembership(bound, { test: required(test ?? undefined, offset), link }, context);
    case 'ARRAY_SUBLINK':
      return bindArray(bound, link);
    default:
      throw notSupported('this subquery', offset);
  }
}

/** `ARRAY(query)`: its texts, sorted where the query does not say how. */
function bindArray(bound: Bound, link: SubLink): Expression {
  const offset = link.location;
  const { type } = onlyColumn(bound, offset);
  if (type !== 'text') throw notSupported(`an array of ${longName(type)}`, offset);
  const none = constant('_text', '{}');
  if (isEmptyPlan(bound.plan)) return none;
  const select =
    link.subselect && 'SelectStmt' in link.subselect ? link.subselect.SelectStmt : null;
  if (select?.sortClause !== undefined) throw notSupported('an array of sorted rows', offset);
  const column: Column = { name: 'array', type: '_text', isNullable: true };
  const array: Aggregate = {
    ...{ name: 'array_agg', type: '_text', arg: columnAt(0, 'text'), isDistinct: false },
    ...{ filter: null, separator: null, order: [] },
  };
  const plan: Plan = {
    ...{ kind: 'aggregate', columns: [column], input: bound.plan, keys: [] },
    aggregates: [array],
  };
  return coalesce([{ kind: 'scalar', type: '_text', plan }, none]);
}

function onlyColumn({ columns }: Bound, offset: number | undefined): Bound['columns'][number] {
  const [only, ...others] = columns;
  if (only !== undefined && others.length === 0) return only;
  throw sqlError('42601', 'subquery must return only one column', { offset });
}

/** `x IN (q)` is `x = ANY (q)`; `x <> ALL (q)` is its negation. */
function bindMembership(
  bound: Bound,
  { test, link }: { readonly test: Expression; readonly link: SubLink },
  context: Context,
): Expression {
  const offset = link.location;
  const operator = link.operName === undefined ? '=' : operatorOf(link.operName);
  onlyColumn(bound, offset);
  const isAny = link.subLinkType === 'ANY_SUBLINK';
  return bindQuantified(operator, isAny, { test, bound, context, offset });
}

type Quantified = {
  readonly test: Expression;
  /** Of one column. */
  readonly bound: Bound;
  readonly context: Context;
  readonly offset: number | undefined;
};

/** `test < ANY (rows)`: true when it is so for one, else NULL when that is not known for one, else false. ALL the other way. */
export function bindQuantified(operator: string, isAny: boolean, what: Quantified): Expression {
  const { test, bound, context, offset } = what;
  const place = { binding: context.binding, offset };
  const type = bound.columns[0]?.type ?? 'text';
  if (operator === (isAny ? '=' : '<>')) return membership(isAny, what);
  const holds = bindOperator(operator, [inside(test), columnAt(0, type)], place);
  const isUnknown: Expression = { kind: 'isNull', type: 'bool', arg: holds };
  const decides: Expression = isAny ? holds : { kind: 'not', type: 'bool', arg: holds };
  return {
    ...{ kind: 'case', type: 'bool', otherwise: constant('bool', !isAny) },
    branches: [
      { when: existsWhere(bound.plan, decides), result: constant('bool', isAny) },
      { when: existsWhere(bound.plan, isUnknown), result: constant('bool', null) },
    ],
  };
}

const existsWhere = (input: Plan, predicate: Expression): Expression => ({
  ...{ kind: 'exists', type: 'bool' },
  plan: { kind: 'filter', columns: input.columns, input, predicate },
});

function membership(isAny: boolean, { test, bound, context, offset }: Quantified): Expression {
  const { binding } = context;
  const inner = columnAt(0, bound.columns[0]?.type ?? 'text');
  const [arg, value] = comparable('=', [test, inner], { binding, offset });
  const found: Expression = {
    kind: 'in',
    type: 'bool',
    arg: known(arg, binding, offset),
    plan: value === inner ? bound.plan : projectOne(bound, value),
  };
  return isAny ? found : { kind: 'not', type: 'bool', arg: found };
}

const operatorOf = (name: readonly Node[]): string => stringOf(name.at(-1));

function projectOne({ plan, columns }: Bound, value: Expression): Plan {
  return {
    kind: 'project',
    columns: columns.slice(0, 1).map((column) => ({ ...column, type: value.type })),
    input: plan,
    expressions: [value],
  };
}
