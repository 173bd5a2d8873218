/**
 * The total order on stored values that decides between two writes of equal version, the same everywhere:
 * numbers before text before bytes before NULL, the greater wins.
 *
 * Numbers compare by their exact value (integers beyond 2^53 too), -0 below 0, NaN above all; text by its
 * UTF-8 bytes; bytes by bytes, then length.
 */
import type { Cell } from '../core/value.ts';

/** Negative, 0 or positive, as `a` is less than, equal to or greater than `b`. 0 only for the same stored value. */
export function compareCells(a: Cell, b: Cell): number {
  const byRank = rankOf(a) - rankOf(b);
  if (byRank !== 0) return byRank;
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  if (a === null || b === null) return 0;
  return compareNumbers(a as number | bigint, b as number | bigint);
}

function rankOf(cell: Cell): number {
  if (cell === null) return 0;
  if (cell instanceof Uint8Array) return 1;
  return typeof cell === 'string' ? 2 : 3;
}

/** JavaScript compares a number with a bigint exactly. */
function compareNumbers(a: number | bigint, b: number | bigint): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return place(a) - place(b);
}

/** What `<` does not tell apart: -0 from 0, and NaN from everything. */
function place(value: number | bigint): number {
  if (Number.isNaN(value)) return 1;
  return Object.is(value, -0) ? -1 : 0;
}

/** UTF-8 orders by code point. UTF-16 does too, but for surrogates, which stand for what is above all others. */
function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return codePointOrder(left) - codePointOrder(right);
  }
  return a.length - b.length;
}

function codePointOrder(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
