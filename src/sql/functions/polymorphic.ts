/**
 * Calls that take any type: comparisons, and functions that look at NULL themselves. Their arguments are of one type
 * each (the binder has cast them).
 */
import { compareNative } from '../native-order.ts';
import type { Stored } from '../storage.ts';
import type { SqlType } from '../types.ts';
import { equalKeyOf, keyOf, sortKeyOf } from './keys.ts';

export type ComparisonName = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';

const COMPARISONS: Readonly<Record<ComparisonName, (order: number) => boolean>> = {
  eq: (order) => order === 0,
  ne: (order) => order !== 0,
  lt: (order) => order < 0,
  le: (order) => order <= 0,
  gt: (order) => order > 0,
  ge: (order) => order >= 0,
};

export const isComparison = (name: string): name is ComparisonName =>
  Object.hasOwn(COMPARISONS, name);

/** Of two values of one type, neither NULL: below zero when `a` comes first. */
export function compareStored(type: SqlType, a: Stored, b: Stored): number {
  const key = sortKeyOf(type) ?? equalKeyOf(type);
  return key === null ? compareNative(a, b) : compareNative(keyOf(key, a), keyOf(key, b));
}

/** The greatest or least of the values that are not NULL. */
export function extremeOf(type: SqlType, sign: 1 | -1, values: readonly Stored[]): Stored {
  return values.reduce((best, value) => {
    if (value === null || best === null) return best ?? value;
    return compareStored(type, value, best) * sign > 0 ? value : best;
  }, null);
}

export const concatenate = (values: readonly Stored[]): string =>
  values.filter((value) => value !== null).join('');

export function concatenateWith([separator = null, ...values]: readonly Stored[]): Stored {
  return separator === null
    ? null
    : values.filter((value) => value !== null).join(String(separator));
}

/** Names of the calls that are not in the table of functions. */
export const POLYMORPHIC: ReadonlySet<string> = new Set([
  ...Object.keys(COMPARISONS),
  'distinct',
  'greatest',
  'least',
  'concat',
  'concat_ws',
]);

export function callPolymorphic(name: string, type: SqlType, values: readonly Stored[]): Stored {
  const [a = null, b = null] = values;
  switch (name) {
    case 'distinct':
      return areDistinct(type, a, b) ? 1n : 0n;
    case 'greatest':
      return extremeOf(type, 1, values);
    case 'least':
      return extremeOf(type, -1, values);
    case 'concat':
      return concatenate(values);
    case 'concat_ws':
      return concatenateWith(values);
    default:
      if (a === null || b === null || !isComparison(name)) return null;
      return COMPARISONS[name](compareStored(type, a, b)) ? 1n : 0n;
  }
}

function areDistinct(type: SqlType, a: Stored, b: Stored): boolean {
  if (a === null || b === null) return a !== b;
  return compareStored(type, a, b) !== 0;
}
