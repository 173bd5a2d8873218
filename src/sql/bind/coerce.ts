/** How an expression becomes one of another type, by PostgreSQL's rules. */
import { SqlError, sqlError } from '../errors.ts';
import { type CastContext, findCast } from '../functions/casts.ts';
import { innerName } from '../functions/table.ts';
import type { Expression } from '../plan.ts';
import { fromStored } from '../storage.ts';
import { storedFromText } from '../text-values.ts';
import { longName } from '../type-names.ts';
import type { SqlType } from '../types.ts';
import type { Binding } from './context.ts';

export type Category = 'boolean' | 'number' | 'string' | 'time' | 'span' | 'other';

export function categoryOf(type: SqlType): Category {
  switch (type) {
    case 'bool':
      return 'boolean';
    case 'int2':
    case 'int4':
    case 'int8':
    case 'float4':
    case 'float8':
    case 'numeric':
    case 'oid':
      return 'number';
    case 'text':
      return 'string';
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      return 'time';
    case 'interval':
      return 'span';
    default:
      return 'other';
  }
}

const PREFERRED: ReadonlySet<SqlType> = new Set([
  'bool',
  'float8',
  'oid',
  'text',
  'timestamptz',
  'interval',
]);

export const isPreferred = (type: SqlType): boolean => PREFERRED.has(type);

const RANK: Readonly<Record<CastContext, number>> = { implicit: 0, assignment: 1, explicit: 2 };

export function canCoerce(from: SqlType, to: SqlType, context: CastContext): boolean {
  if (from === to || from === 'unknown') return true;
  const cast = findCast(from, to);
  return cast !== null && RANK[cast.context] <= RANK[context];
}

export const constant = (
  type: SqlType,
  value: Extract<Expression, { kind: 'constant' }>['value'],
): Expression => ({ kind: 'constant', type, value });

export type Coercion = {
  readonly binding: Binding;
  readonly offset: number | undefined;
  readonly context?: CastContext;
};

/** Null when there is no such cast in the context (implicit when none is named). */
export function tryCoerce(
  expression: Expression,
  type: SqlType,
  coercion: Coercion,
): Expression | null {
  if (expression.type === type) return expression;
  if (expression.type === 'unknown') return fromUnknown(expression, type, coercion);
  if (!canCoerce(expression.type, type, coercion.context ?? 'implicit')) return null;
  return { kind: 'cast', type, arg: expression };
}

/** A literal is read as a value of the type; a parameter is of the type from now on. */
function fromUnknown(expression: Expression, type: SqlType, coercion: Coercion): Expression {
  if (expression.kind === 'parameter') return typeParameter(expression.number, type, coercion);
  if (expression.kind !== 'constant' || expression.value === null) {
    return expression.kind === 'constant' ? constant(type, null) : asText(expression, type);
  }
  if (type === 'unknown') return expression;
  const text = String(expression.value);
  return constant(
    type,
    at(coercion.offset, () => fromStored(type, storedFromText(type, text))),
  );
}

/** A column that was left without a type is text. */
function asText(expression: Expression, type: SqlType): Expression {
  const text: Expression = { kind: 'cast', type: 'text', arg: expression };
  return type === 'text' ? text : { kind: 'cast', type, arg: text };
}

function typeParameter(number: number, type: SqlType, { binding, offset }: Coercion): Expression {
  const known = binding.parameters[number - 1] ?? 'unknown';
  if (known === 'unknown') binding.parameters[number - 1] = type;
  else if (known !== type) {
    throw sqlError('42P08', `inconsistent types deduced for parameter $${number}`, { offset });
  }
  return { kind: 'parameter', type, number };
}

/** Gives an error that has no place the place of the expression. */
function at<T>(offset: number | undefined, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof SqlError) || error.offset !== null) throw error;
    throw sqlError(error.sqlState, error.message, { offset, hint: error.hint, cause: error.cause });
  }
}

/** Throws 42804 with `what` as the sentence's subject: `argument of WHERE`. */
export function coerceTo(
  expression: Expression,
  type: SqlType,
  coercion: Coercion & { readonly what: string },
): Expression {
  const coerced = tryCoerce(expression, type, coercion);
  if (coerced !== null) return coerced;
  throw sqlError(
    '42804',
    `${coercion.what} must be type ${longName(type)}, not type ${longName(expression.type)}`,
    { offset: coercion.offset },
  );
}

/** What was never told a type is text. */
export function known(expression: Expression, binding: Binding, offset?: number): Expression {
  if (expression.type !== 'unknown') return expression;
  return tryCoerce(expression, 'text', { binding, offset }) ?? expression;
}

/**
 * The type that several expressions have in common (UNION, CASE, VALUES, ...): null when there is none. Literals without a
 * type follow the others; alone they are text.
 */
export function commonType(types: readonly SqlType[]): SqlType | null {
  const [first, ...others] = types.filter((type) => type !== 'unknown');
  if (first === undefined) return 'text';
  let common = first;
  for (const type of others) {
    if (type === common) continue;
    if (categoryOf(type) !== categoryOf(common)) return null;
    const isWider =
      !isPreferred(common) &&
      canCoerce(common, type, 'implicit') &&
      !canCoerce(type, common, 'implicit');
    if (isWider) common = type;
  }
  return types.every((type) => canCoerce(type, common, 'implicit')) ? common : null;
}

/** All of one type, or 42804: `CASE types integer and text cannot be matched`. */
export function unify(
  expressions: readonly Expression[],
  what: string,
  { binding, offset }: Coercion,
): readonly Expression[] {
  const type = commonType(expressions.map((one) => one.type));
  if (type === null)
    throw mismatch(
      what,
      expressions.map((one) => one.type),
      offset,
    );
  return expressions.map((one) => coerceTo(one, type, { binding, offset, what }));
}

export function mismatch(
  what: string,
  types: readonly SqlType[],
  offset: number | undefined,
): SqlError {
  const [first, ...others] = types.filter((type) => type !== 'unknown');
  const other = others.find(
    (type) =>
      first === undefined ||
      categoryOf(type) !== categoryOf(first) ||
      commonType([first, type]) === null,
  );
  const names = [first, other].map((type) => longName(type ?? 'unknown')).join(' and ');
  return sqlError('42804', `${what} types ${names} cannot be matched`, { offset });
}

/** Makes a value fit what stands in the parentheses of a type. Written casts cut text off, assignments refuse. */
export function fitModifier(
  expression: Expression,
  modifier: readonly number[] | null | undefined,
  isExplicit: boolean,
): Expression {
  if (modifier == null) return expression;
  const numbers = modifier.map((number) => constant('int4', number));
  const { type } = expression;
  const name =
    type === 'numeric'
      ? innerName('fit_numeric', ['numeric', 'int4', 'int4'])
      : innerName(isExplicit ? 'truncate_text' : 'fit_text', ['text', 'int4']);
  return { kind: 'call', type, name, args: [expression, ...numbers] };
}

/** A chain of CASE, so that what comes later is computed only when needed. */
export function coalesce(args: readonly Expression[]): Expression {
  const [first, ...others] = args;
  if (first === undefined) return constant('unknown', null);
  const head = first;
  if (others.length === 0) return head;
  const isThere: Expression = {
    kind: 'not',
    type: 'bool',
    arg: { kind: 'isNull', type: 'bool', arg: head },
  };
  return {
    kind: 'case',
    type: head.type,
    branches: [{ when: isThere, result: head }],
    otherwise: coalesce(others),
  };
}
