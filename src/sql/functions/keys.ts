/**
 * Keys: what values of types that SQLite cannot compare by itself are compared, sorted, grouped and joined by. Equal values
 * have one key; the order of sort keys is the order of the values.
 */
import { assert } from '../../core/assert.ts';
import type { Stored } from '../storage.ts';
import type { SqlType } from '../types.ts';
import { intervalLength } from '../values/interval.ts';
import { jsonKey } from '../values/json.ts';
import { numericKey, numericSortKey } from '../values/numeric.ts';
import { define, type SqlFunction } from './definition.ts';

/** A text whose order is that of the lengths. */
const lengthKey = (length: bigint): string => (length + 10n ** 24n).toString().padStart(25, '0');

export const keyFunctions: readonly SqlFunction[] = [
  define('equal_key(numeric) text', numericKey),
  define('equal_key(interval) text', (a) => lengthKey(intervalLength(a))),
  define('equal_key(jsonb) text', jsonKey),
  define('sort_key(numeric) text', numericSortKey),
  define('sort_key(interval) text', (a) => lengthKey(intervalLength(a))),
];

const BY_NAME: ReadonlyMap<string, SqlFunction> = new Map(
  keyFunctions.map((one) => [one.name, one] as const),
);

/** Name of the function that makes keys of values of the type; null for types that are their own key. */
export const equalKeyOf = (type: SqlType): string | null => known(`equal_key_${type}`);

/** The same for sorting. jsonb has none and is not its own: it cannot be sorted. */
export const sortKeyOf = (type: SqlType): string | null => known(`sort_key_${type}`);

const known = (name: string): string | null => (BY_NAME.has(name) ? name : null);

export function keyOf(name: string, value: Stored): Stored {
  const implementation = BY_NAME.get(name)?.implementation;
  assert(implementation != null, `there is a key ${name}`);
  return implementation(value);
}
