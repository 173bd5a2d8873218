/**
 * Computes expressions without SQLite: constants, `AS OF` times, rows of VALUES, and, given a row, whatever has no
 * subquery. The same functions as in SQLite, over the same stored values.
 */
import { assert, unreachable } from '../core/assert.ts';
import { notSupported, sqlError } from './errors.ts';
import { findCast } from './functions/casts.ts';
import { callPolymorphic, POLYMORPHIC } from './functions/polymorphic.ts';
import { functionOf } from './functions/table.ts';
import type { Expression } from './plan.ts';
import { fromStored, type Stored, toStored } from './storage.ts';
import type { SqlValue } from './types.ts';
import { UNIX_EPOCH_MICROS } from './values/datetime.ts';

/** What an expression may look at. What is left out must not be asked for. */
export type Environment = {
  /** Stored values of the row that columns mean. */
  readonly row?: readonly Stored[];
  /** The wall clock, in milliseconds since 1970. */
  readonly now?: number;
  /** The time at which the query reads; text where it is beyond all numbers. */
  readonly time?: number | bigint;
  /** Stored values of `$1`, `$2`, ... */
  readonly parameters?: readonly Stored[];
};

/** A value in its memory form. Throws `SqlError` as SQL would. */
export function evaluate(expression: Expression, environment: Environment): SqlValue {
  return fromStored(expression.type, evaluateStored(expression, environment));
}

export function evaluateStored(expression: Expression, environment: Environment): Stored {
  switch (expression.kind) {
    case 'constant':
      return toStored(expression.type, expression.value);
    case 'column':
      return columnOf(expression.index, environment);
    case 'parameter':
      return environment.parameters?.[expression.number - 1] ?? null;
    case 'call':
      return evaluateCall(expression.name, expression.args, environment);
    case 'and':
    case 'or':
      return evaluateConnective(expression, environment);
    case 'not': {
      const value = evaluateStored(expression.arg, environment);
      return value === null ? null : value === 0n ? 1n : 0n;
    }
    case 'isNull':
      return evaluateStored(expression.arg, environment) === null ? 1n : 0n;
    case 'case': {
      const branch = expression.branches.find(
        ({ when }) => evaluateStored(when, environment) === 1n,
      );
      return evaluateStored(branch?.result ?? expression.otherwise, environment);
    }
    case 'cast':
      return evaluateCast(expression, environment);
    case 'logicalTimestamp':
      assert(environment.time !== undefined, 'the time of the query is known');
      return String(environment.time);
    case 'now':
      assert(environment.now !== undefined, 'the clock of the query is known');
      return storedNow(environment.now);
    case 'outer':
    case 'exists':
    case 'scalar':
    case 'in':
      throw notSupported('a subquery here');
    default:
      return unreachable(expression);
  }
}

/** Milliseconds since 1970 as a stored timestamp. */
const storedNow = (nowMs: number): bigint => BigInt(Math.round(nowMs * 1000)) + UNIX_EPOCH_MICROS;

function columnOf(index: number, { row }: Environment): Stored {
  const value = row?.[index];
  if (value === undefined) throw sqlError('0A000', 'columns cannot be used here');
  return value;
}

function evaluateCall(name: string, args: readonly Expression[], environment: Environment): Stored {
  const values = args.map((arg) => evaluateStored(arg, environment));
  if (POLYMORPHIC.has(name)) return callPolymorphic(name, args[0]?.type ?? 'text', values);
  if (values.includes(null)) return null;
  const implementation = functionOf(name)?.implementation;
  assert(implementation != null, `there is a function ${name}`);
  return implementation(...values);
}

function evaluateConnective(
  { kind, args }: Extract<Expression, { kind: 'and' | 'or' }>,
  environment: Environment,
): Stored {
  const deciding = kind === 'and' ? 0n : 1n;
  let result: Stored = 1n - deciding;
  for (const arg of args) {
    const value = evaluateStored(arg, environment);
    if (value === deciding) return deciding;
    if (value === null) result = null;
  }
  return result;
}

function evaluateCast(
  { arg, type }: Extract<Expression, { kind: 'cast' }>,
  environment: Environment,
): Stored {
  const value = evaluateStored(arg, environment);
  if (value === null || arg.type === type) return value;
  const cast = findCast(arg.type, type);
  assert(cast !== null, `there is a cast from ${arg.type} to ${type}`);
  return cast.call?.implementation ? cast.call.implementation(value) : value;
}
