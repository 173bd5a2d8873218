/** Which type can become which, when by itself, and how. */
import { sqlError } from '../errors.ts';
import { isNative, type Stored } from '../storage.ts';
import { storedFromText, textFromStored } from '../text-values.ts';
import { longName } from '../type-names.ts';
import type { SqlType } from '../types.ts';
import { toFloat } from '../values/float.ts';
import { checkInteger, type IntegerType } from '../values/integer.ts';
import { roundHalfEven } from '../values/interval.ts';
import type { Json } from '../values/json.ts';
import {
  NUMERIC_NAN,
  type Numeric,
  numericOf,
  parseNumeric,
  roundNumeric,
  toNumeric,
} from '../values/numeric.ts';
import { define, type SqlFunction } from './definition.ts';
import { dateToTimestamp, timestampToDate } from './times.ts';

/** `implicit`: anywhere. `assignment`: for a column that is written. `explicit`: only where a cast is written. */
export type CastContext = 'implicit' | 'assignment' | 'explicit';

export type Cast = {
  readonly from: SqlType;
  readonly to: SqlType;
  readonly context: CastContext;
  /** Null: the stored value is the same. */
  readonly call: SqlFunction | null;
};

const INTEGERS: readonly IntegerType[] = ['int2', 'int4', 'int8'];
const FLOATS = ['float4', 'float8'] as const;

function roundFloat(type: IntegerType, value: number): bigint {
  if (!Number.isFinite(value)) throw sqlError('22003', `${longName(type)} out of range`);
  return checkInteger(type, BigInt(roundHalfEven(value)));
}

function roundToInteger(type: IntegerType, value: Numeric): bigint {
  if (value.kind !== 'finite') {
    const name = value.kind === 'nan' ? 'NaN' : 'infinity';
    throw sqlError('0A000', `cannot convert ${name} to ${longName(type)}`);
  }
  const rounded = roundNumeric(value, 0);
  return checkInteger(type, rounded.kind === 'finite' ? rounded.coefficient : 0n);
}

/** `%.15g` or `%.6g`, as PostgreSQL does it. */
function floatToNumeric(value: number, digits: number): Numeric {
  if (Number.isNaN(value)) return NUMERIC_NAN;
  if (!Number.isFinite(value)) return { kind: 'infinite', sign: value < 0 ? -1 : 1 };
  const written = value.toExponential(digits - 1).replace(/\.?0+e/, 'e');
  return parseNumeric(written) ?? numericOf(0n);
}

function numericToFloat(type: 'float4' | 'float8', text: string): number {
  const number = Number(text);
  const value = toFloat(type, number);
  const isInfinite = /inf/i.test(text);
  if (
    (!Number.isFinite(value) && !Number.isNaN(value) && !isInfinite) ||
    (value === 0 && /[1-9]/.test(text))
  ) {
    throw sqlError('22003', `"${text}" is out of range for type ${longName(type)}`);
  }
  return value;
}

function narrowFloat(value: number): number {
  const narrow = Math.fround(value);
  if (Number.isFinite(value) && !Number.isFinite(narrow)) {
    throw sqlError('22003', 'value out of range: overflow');
  }
  if (value !== 0 && narrow === 0) throw sqlError('22003', 'value out of range: underflow');
  return narrow;
}

function cast(from: SqlType, to: SqlType, context: CastContext, call: SqlFunction | null): Cast {
  return { from, to, context, call };
}

const integerCasts: readonly Cast[] = INTEGERS.flatMap((from, rank) => [
  ...INTEGERS.flatMap((to, other) => {
    if (from === to) return [];
    if (other > rank) return [cast(from, to, 'implicit', null)];
    return [
      cast(
        from,
        to,
        'assignment',
        define(`to_${to}(${from}) ${to}`, (a) => checkInteger(to, a)),
      ),
    ];
  }),
  ...FLOATS.flatMap((to) => [
    cast(
      from,
      to,
      'implicit',
      define(`to_${to}(${from}) ${to}`, (a) => toFloat(to, Number(a))),
    ),
    cast(
      to,
      from,
      'assignment',
      define(`to_${from}(${to}) ${from}`, (a) => roundFloat(from, a)),
    ),
  ]),
  cast(from, 'numeric', 'implicit', define(`to_numeric(${from}) numeric`, numericOf)),
  cast(
    'numeric',
    from,
    'assignment',
    define(`to_${from}(numeric) ${from}`, (a) => roundToInteger(from, a)),
  ),
]);

const numberCasts: readonly Cast[] = [
  cast('float4', 'float8', 'implicit', null),
  cast('float8', 'float4', 'assignment', define('to_float4(float8) float4', narrowFloat)),
  cast(
    'float8',
    'numeric',
    'assignment',
    define('to_numeric(float8) numeric', (a) => floatToNumeric(a, 15)),
  ),
  cast(
    'float4',
    'numeric',
    'assignment',
    define('to_numeric(float4) numeric', (a) => floatToNumeric(a, 6)),
  ),
  ...FLOATS.map((to) =>
    cast('numeric', to, 'implicit', {
      ...define(`to_${to}(numeric) ${to}`, () => null),
      implementation: (stored: Stored) => floatOf(to, String(stored)),
    }),
  ),
  cast(
    'int4',
    'bool',
    'explicit',
    define('to_bool(int4) bool', (a) => a !== 0n),
  ),
  cast(
    'bool',
    'int4',
    'explicit',
    define('to_int4(bool) int4', (a) => (a ? 1n : 0n)),
  ),
];

