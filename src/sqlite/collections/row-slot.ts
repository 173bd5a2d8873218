/**
 * hot path: where a row stands in its collection, computed for every row that changes.
 *
 * A slot is a rowid: 32 bits from the key, 20 from the whole row, the last three zero. Rows that meet in a slot
 * take one of the seven places behind it. A key that is one integer of 32 bits is taken as it is: versions of a row
 * stand side by side and a table filled in order is written in order (measured: a third of the pages that
 * scattered rows dirty).
 */
import type { Stored } from '../../sql/storage.ts';

export type CellRow = readonly Stored[];

/** Places of one slot. */
export const PLACES = 8;
const ROW_BITS = 2 ** 20;
const INT32 = 2 ** 31;

/** Reads floats as the bits that they are. */
const float = new Float64Array(1);
const floatBits = new Int32Array(float.buffer);

/** The slot of a row. `key` are the positions of the key's columns; empty when there is none. */
export function slotOf(row: CellRow, key: readonly number[]): number {
  const inRow = (mixAll(row, null) >>> 12) & ~(PLACES - 1);
  return keySlot(key.length === 0 ? row : key.map((position) => row[position] ?? null)) + inRow;
}

/** The first slot of all rows with this key; `keySlots` more may have it. */
export function keySlot(key: CellRow): number {
  const only = key.length === 1 ? key[0] : null;
  const isSmall = typeof only === 'number' || typeof only === 'bigint';
  const value = isSmall ? Number(only) : 0;
  if (isSmall && Number.isInteger(value) && value >= -INT32 && value < INT32)
    return value * ROW_BITS;
  return (mixAll(key, KEY_SEED) | 0) * ROW_BITS;
}

export const KEY_SLOTS = ROW_BITS;
const KEY_SEED = 0x3c6ef372;

function mixAll(row: CellRow, seed: number | null): number {
  let state = seed ?? 0x12345671;
  for (let index = 0; index < row.length; index += 1) state = mixCell(state, row[index] ?? null);
  state ^= state >>> 16;
  state = Math.imul(state, 0x85ebca6b);
  state ^= state >>> 13;
  state = Math.imul(state, 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}

/** Equal cells mix equally: 5 and 5n are one. */
function mixCell(state: number, cell: Stored): number {
  if (cell === null) return mix(state, 0x4e);
  if (typeof cell === 'string') return mixText(state, cell);
  if (typeof cell === 'object') {
    let mixed = mix(state, cell.length);
    for (const byte of cell) mixed = mix(mixed, byte);
    return mixed;
  }
  float[0] = Number(cell) + 0;
  return mix(mix(state, floatBits[0] ?? 0), floatBits[1] ?? 0);
}

function mixText(state: number, text: string): number {
  let mixed = mix(state, text.length);
  for (let index = 0; index < text.length; index += 1) mixed = mix(mixed, text.charCodeAt(index));
  return mixed;
}

function mix(state: number, word: number): number {
  const mixed = Math.imul(state ^ word, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** True when both rows hold the same cells, NULL being one. */
export function areSame(left: CellRow, right: CellRow): boolean {
  return left.every((cell, index) => isSame(cell, right[index] ?? null));
}

function isSame(left: Stored, right: Stored): boolean {
  if (left instanceof Uint8Array) {
    return right instanceof Uint8Array && Buffer.compare(left, right) === 0;
  }
  if (left === null || right === null || right instanceof Uint8Array) return left === right;
  if (typeof left === 'string' || typeof right === 'string') return left === right;
  return !(left < right) && !(left > right); // also of a number and a bigint
}
