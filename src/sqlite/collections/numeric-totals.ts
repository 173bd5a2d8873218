/** Exact sums of numerics for kept groups: `w` times a value, and the average of totals. */
import { assert } from '../../core/assert.ts';
import { notSupported } from '../../sql/errors.ts';
import {
  addNumeric,
  divideNumeric,
  formatNumeric,
  multiplyNumeric,
  type Numeric,
  numericOf,
  toNumeric,
} from '../../sql/values/numeric.ts';
import type { FunctionSql } from '../sql.ts';

type State = { total: Numeric | null; count: bigint };

const FORM = { deterministic: true, useBigIntArguments: true } as const;

export function addNumericTotals(sql: FunctionSql): void {
  sql.function('tidelock_scale', FORM, (value) => BigInt(finite(value).scale));
  sql.function('tidelock_plus', FORM, (left, right) =>
    formatNumeric(addNumeric(finite(left), finite(right))),
  );
  sql.aggregate('tidelock_total', {
    start: () => newState() as never,
    step: (state, weight, value) =>
      add(state as unknown as State, multiplyNumeric(numericOf(whole(weight)), finite(value)), 0n),
    result: (state) => textOf(state as unknown as State, (total) => total),
    useBigIntArguments: true,
  });
  sql.aggregate('tidelock_average', {
    start: () => newState() as never,
    step: (state, total, count) => add(state as unknown as State, finite(total), whole(count)),
    result: (state) =>
      textOf(state as unknown as State, (total, count) => divideNumeric(total, numericOf(count))),
    useBigIntArguments: true,
  });
}

const newState = (): State => ({ total: null, count: 0n });

function add(state: State, value: Numeric, count: bigint): never {
  state.total = state.total === null ? value : addNumeric(state.total, value);
  state.count += count;
  return state as never;
}

function textOf(
  { total, count }: State,
  result: (total: Numeric, count: bigint) => Numeric,
): string | null {
  return total === null ? null : formatNumeric(result(total, count));
}

/** NaN and infinities cannot be taken out of a sum again: such a view is computed when it is read. */
function finite(value: unknown): Extract<Numeric, { kind: 'finite' }> {
  const numeric = toNumeric(String(value));
  if (numeric.kind !== 'finite') throw notSupported('keeping a sum of NaN or infinity');
  return numeric;
}

function whole(value: unknown): bigint {
  assert(typeof value === 'bigint', 'a count is a whole number');
  return value;
}
