/** Operators and calls of functions: found by name and types, with their arguments cast. */
import { notSupported, type SqlError, sqlError } from '../errors.ts';
import type { SqlFunction } from '../functions/definition.ts';
import { sortKeyOf } from '../functions/keys.ts';
import { type ComparisonName, isComparison } from '../functions/polymorphic.ts';
import { overloadsOf, sqlNames } from '../functions/table.ts';
import type { Expression } from '../plan.ts';
import { isNative } from '../storage.ts';
import { longName } from '../type-names.ts';
import type { SqlType } from '../types.ts';
import { coerceTo, known, tryCoerce } from './coerce.ts';
import type { Binding } from './context.ts';
import { resolve } from './resolve.ts';

export type Place = { readonly binding: Binding; readonly offset: number | undefined };

const COMPARISON_NAMES: ReadonlyMap<string, ComparisonName> = new Map([
  ['=', 'eq'],
  ['<>', 'ne'],
  ['<', 'lt'],
  ['<=', 'le'],
  ['>', 'gt'],
  ['>=', 'ge'],
]);

/** `castTo`: what both sides become. */
type Comparable = { readonly args: readonly SqlType[]; readonly castTo: SqlType };

const same = (type: SqlType): Comparable => ({ args: [type, type], castTo: type });

const COMPARABLES: readonly Comparable[] = [
  ...(
    [
      'bool',
      'int2',
      'int4',
      'int8',
      'float4',
      'float8',
      'numeric',
      'text',
      'uuid',
      'bytea',
      'date',
      'timestamp',
      'timestamptz',
      'interval',
      'jsonb',
      'oid',
      '_text',
    ] as const
  ).map(same),
  { args: ['float4', 'float8'], castTo: 'float8' },
  { args: ['float8', 'float4'], castTo: 'float8' },
];

/** Both sides of a comparison, as one type. */
export function comparable(
  operator: string,
  [left, right]: readonly [Expression, Expression],
  { binding, offset }: Place,
): readonly [Expression, Expression] {
  const types = [left.type, right.type];
  const found = resolve(COMPARABLES, types);
  if (found === 'none' || found === 'ambiguous') throw noOperator(operator, types, offset, found);
  const cast = (side: Expression): Expression =>
    coerceTo(side, found.castTo, { binding, offset, what: `operand of ${operator}` });
  if (isUnordered(found.castTo) && operator !== '=' && operator !== '<>') {
    throw notSupported(`the order of ${longName(found.castTo)}`, offset);
  }
  return [cast(left), cast(right)];
}

/** Types with an equality and no order here. */
export const isUnordered = (type: SqlType): boolean => type === 'jsonb' || type === '_text';

export function bindComparison(
  operator: string,
  sides: readonly [Expression, Expression],
  place: Place,
): Expression {
  const name = COMPARISON_NAMES.get(operator);
  if (name === undefined || !isComparison(name)) throw notSupported(operator, place.offset);
  return { kind: 'call', type: 'bool', name, args: comparable(operator, sides, place) };
}

/** Unary operators have one operand. */
export function bindOperator(
  operator: string,
  operands: readonly Expression[],
  place: Place,
): Expression {
  const [left, right] = operands;
  if (left !== undefined && right !== undefined) {
    if (COMPARISON_NAMES.has(operator)) return bindComparison(operator, [left, right], place);
    if (operator === '||') return bindConcatenation([left, right], place);
  }
  const types = operands.map(({ type }) => type);
  const found = resolve(overloadsOf(operator), types);
  if (found === 'none' || found === 'ambiguous') {
    throw noOperator(operator, types, place.offset, found);
  }
  return callOf(found, operands, place);
}

