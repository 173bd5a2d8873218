/** What a SQLite connection must have for compiled queries to run. `src/sqlite` registers it. */
import { isSqlState, sqlError } from '../errors.ts';
import type { Stored } from '../storage.ts';
import { divideNumeric, formatNumeric, numericOf } from '../values/numeric.ts';
import { sqlAggregates as own, type SqlAggregate } from './aggregates.ts';
import { concatenate, concatenateWith, extremeOf } from './polymorphic.ts';
import { allFunctions } from './table.ts';

/** A scalar function. Whole numbers come and go as bigint; any number of arguments. */
export type RegisteredFunction = {
  readonly name: string;
  /** False: SQLite must not compute it before its turn. */
  readonly isDeterministic: boolean;
  readonly implementation: (...args: readonly Stored[]) => Stored;
};

const strict =
  (implementation: (...args: readonly Stored[]) => Stored) =>
  (...args: readonly Stored[]): Stored =>
    args.includes(null) ? null : implementation(...args);

const whole = (high: Stored, low: Stored): bigint =>
  (BigInt(high as bigint) << 32n) + BigInt(low as bigint);

function onlyRow(count: Stored, value: Stored): Stored {
  if (count === 0n || count === 1n) return value;
  throw sqlError('21000', 'more than one row returned by a subquery used as an expression');
}

function fail(code: Stored, message: Stored): never {
  const state = String(code);
  throw sqlError(isSqlState(state) ? state : 'XX000', String(message));
}

const SPECIAL: readonly RegisteredFunction[] = [
  ...(['numeric', 'interval', 'text'] as const).flatMap((type) => {
    const suffix = type === 'text' ? '' : `_${type}`;
    return [
      of(`greatest${suffix}`, (...args) => extremeOf(type, 1, args)),
      of(`least${suffix}`, (...args) => extremeOf(type, -1, args)),
    ];
  }),
  of('concat', (...args) => concatenate(args)),
  of('concat_ws', (...args) => concatenateWith(args)),
  of(
    'sum_of_halves',
    strict((high = 0n, low = 0n) => String(whole(high, low))),
  ),
  of(
    'average_of_halves',
    strict((high = 0n, low = 0n, count = 1n) =>
      formatNumeric(divideNumeric(numericOf(whole(high, low)), numericOf(BigInt(count as bigint)))),
    ),
  ),
  {
    ...of('only_row', (count = 0n, value = null) => onlyRow(count, value)),
    isDeterministic: false,
  },
  { ...of('fail', (code = null, message = null) => fail(code, message)), isDeterministic: false },
];

function of(
  name: string,
  implementation: (...args: readonly Stored[]) => Stored,
): RegisteredFunction {
  return { name: `pg_${name}`, isDeterministic: true, implementation };
}

export const sqlFunctions: readonly RegisteredFunction[] = [
  ...SPECIAL,
  ...allFunctions.flatMap(({ name, implementation }) =>
    implementation === null ? [] : [of(name, strict(implementation))],
  ),
];

export const sqlAggregates: readonly SqlAggregate[] = own.map((one) => ({
  ...one,
  name: `pg_${one.name}`,
}));
