/** Aggregates that SQLite does not have, or not exactly. */

import { sqlError } from '../errors.ts';
import { type Stored, storedFloat } from '../storage.ts';
import type { SqlType } from '../types.ts';
import { formatArray } from '../values/array.ts';
import { toFloat } from '../values/float.ts';
import {
  addInterval,
  checkInterval,
  formatInterval,
  type Interval,
  parseInterval,
} from '../values/interval.ts';
import { compareText } from '../values/json.ts';
import {
  addNumeric,
  divideNumeric,
  formatNumeric,
  type Numeric,
  numericOf,
  toNumeric,
} from '../values/numeric.ts';
import { keyOf } from './keys.ts';
import { compareStored } from './polymorphic.ts';

/** An aggregate as SQLite takes it: `step` changes the state. NULL arguments are left out by itself. */
export type SqlAggregate = {
  readonly name: string;
  readonly start: () => State;
  readonly step: (state: State, values: readonly Stored[]) => void;
  readonly result: (state: State) => Stored;
};

/** `seen`: keys, of DISTINCT. */
type State = { count: bigint; total: unknown; readonly seen: Set<Stored> };

const start = (): State => ({ count: 0n, total: null, seen: new Set() });

type Folding<T> = {
  readonly read: (stored: Stored) => T;
  readonly add: (total: T, value: T) => T;
  readonly result: (total: T, count: bigint) => Stored;
};

/** NULL of nothing. */
function folding<T>(name: string, { read, add, result }: Folding<T>): SqlAggregate {
  return {
    name,
    start,
    step: (state, [value = null]) => {
      if (value === null) return;
      const next = read(value);
      state.total = state.count === 0n ? next : add(state.total as T, next);
      state.count++;
    },
    result: (state) => (state.count === 0n ? null : result(state.total as T, state.count)),
  };
}

/** Takes each value once; `keyName` tells which are equal. */
function distinct(aggregate: SqlAggregate, keyName: string): SqlAggregate {
  return {
    ...aggregate,
    name: `${aggregate.name}_distinct`,
    step: (state, values) => {
      const [value = null] = values;
      if (value === null) return;
      const key = keyOf(keyName, value);
      if (state.seen.has(key)) return;
      state.seen.add(key);
      aggregate.step(state, values);
    },
  };
}

const average = (total: Numeric, count: bigint): string =>
  formatNumeric(divideNumeric(total, numericOf(count)));

const readNumeric = (stored: Stored): Numeric => toNumeric(String(stored));
const readInteger = (stored: Stored): Numeric => numericOf(BigInt(stored as bigint));

const numeric = (name: string, read: (stored: Stored) => Numeric): readonly SqlAggregate[] => [
  folding(`sum_${name}`, { read, add: addNumeric, result: formatNumeric }),
  folding(`avg_${name}`, { read, add: addNumeric, result: average }),
];

function checkedSum(type: 'float4' | 'float8'): (total: number, value: number) => number {
  return (total, value) => {
    const sum = toFloat(type, total + value);
    if (!Number.isFinite(sum) && Number.isFinite(total) && Number.isFinite(value)) {
      throw sqlError('22003', 'value out of range: overflow');
    }
    return sum;
  };
}

const floats: readonly SqlAggregate[] = (['float4', 'float8'] as const).flatMap((type) => [
  folding(`sum_${type}`, { read: Number, add: checkedSum(type), result: storedFloat }),
  folding(`avg_${type}`, {
    read: Number,
    add: checkedSum('float8'),
    result: (total, count) => storedFloat(total / Number(count)),
  }),
]);

const sumInterval = folding<Interval>('sum_interval', {
  read: (stored) => parseInterval(String(stored)),
  add: (total, value) => checkInterval(addInterval(total, value)),
  result: formatInterval,
});

const extremes = (type: SqlType): readonly SqlAggregate[] =>
  (['min', 'max'] as const).map((name) => {
    const sign = name === 'min' ? -1 : 1;
    const better = (a: Stored, b: Stored): Stored => (compareStored(type, b, a) * sign > 0 ? b : a);
    return folding<Stored>(`${name}_${type}`, {
      read: (one) => one,
      add: better,
      result: (one) => one,
    });
  });

/** The values come in their order. */
const stringAggregate: SqlAggregate = {
  name: 'string_agg',
  start,
  step: (state, [text = null, separator = null]) => {
    if (text === null) return;
    state.total = state.count === 0n ? text : `${String(state.total)}${separator ?? ''}${text}`;
    state.count++;
  },
  result: ({ total }) => total as Stored,
};

/** NULL is an element too; of no rows there is no array. */
const arrayAggregate: SqlAggregate = {
  name: 'array_agg',
  start,
  step: (state, [text = null]) => {
    const elements = (state.total as (string | null)[] | null) ?? [];
    elements.push(text === null ? null : String(text));
    state.total = elements;
  },
  result: ({ total }) => (total === null ? null : formatArray(total as (string | null)[])),
};

/** Each text once, sorted. The separator is that of the texts; PostgreSQL wants it constant. */
const distinctTexts = (name: string, sign: 1 | -1): SqlAggregate => ({
  name,
  start,
  step: (state, [text = null, separator = null]) => {
    if (text === null) return;
    state.seen.add(text);
    state.total = separator;
  },
  result: ({ seen, total }) =>
    seen.size === 0
      ? null
      : [...seen]
          .map(String)
          .sort((a, b) => compareText(a, b) * sign)
          .join(total === null ? '' : String(total)),
});

const keyed = (aggregates: readonly SqlAggregate[], key: string): readonly SqlAggregate[] =>
  aggregates.flatMap((one) => [one, distinct(one, key)]);

export const sqlAggregates: readonly SqlAggregate[] = [
  ...keyed([...numeric('numeric', readNumeric), ...extremes('numeric')], 'equal_key_numeric'),
  ...keyed([sumInterval, ...extremes('interval')], 'equal_key_interval'),
  ...numeric('int8', readInteger),
  ...floats,
  stringAggregate,
  arrayAggregate,
  distinctTexts('string_agg_distinct', 1),
  distinctTexts('string_agg_distinct_desc', -1),
];
