/** Expressions: names become columns, types become known, casts explicit. */
import { notSupported, sqlError } from '../errors.ts';
import { stringOf } from '../parse/names.ts';
import type { A_Expr, Node, TypeName } from '../pg-parser.ts';
import type { Expression } from '../plan.ts';
import { longName, readTypeName } from '../type-names.ts';
import { bindArray, elementsOf } from './arrays.ts';
import { bindCall } from './calls.ts';
import { coalesce, coerceTo, constant, fitModifier, known, tryCoerce, unify } from './coerce.ts';
import { type Context, offsetOf, required } from './context.ts';
import { readConstant } from './literals.ts';
import { bindComparison, bindOperator, comparable, isUnordered } from './operators.ts';
import { findColumn, hasTable } from './scope.ts';
import { bindQuantified, bindSubLink } from './subqueries.ts';
import { bindRegistered, bindSystemCall, isRegistered } from './system-calls.ts';

/** The type may be `unknown`: a literal or parameter that nothing has told its type yet. */
export function bindExpression(node: Node | undefined, context: Context): Expression {
  const offset = offsetOf(node);
  const { binding } = context;
  const recurse = (inner: Node | undefined): Expression => bindExpression(inner, context);
  const inner = required(node, offset);
  if ('A_Const' in inner) return readConstant(inner.A_Const);
  if ('ColumnRef' in inner) return bindColumn(inner, context);
  if ('ParamRef' in inner) return bindParameter(inner.ParamRef.number ?? 0, context, offset);
  if ('TypeCast' in inner) return bindCast(inner, context);
  if ('A_Expr' in inner) return bindAExpr(inner.A_Expr, context);
  if ('BoolExpr' in inner) {
    const { boolop, args = [] } = inner.BoolExpr;
    const what = `argument of ${boolop === 'NOT_EXPR' ? 'NOT' : boolop === 'OR_EXPR' ? 'OR' : 'AND'}`;
    const bound = args.map((arg) =>
      coerceTo(recurse(arg), 'bool', { binding, offset: offsetOf(arg) ?? offset, what }),
    );
    if (boolop === 'NOT_EXPR') return { kind: 'not', type: 'bool', arg: required(bound[0]) };
    return { kind: boolop === 'OR_EXPR' ? 'or' : 'and', type: 'bool', args: bound };
  }
  if ('NullTest' in inner) {
    const arg = recurse(inner.NullTest.arg);
    const test: Expression = { kind: 'isNull', type: 'bool', arg };
    return inner.NullTest.nulltesttype === 'IS_NOT_NULL' ? not(test) : test;
  }
  if ('BooleanTest' in inner) return bindBooleanTest(inner, context);
  if ('CaseExpr' in inner) return bindCase(inner, context);
  if ('CoalesceExpr' in inner) {
    return coalesce(
      unify((inner.CoalesceExpr.args ?? []).map(recurse), 'COALESCE', { binding, offset }),
    );
  }
  if ('MinMaxExpr' in inner) {
    const isLeast = inner.MinMaxExpr.op === 'IS_LEAST';
    const args = unify((inner.MinMaxExpr.args ?? []).map(recurse), isLeast ? 'LEAST' : 'GREATEST', {
      binding,
      offset,
    });
    const type = required(args[0]).type;
    if (isUnordered(type)) throw notSupported(`the order of ${longName(type)}`, offset);
    return { kind: 'call', type, name: isLeast ? 'least' : 'greatest', args };
  }
  if ('SubLink' in inner) {
    const { testexpr } = inner.SubLink;
    return bindSubLink(
      inner.SubLink,
      testexpr === undefined ? null : bindTest(testexpr, context),
      context,
    );
  }
  if ('FuncCall' in inner) return bindCall(inner.FuncCall, context, bindExpression);
  if ('SQLValueFunction' in inner)
    return bindValueFunction(inner.SQLValueFunction.op ?? '', context, offset);
  if ('CollateClause' in inner) return bindCollate(inner, context);
  if ('A_ArrayExpr' in inner) throw notSupported('an array', offset);
  if ('A_Indirection' in inner) throw notSupported('a subscript or field', offset);
  if ('RowExpr' in inner) throw notSupported('a row as a value', offset);
  throw notSupported(Object.keys(inner)[0] ?? 'this expression', offset);
}

const not = (arg: Expression): Expression => ({ kind: 'not', type: 'bool', arg });

function bindTest(node: Node, context: Context): Expression {
  if ('RowExpr' in node) throw notSupported('a row compared with a subquery', offsetOf(node));
  return bindExpression(node, context);
}

