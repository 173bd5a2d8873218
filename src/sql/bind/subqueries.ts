/** Queries as values: EXISTS, IN, and those of one column and at most one row. */
import { notSupported, sqlError } from '../errors.ts';
import { stringOf } from '../parse/names.ts';
import type { Node, SubLink } from '../pg-parser.ts';
import type { Expression, Plan } from '../plan.ts';
import { known } from './coerce.ts';
import { type Bound, type Context, required } from './context.ts';
import { comparable } from './operators.ts';
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
    default:
      throw notSupported(type === 'ARRAY_SUBLINK' ? 'an array' : 'this subquery', offset);
  }
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
  { binding }: Context,
): Expression {
  const offset = link.location;
  const operator = link.operName === undefined ? '=' : operatorOf(link.operName);
  const column = onlyColumn(bound, offset);
  const isAny = link.subLinkType === 'ANY_SUBLINK';
  if (operator !== (isAny ? '=' : '<>'))
    throw notSupported(`${operator} ${isAny ? 'ANY' : 'ALL'} of a query`, offset);
  const inner = columnAt(0, column.type);
  const [arg, value] = comparable('=', [test, inner], { binding, offset });
  const membership: Expression = {
    kind: 'in',
    type: 'bool',
    arg: known(arg, binding, offset),
    plan: value === inner ? bound.plan : projectOne(bound, value),
  };
  return isAny ? membership : { kind: 'not', type: 'bool', arg: membership };
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
