/** Aggregates. Each stands for a column of the grouped row until that row is known. */
import { notSupported, sqlError } from '../errors.ts';
import { mapExpression } from '../map-plan.ts';
import type { FuncCall, Node } from '../pg-parser.ts';
import type { Aggregate, AggregateName, Expression, SortKey } from '../plan.ts';
import { longName } from '../type-names.ts';
import type { SqlType } from '../types.ts';
import { coerceTo, tryCoerce } from './coerce.ts';
import { AGGREGATE_BASE, type BindExpression, type Context, required } from './context.ts';
import { columnAt } from './scope.ts';
import { readSortKey } from './sorting.ts';

const NAMES: ReadonlyMap<string, AggregateName> = new Map([
  ['count', 'count'],
  ['sum', 'sum'],
  ['avg', 'avg'],
  ['min', 'min'],
  ['max', 'max'],
  ['bool_and', 'bool_and'],
  ['every', 'bool_and'],
  ['bool_or', 'bool_or'],
  ['string_agg', 'string_agg'],
  ['array_agg', 'array_agg'],
]);

const REFUSED = new Set(
  `json_agg jsonb_agg json_object_agg jsonb_object_agg stddev stddev_pop stddev_samp variance var_pop
  var_samp corr covar_pop covar_samp mode percentile_cont percentile_disc bit_and bit_or bit_xor xmlagg any_value
  range_agg regr_count regr_slope`.split(/\s+/),
);

export const isAggregate = (name: string): boolean => NAMES.has(name) || REFUSED.has(name);

export const aggregateNames: readonly string[] = [...NAMES.keys()];

export function bindAggregate(
  written: string,
  call: FuncCall,
  context: Context,
  bind: BindExpression,
): Expression {
  const offset = call.location;
  const name = NAMES.get(written);
  if (name === undefined) throw notSupported(`the aggregate ${written}`, offset);
  const { aggregates } = context;
  if (typeof aggregates === 'string') {
    throw sqlError('42803', `aggregate functions are not allowed in ${aggregates}`, { offset });
  }
  const inside: Context = { ...context, aggregates: 'an aggregate function', windows: null };
  const { args, order } = bindParts(call, inside, bind);
  const aggregate: Aggregate = {
    name,
    ...typed(name, args, call, context),
    isDistinct: call.agg_distinct ?? false,
    filter: bindFilter(call.agg_filter, inside, bind),
    order,
  };
  checkOwner(aggregate, offset);
  const known = aggregates.findIndex(
    (one) => JSON.stringify(one, plain) === JSON.stringify(aggregate, plain),
  );
  if (known < 0) aggregates.push(aggregate);
  const place = known < 0 ? aggregates.length - 1 : known;
  return columnAt(AGGREGATE_BASE + place, aggregate.type);
}

/** bigint has no JSON form of its own. */
const plain = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? `${value}n` : value;

function bindParts(
  call: FuncCall,
  context: Context,
  bind: BindExpression,
): { readonly args: readonly Expression[]; readonly order: readonly SortKey[] } {
  const args = (call.args ?? []).map((arg) => bind(arg, context));
  const sorts = (call.agg_order ?? []).flatMap((node) => ('SortBy' in node ? [node.SortBy] : []));
  const order = sorts.map((sort) =>
    readSortKey(sort, bind(sort.node, context), {
      binding: context.binding,
      offset: call.location,
    }),
  );
  return { args, order };
}

type Typed = Pick<Aggregate, 'arg' | 'separator' | 'type'>;