/** Text and anything that is no array: the other side becomes text, whatever it is. */
function bindConcatenation(sides: readonly [Expression, Expression], place: Place): Expression {
  const types = sides.map(({ type }) => type);
  const overloads = overloadsOf('||');
  const isText = types.includes('text') || types.every((type) => type === 'unknown');
  const isPlain = !types.includes('bytea') && !types.includes('jsonb');
  if (!isText && (!isPlain || !types.includes('unknown'))) {
    const found = resolve(overloads, types);
    if (found === 'none' || found === 'ambiguous')
      throw noOperator('||', types, place.offset, found);
    return callOf(found, sides, place);
  }
  const text = overloads.find(({ args }) => args[0] === 'text');
  if (text === undefined) throw noOperator('||', types, place.offset, 'none');
  return callOf(
    text,
    sides.map((side) => asText(side, place)),
    place,
  );
}

/** As the output function prints it. */
export function asText(expression: Expression, { binding, offset }: Place): Expression {
  return coerceTo(expression, 'text', { binding, offset, context: 'explicit', what: 'text' });
}

/** `shown`: what a message calls it. */
export function bindFunction(
  name: string,
  args: readonly Expression[],
  place: Place,
  shown = name,
): Expression {
  const types = args.map(({ type }) => type);
  const found = resolve(overloadsOf(name), types);
  if (found === 'none' || found === 'ambiguous')
    throw noFunction(shown, types, place.offset, found);
  return callOf(found, args, place);
}

function callOf(
  found: SqlFunction,
  args: readonly Expression[],
  { binding, offset }: Place,
): Expression {
  if (found.implementation === null) {
    throw notSupported(`${found.sqlName}(${found.args.map(longName).join(', ')})`, offset);
  }
  return {
    kind: 'call',
    type: found.result,
    name: found.name,
    args: args.map((arg, index) => {
      const type = found.args[index] ?? 'text';
      const cast = tryCoerce(arg, type, { binding, offset });
      return cast ?? coerceTo(arg, type, { binding, offset, what: `argument of ${found.sqlName}` });
    }),
  };
}

type Failure = 'none' | 'ambiguous';

function noOperator(
  operator: string,
  types: readonly SqlType[],
  offset: number | undefined,
  failure: Failure,
): SqlError {
  const names = types.map(longName);
  const shown = names.length === 1 ? `${operator} ${names[0]}` : names.join(` ${operator} `);
  if (failure === 'ambiguous') {
    return sqlError('42725', `operator is not unique: ${shown}`, { offset });
  }
  return sqlError('42883', `operator does not exist: ${shown}`, { offset });
}

/** Functions of PostgreSQL's everyday use that we do not have. */
const ELSEWHERE: ReadonlySet<string> = new Set(
  `age clock_timestamp convert_from date_bin decode format gen_random_uuid generate_series get_bit
  json_build_object jsonb_build_object jsonb_each jsonb_extract_path jsonb_set justify_days justify_hours make_date
  make_interval make_timestamp md5 num_nonnulls nextval overlay parse_ident pg_sleep pg_typeof random regexp_match
  regexp_matches regexp_replace regexp_split_to_array setseed sha256 similar_to_escape timezone to_date to_json
  to_jsonb to_number trim_scale unnest uuidv7 width_bucket`.split(/\s+/),
);

function noFunction(
  name: string,
  types: readonly SqlType[],
  offset: number | undefined,
  failure: Failure,
): SqlError {
  if (ELSEWHERE.has(name)) return notSupported(`the function ${name}`, offset);
  const shown = `${name}(${types.map(longName).join(', ')})`;
  if (failure === 'ambiguous') {
    return sqlError('42725', `function ${shown} is not unique`, { offset });
  }
  const hint = sqlNames.includes(name)
    ? undefined
    : 'docs/sql.md lists the functions that there are';
  return sqlError('42883', `function ${shown} does not exist, or is not supported`, {
    offset,
    hint,
  });
}

/** 42883 for types that have no order. */
export function checkSortable(expression: Expression, place: Place): Expression {
  const sortable = known(expression, place.binding, place.offset);
  if (isNative(sortable.type) || sortKeyOf(sortable.type) !== null) return sortable;
  throw notSupported(`the order of ${longName(sortable.type)}`, place.offset);
}