function bindColumn(node: Extract<Node, { ColumnRef: unknown }>, context: Context): Expression {
  const offset = node.ColumnRef.location;
  const fields = node.ColumnRef.fields ?? [];
  if (fields.some((field) => 'A_Star' in field))
    throw sqlError('42601', '"*" cannot stand here', { offset });
  const parts = fields.map(stringOf);
  const name = parts.at(-1) ?? '';
  const table = parts.at(-2) ?? null;
  const found = findColumn(context.scope, name, table, offset);
  if (found !== null) return found;
  const shown = table === null ? `"${name}"` : `${table}.${name}`;
  if (table !== null && !hasTable(context.scope, table)) {
    throw sqlError('42P01', `missing FROM-clause entry for table "${table}"`, { offset });
  }
  if (table === null && hasTable(context.scope, name))
    throw notSupported('a whole row as a value', offset);
  throw sqlError('42703', `column ${shown} does not exist`, { offset });
}

/** Of parameters in one statement: what the wire protocol can carry. */
const PARAMETERS_MAX = 65_535;

function bindParameter(
  number: number,
  { binding }: Context,
  offset: number | undefined,
): Expression {
  if (!binding.hasParameters || number < 1 || number > PARAMETERS_MAX) {
    throw sqlError('42P02', `there is no parameter $${number}`, { offset });
  }
  while (binding.parameters.length < number) binding.parameters.push('unknown');
  return { kind: 'parameter', type: binding.parameters[number - 1] ?? 'unknown', number };
}

function bindCast(node: Extract<Node, { TypeCast: unknown }>, context: Context): Expression {
  const { arg, typeName } = node.TypeCast;
  const offset = offsetOf(arg) ?? typeName?.location;
  const inner = bindExpression(arg, context);
  const registered = registeredType(typeName);
  if (registered !== null) return bindRegistered(registered, inner, { context, offset });
  const { type, modifier } = readTypeName(required(typeName, offset));
  if (type === 'text' && isNamedObject(arg, inner)) {
    return bindRegistered('regclass', inner, { context, offset });
  }
  const cast = tryCoerce(inner, type, { binding: context.binding, offset, context: 'explicit' });
  if (cast !== null) return fitModifier(cast, modifier, true);
  throw sqlError('42846', `cannot cast type ${longName(inner.type)} to ${longName(type)}`, {
    offset,
  });
}

/** `regclass` and the like, whose casts look things up. */
function registeredType(typeName: TypeName | undefined): string | null {
  const names = (typeName?.names ?? []).map(stringOf);
  const written = names.at(-1) ?? '';
  return isRegistered(written) && !typeName?.arrayBounds ? written : null;
}

/** `'name'::regclass`, which is a number here, and its name again as text. */
const isNamedObject = (node: Node | undefined, bound: Expression): boolean =>
  bound.type === 'oid' &&
  node !== undefined &&
  'TypeCast' in node &&
  registeredType(node.TypeCast.typeName) === 'regclass';

/** Texts have one order here: that of their code points. */
function bindCollate(
  node: Extract<Node, { CollateClause: unknown }>,
  context: Context,
): Expression {
  const { arg, collname = [], location: offset } = node.CollateClause;
  const name = stringOf(collname.at(-1));
  const value = bindExpression(arg, context);
  if (!COLLATIONS.has(name)) throw notSupported(`the collation "${name}"`, offset);
  return coerceTo(value, 'text', { binding: context.binding, offset, what: 'argument of COLLATE' });
}

const COLLATIONS = new Set(['default', 'C', 'POSIX', 'ucs_basic', 'C.UTF-8', 'pg_c_utf8']);

function bindBooleanTest(
  node: Extract<Node, { BooleanTest: unknown }>,
  context: Context,
): Expression {
  const { arg, booltesttype = '' } = node.BooleanTest;
  const what = `argument of ${booltesttype.replaceAll('_', ' ')}`;
  const value = coerceTo(bindExpression(arg, context), 'bool', {
    binding: context.binding,
    offset: offsetOf(arg),
    what,
  });
  if (booltesttype.endsWith('UNKNOWN')) {
    const test: Expression = { kind: 'isNull', type: 'bool', arg: value };
    return booltesttype === 'IS_UNKNOWN' ? test : not(test);
  }
  const wanted = constant('bool', booltesttype.endsWith('TRUE'));
  const distinct: Expression = {
    kind: 'call',
    type: 'bool',
    name: 'distinct',
    args: [value, wanted],
  };
  return booltesttype.startsWith('IS_NOT') ? distinct : not(distinct);
}

