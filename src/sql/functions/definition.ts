/**
 * How a function is declared: its signature as PostgreSQL would write it, and what it does. Implementations get and give
 * values in their natural form (`Value`); here they are turned from and into what SQLite holds.
 */
import { type Stored, storedFloat } from '../storage.ts';
import type { SqlType } from '../types.ts';
import { formatInterval, type Interval, parseInterval } from '../values/interval.ts';
import { formatJson, type Json, parseJson } from '../values/json.ts';
import { formatNumeric, type Numeric, toNumeric } from '../values/numeric.ts';

/** The natural form of a value. Dates are days, timestamps microseconds. */
type Natural = {
  bool: boolean;
  int2: bigint;
  int4: bigint;
  int8: bigint;
  float4: number;
  float8: number;
  numeric: Numeric;
  text: string;
  uuid: string;
  bytea: Uint8Array;
  date: bigint;
  timestamp: bigint;
  timestamptz: bigint;
  interval: Interval;
  jsonb: Json;
  oid: bigint;
  _text: string;
  unknown: string;
};

type Values<List> = List extends `${infer First extends SqlType}, ${infer Rest}`
  ? [Natural[First], ...Values<Rest>]
  : List extends SqlType
    ? [Natural[List]]
    : [];

type Args<S> = S extends `${string}(${infer List}) ${string}` ? Values<List> : never;
type Result<S> = S extends `${string}(${string}) ${infer R extends SqlType}` ? Natural[R] : never;

/** A function as it is found and called. Any NULL among its arguments gives NULL, without a call. */
export type SqlFunction = {
  /** As SQL names it: `lower`, `+`. */
  readonly sqlName: string;
  /** As plans and SQLite name it: `lower_text`, `add_int4_int4`. One of a kind. */
  readonly name: string;
  readonly args: readonly SqlType[];
  readonly result: SqlType;
  /** Of stored values, none of which is NULL. Null for what PostgreSQL has and we do not: a call is refused. */
  readonly implementation: ((...args: readonly Stored[]) => Stored) | null;
};

const WORDS: ReadonlyMap<string, string> = new Map([
  ['+', 'add'],
  ['-', 'subtract'],
  ['*', 'multiply'],
  ['/', 'divide'],
  ['%', 'remainder'],
  ['^', 'power_operator'],
  ['@', 'absolute'],
  ['||', 'concatenate'],
  ['&', 'bit_and_operator'],
  ['|', 'bit_or_operator'],
  ['#', 'bit_xor_operator'],
  ['~', 'bit_not_operator'],
  ['<<', 'shift_left'],
  ['>>', 'shift_right'],
  ['~~', 'like_operator'],
  ['!~~', 'not_like_operator'],
  ['~~*', 'ilike_operator'],
  ['!~~*', 'not_ilike_operator'],
  ['!~', 'not_match_operator'],
  ['~*', 'imatch_operator'],
  ['!~*', 'not_imatch_operator'],
  ['^@', 'starts_with_operator'],
  ['->', 'json_member'],
  ['->>', 'json_member_text'],
  ['?', 'json_has'],
]);

/** Declares a function. `signature`: `left(text, int4) text`. */
export function define<const S extends string>(
  signature: S,
  implementation: (...args: Args<S>) => Result<S> | null,
): SqlFunction {
  const head = headOf(signature);
  const run = implementation as (...args: readonly unknown[]) => unknown;
  const decoders = head.args.map(decoderOf);
  const encode = encoderOf(head.result);
  const isPlain = decoders.every((decode) => decode === null);
  return {
    ...head,
    implementation: isPlain
      ? (...args) => encode(run(...args))
      : (...args) => encode(run(...args.map((arg, index) => decoders[index]?.(arg) ?? arg))),
  };
}

/** Declares what PostgreSQL has and we do not, so that it is refused instead of resolved to something else. */
export function refuseFunction(signature: string): SqlFunction {
  return { ...headOf(signature), implementation: null };
}

function headOf(signature: string): Omit<SqlFunction, 'implementation'> {
  const match = /^(\S+)\((.*)\) (\w+)$/.exec(signature);
  const [, sqlName = '', list = '', result = ''] = match ?? [];
  const args = list === '' ? [] : list.split(', ');
  const name = [WORDS.get(sqlName) ?? sqlName, ...args].join('_');
  return { sqlName, name, args: args as SqlType[], result: result as SqlType };
}

/** Null where the stored form is the natural one. */
function decoderOf(type: SqlType): ((stored: Stored) => unknown) | null {
  switch (type) {
    case 'bool':
      return (stored) => stored !== 0n;
    case 'float4':
    case 'float8':
      return Number;
    case 'numeric':
      return (stored) => toNumeric(String(stored));
    case 'interval':
      return (stored) => parseInterval(String(stored));
    case 'jsonb':
      return (stored) => parseJson(String(stored));
    default:
      return null;
  }
}

function encoderOf(type: SqlType): (value: unknown) => Stored {
  const encode = plainEncoderOf(type);
  return (value) => (value === null ? null : encode(value));
}

function plainEncoderOf(type: SqlType): (value: unknown) => Stored {
  switch (type) {
    case 'bool':
      return (value) => (value === true ? 1n : 0n);
    case 'float4':
    case 'float8':
      return (value) => storedFloat(value as number);
    case 'numeric':
      return (value) => formatNumeric(value as Numeric);
    case 'interval':
      return (value) => formatInterval(value as Interval);
    case 'jsonb':
      return (value) => formatJson(value as Json);
    default:
      return (value) => value as Stored;
  }
}
