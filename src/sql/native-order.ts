/** The order in which SQLite puts stored values, without PostgreSQL's types. */
import type { Stored } from './storage.ts';
import { compareBytes } from './values/bytes.ts';
import { compareText } from './values/json.ts';

/** NULL, then numbers, then text, then bytes. */
export function compareNative(a: Stored, b: Stored): number {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  const [left, right] = [classOf(a), classOf(b)];
  if (left !== right) return left - right;
  if (a === b || a === null || b === null) return 0;
  return a < b ? -1 : a > b ? 1 : 0;
}

function classOf(value: Stored): number {
  if (value === null) return 0;
  if (typeof value === 'bigint' || typeof value === 'number') return 1;
  return typeof value === 'string' ? 2 : 3;
}