function bindCase(node: Extract<Node, { CaseExpr: unknown }>, context: Context): Expression {
  const { arg, args = [], defresult, location: offset } = node.CaseExpr;
  const { binding } = context;
  const subject = arg === undefined ? null : bindExpression(arg, context);
  const whens = args.flatMap((one) => ('CaseWhen' in one ? [one.CaseWhen] : []));
  const conditions = whens.map((when) => {
    const condition = bindExpression(when.expr, context);
    const place = { binding, offset: offsetOf(when.expr) ?? offset };
    return subject === null
      ? coerceTo(condition, 'bool', { ...place, what: 'argument of CASE/WHEN' })
      : bindComparison('=', [subject, condition], place);
  });
  const otherwise =
    defresult === undefined ? constant('unknown', null) : bindExpression(defresult, context);
  const results = unify(
    [otherwise, ...whens.map((when) => bindExpression(when.result, context))],
    'CASE',
    { binding, offset },
  );
  const [last, ...others] = results;
  return {
    kind: 'case',
    type: required(last).type,
    branches: conditions.map((when, index) => ({ when, result: required(others[index]) })),
    otherwise: required(last),
  };
}

function bindValueFunction(op: string, context: Context, offset: number | undefined): Expression {
  const { binding } = context;
  const name = op.replace('SVFOP_', '').toLowerCase();
  const fact = bindSystemCall({ name, args: [], context, offset });
  if (fact !== null) return fact;
  binding.usesNow = true;
  const now: Expression = { kind: 'now', type: 'timestamptz' };
  switch (op) {
    case 'SVFOP_CURRENT_TIMESTAMP':
      return now;
    case 'SVFOP_LOCALTIMESTAMP':
      return { kind: 'cast', type: 'timestamp', arg: now };
    case 'SVFOP_CURRENT_DATE':
      return { kind: 'cast', type: 'date', arg: now };
    default:
      throw notSupported(op.replace('SVFOP_', ''), offset);
  }
}

function bindAExpr(node: A_Expr, context: Context): Expression {
  const { binding } = context;
  const { kind, lexpr, rexpr, location: offset } = node;
  const operator = stringOf(node.name?.at(-1));
  const place = { binding, offset };
  const left = (): Expression => bindExpression(lexpr, context);
  const right = (): Expression => bindExpression(rexpr, context);
  switch (kind) {
    case 'AEXPR_OP':
      if (lexpr && rexpr && 'RowExpr' in lexpr && 'RowExpr' in rexpr) {
        return bindRows(operator, [lexpr, rexpr], context);
      }
      return bindOperator(operator, lexpr === undefined ? [right()] : [left(), right()], place);
    case 'AEXPR_DISTINCT':
    case 'AEXPR_NOT_DISTINCT': {
      const args = comparable('=', [left(), right()], place);
      const distinct: Expression = { kind: 'call', type: 'bool', name: 'distinct', args };
      return kind === 'AEXPR_DISTINCT' ? distinct : not(distinct);
    }
    case 'AEXPR_NULLIF': {
      const value = left();
      const when = bindComparison('=', [value, right()], place);
      const kept = keptByNullif(value, when);
      const result = constant(kept.type, null);
      return { kind: 'case', type: kept.type, branches: [{ when, result }], otherwise: kept };
    }
    case 'AEXPR_IN':
    case 'AEXPR_OP_ANY':
    case 'AEXPR_OP_ALL':
      return bindList(node, context);
    case 'AEXPR_LIKE':
    case 'AEXPR_ILIKE':
      return bindOperator(operator, [left(), right()], place);
    case 'AEXPR_BETWEEN':
    case 'AEXPR_NOT_BETWEEN':
    case 'AEXPR_BETWEEN_SYM':
    case 'AEXPR_NOT_BETWEEN_SYM':
      return bindBetween(node, context);
    default:
      throw notSupported(kind?.replace('AEXPR_', '') ?? 'this operator', offset);
  }
}

/** PostgreSQL compares whole numbers, floats and times of different types without a cast; others are cast, and stay so. */
function keptByNullif(value: Expression, when: Expression): Expression {
  const compared = when.kind === 'call' ? required(when.args[0]) : value;
  const family = FAMILIES.find((types) => types.includes(value.type));
  return family?.includes(compared.type) ? value : compared;
}

const FAMILIES: readonly (readonly Expression['type'][])[] = [
  ['int2', 'int4', 'int8'],
  ['float4', 'float8'],
  ['date', 'timestamp', 'timestamptz'],
];