/** Whole numbers below 2^32. */
const oidCasts: readonly Cast[] = INTEGERS.flatMap((type) => [
  cast(
    type,
    'oid',
    'implicit',
    define(`to_oid(${type}) oid`, (a) => {
      if (a >= 0n && a < 2n ** 32n) return a;
      if (type !== 'int8') return a + 2n ** 32n; // the same 32 bits, as in PostgreSQL
      throw sqlError('22003', 'OID out of range');
    }),
  ),
  ...(type === 'int2'
    ? []
    : [
        cast(
          'oid',
          type,
          'assignment',
          define(`to_${type}(oid) ${type}`, (a) => checkInteger(type, a)),
        ),
      ]),
]);

const floatOf = (to: 'float4' | 'float8', text: string): Stored =>
  text === 'NaN' ? text : numericToFloat(to, text);

const timeCasts: readonly Cast[] = [
  cast('date', 'timestamp', 'implicit', define('to_timestamp_of(date) timestamp', dateToTimestamp)),
  cast(
    'date',
    'timestamptz',
    'implicit',
    define('to_timestamp_of(date) timestamp', dateToTimestamp),
  ),
  cast('timestamp', 'timestamptz', 'implicit', null),
  cast('timestamptz', 'timestamp', 'assignment', null),
  cast('timestamp', 'date', 'assignment', define('to_date_of(timestamp) date', timestampToDate)),
  cast('timestamptz', 'date', 'assignment', define('to_date_of(timestamp) date', timestampToDate)),
];

/** JSON's null becomes NULL. */
function scalarOf<K extends Json['kind']>(
  value: Json,
  kind: K,
  type: SqlType,
): Extract<Json, { kind: K }> | null {
  if (value.kind === 'null') return null;
  if (value.kind === kind) return value as Extract<Json, { kind: K }>;
  const what =
    value.kind === 'boolean' ? 'boolean' : value.kind === 'number' ? 'numeric' : value.kind;
  throw sqlError('22023', `cannot cast jsonb ${what} to type ${longName(type)}`);
}

const numberIn = (value: Json, type: SqlType): Numeric | null => {
  const scalar = scalarOf(value, 'number', type);
  return scalar === null ? null : toNumeric(scalar.text);
};

const jsonCasts: readonly Cast[] = [
  cast(
    'jsonb',
    'bool',
    'explicit',
    define('to_bool(jsonb) bool', (a) => scalarOf(a, 'boolean', 'bool')?.value ?? null),
  ),
  cast(
    'jsonb',
    'numeric',
    'explicit',
    define('to_numeric(jsonb) numeric', (a) => numberIn(a, 'numeric')),
  ),
  ...INTEGERS.map((to) =>
    cast(
      'jsonb',
      to,
      'explicit',
      define(`to_${to}(jsonb) ${to}`, (a) => {
        const number = numberIn(a, to);
        return number === null ? null : roundToInteger(to, number);
      }),
    ),
  ),
  cast(
    'jsonb',
    'float8',
    'explicit',
    define('to_float8(jsonb) float8', (a) => {
      const scalar = scalarOf(a, 'number', 'float8');
      return scalar === null ? null : numericToFloat('float8', scalar.text);
    }),
  ),
];

const TYPES: readonly SqlType[] = [
  'bool',
  'int2',
  'int4',
  'int8',
  'float4',
  'float8',
  'numeric',
  'uuid',
  'bytea',
  'date',
  'timestamp',
  'timestamptz',
  'interval',
  'jsonb',
  'oid',
  '_text',
];

/** Through text: what PostgreSQL's output and input functions do. */
const textCasts: readonly Cast[] = TYPES.flatMap((type) => [
  cast(type, 'text', 'assignment', type === 'uuid' || !isNative(type) ? null : toText(type)),
  cast('text', type, 'explicit', {
    sqlName: `to_${type}`,
    name: `to_${type}_text`,
    args: ['text'],
    result: type,
    implementation: (stored: Stored) => storedFromText(type, String(stored)),
  }),
]);

function toText(type: SqlType): SqlFunction {
  return {
    sqlName: 'to_text',
    name: `to_text_${type}`,
    args: [type],
    result: 'text',
    implementation: (stored: Stored) => (stored === null ? null : textFromStored(type, stored)),
  };
}

const keyOf = (from: SqlType, to: SqlType): string => `${from}:${to}`;

const CASTS: ReadonlyMap<string, Cast> = new Map(
  [...integerCasts, ...numberCasts, ...timeCasts, ...jsonCasts, ...oidCasts, ...textCasts].map(
    (one) => [keyOf(one.from, one.to), one] as const,
  ),
);

/** Null when there is none. The same type has no cast. */
export const findCast = (from: SqlType, to: SqlType): Cast | null =>
  CASTS.get(keyOf(from, to)) ?? null;

export const castFunctions: readonly SqlFunction[] = [...CASTS.values()].flatMap(({ call }) =>
  call === null ? [] : [call],
);