function typed(
  name: AggregateName,
  args: readonly Expression[],
  call: FuncCall,
  { binding }: Context,
): Typed {
  const offset = call.location;
  const [first] = args;
  const separator = null;
  if (name === 'count') {
    if (call.agg_star) return { arg: null, separator, type: 'int8' };
    if (args.length === 1) return { arg: required(first), separator, type: 'int8' };
  }
  const wrong = sqlError(
    '42883',
    `function ${name}(${args.map(({ type }) => longName(type)).join(', ')}) does not exist`,
    { offset },
  );
  if (first === undefined || call.agg_star || args.length !== (name === 'string_agg' ? 2 : 1))
    throw wrong;
  if (name === 'string_agg') {
    const [text, by] = args.map((arg) => tryCoerce(arg, 'text', { binding, offset }));
    if (!text || !by) throw wrong;
    return { arg: text, separator: by, type: 'text' };
  }
  if (name === 'array_agg') return textArray(first, call, { binding, offset });
  if (name === 'bool_and' || name === 'bool_or') {
    const arg = tryCoerce(first, 'bool', { binding, offset });
    if (arg === null) throw wrong;
    return { arg, separator, type: 'bool' };
  }
  if (first.type === 'unknown') return unknownArgument(name, first, { binding, offset });
  const type =
    name === 'sum'
      ? SUMS.get(first.type)
      : name === 'avg'
        ? AVERAGES.get(first.type)
        : extreme(first.type);
  if (type === undefined) throw wrong;
  return { arg: first, separator, type };
}

/** Arrays are of texts. */
function textArray(
  arg: Expression,
  call: FuncCall,
  place: { readonly binding: Context['binding']; readonly offset: number | undefined },
): Typed {
  if (call.agg_distinct) throw notSupported('array_agg(DISTINCT ...)', place.offset);
  if (arg.type !== 'text' && arg.type !== 'unknown') {
    throw notSupported(`an array of ${longName(arg.type)}`, place.offset);
  }
  return {
    arg: coerceTo(arg, 'text', { ...place, what: 'array_agg' }),
    separator: null,
    type: '_text',
  };
}

/** min and max of a literal are those of text; sum and avg of one are ambiguous. */
function unknownArgument(
  name: AggregateName,
  arg: Expression,
  place: { readonly binding: Context['binding']; readonly offset: number | undefined },
): Typed {
  if (name === 'sum' || name === 'avg') {
    throw sqlError('42725', `function ${name}(unknown) is not unique`, { offset: place.offset });
  }
  return { arg: coerceTo(arg, 'text', { ...place, what: name }), separator: null, type: 'text' };
}

const SUMS: ReadonlyMap<SqlType, SqlType> = new Map([
  ['int2', 'int8'],
  ['int4', 'int8'],
  ['int8', 'numeric'],
  ['numeric', 'numeric'],
  ['float4', 'float4'],
  ['float8', 'float8'],
  ['interval', 'interval'],
]);

const AVERAGES: ReadonlyMap<SqlType, SqlType> = new Map([
  ['int2', 'numeric'],
  ['int4', 'numeric'],
  ['int8', 'numeric'],
  ['numeric', 'numeric'],
  ['float4', 'float8'],
  ['float8', 'float8'],
]);

const EXTREMES: ReadonlySet<SqlType> = new Set([
  'int2',
  'int4',
  'int8',
  'oid',
  'float4',
  'float8',
  'numeric',
  'text',
  'date',
  'timestamp',
  'timestamptz',
  'interval',
]);

const extreme = (type: SqlType): SqlType | undefined => (EXTREMES.has(type) ? type : undefined);

function bindFilter(
  node: Node | undefined,
  context: Context,
  bind: BindExpression,
): Expression | null {
  if (node === undefined) return null;
  return coerceTo(bind(node, { ...context, aggregates: 'FILTER' }), 'bool', {
    binding: context.binding,
    offset: undefined,
    what: 'argument of FILTER',
  });
}

/** An aggregate of columns of the query around belongs to that one. */
function checkOwner(aggregate: Aggregate, offset: number | undefined): void {
  const parts = [aggregate.arg, aggregate.filter].filter((part) => part !== null);
  let hasOwn = false;
  let hasOuter = false;
  for (const part of parts) {
    mapExpression(part, {
      plan: (plan) => plan,
      expression: (one) => {
        hasOwn ||= one.kind === 'column';
        hasOuter ||= one.kind === 'outer';
        return one;
      },
    });
  }
  if (hasOuter && !hasOwn) throw notSupported('an aggregate of the query around', offset);
}