/** `(a, b) = (c, d)`, column by column. */
function bindRows(operator: string, sides: readonly [Node, Node], context: Context): Expression {
  const offset = offsetOf(sides[0]);
  const [left = [], right = []] = sides.map((side) =>
    'RowExpr' in side ? (side.RowExpr.args ?? []) : [],
  );
  if (operator !== '=' && operator !== '<>') throw notSupported('the order of rows', offset);
  if (left.length !== right.length)
    throw sqlError('42601', 'unequal number of entries in row expressions', { offset });
  const args = left.map((one, index) =>
    bindComparison(
      operator,
      [bindExpression(one, context), bindExpression(right[index], context)],
      {
        binding: context.binding,
        offset: offsetOf(one),
      },
    ),
  );
  return { kind: operator === '=' ? 'and' : 'or', type: 'bool', args };
}

/** `x IN (a, b)`, `x = ANY (ARRAY[a, b])`. */
function bindList(
  { kind, name, lexpr, rexpr, location: offset }: A_Expr,
  context: Context,
): Expression {
  const operator = stringOf(name?.at(-1));
  const place = { binding: context.binding, offset };
  const items = listItems(rexpr);
  if (items === null)
    return bindArrayList(operator, kind === 'AEXPR_OP_ANY', { lexpr, rexpr }, context);
  const isAny = kind === 'AEXPR_OP_ANY' || (kind === 'AEXPR_IN' && operator === '=');
  const rows = lexpr !== undefined && 'RowExpr' in lexpr;
  const subject = rows ? null : bindExpression(lexpr, context);
  const bound = rows ? [] : items.map((item) => bindExpression(item, context));
  const isPlain =
    subject !== null && kind === 'AEXPR_IN' ? commonOf([subject, ...bound], place) : null;
  const tests = items.map((item, index) => {
    if (rows) return bindRows(operator, [lexpr, item], context);
    const sides =
      isPlain === null
        ? [required(subject ?? undefined), required(bound[index])]
        : [required(isPlain[0]), required(isPlain[index + 1])];
    return bindOperator(operator, sides, place);
  });
  return { kind: isAny ? 'or' : 'and', type: 'bool', args: tests };
}

/** All of IN's list as one type with what is looked for, where there is one. */
function commonOf(
  expressions: readonly Expression[],
  place: { readonly binding: Context['binding']; readonly offset: number | undefined },
): readonly Expression[] | null {
  try {
    return unify(expressions, 'IN', place);
  } catch {
    return null;
  }
}

/** Null for an array that is not written out. */
function listItems(node: Node | undefined): readonly Node[] | null {
  if (node && 'List' in node) return node.List.items ?? [];
  return node && 'A_ArrayExpr' in node ? (node.A_ArrayExpr.elements ?? []) : null;
}

/** `x = ANY ('{1,2}')`, `x = ANY ($1)`, `x = ANY ($1::int[])`, `x = ANY (texts)`. */
function bindArrayList(
  operator: string,
  isAny: boolean,
  sides: { readonly lexpr: Node | undefined; readonly rexpr: Node | undefined },
  context: Context,
): Expression {
  const offset = offsetOf(sides.rexpr);
  const test = known(bindExpression(sides.lexpr, context), context.binding, offset);
  const { array, type } = bindArray(required(sides.rexpr), test.type, context, bindExpression);
  const bound = elementsOf(array, type, { binding: context.binding, offset });
  return bindQuantified(operator, isAny, { test, bound, context, offset });
}

function bindBetween(
  { kind = 'AEXPR_BETWEEN', lexpr, rexpr, location: offset }: A_Expr,
  context: Context,
): Expression {
  const place = { binding: context.binding, offset };
  const bounds = rexpr && 'List' in rexpr ? (rexpr.List.items ?? []) : [];
  const value = bindExpression(lexpr, context);
  const [low, high] = [0, 1].map((index) => bindExpression(bounds[index], context));
  const within = (from: Expression, to: Expression): Expression => ({
    kind: 'and',
    type: 'bool',
    args: [bindComparison('>=', [value, from], place), bindComparison('<=', [value, to], place)],
  });
  const [from, to] = [required(low), required(high)];
  const inside: Expression = kind.endsWith('SYM')
    ? { kind: 'or', type: 'bool', args: [within(from, to), within(to, from)] }
    : within(from, to);
  return kind.startsWith('AEXPR_NOT') ? not(inside) : inside;
}
