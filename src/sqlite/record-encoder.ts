/**
 * hot path: rows as SQLite's records, the way SQLite itself would store them: integers as short as they can be,
 * the key that is the row id as NULL.
 */
import type { Cell } from '../core/value.ts';
import type { ReplicaTable } from './replica-table.ts';
import { putVarint, varintSize } from './varint.ts';

const NULL = 0;
const INT48 = 5;
const INT64 = 6;
const FLOAT = 7;
const ZERO = 8;
const ONE = 9;
const BLOB = 12;
const TEXT = 13;
/** Bytes in UTF-8 of one UTF-16 unit, at most. */
const UNIT_BYTES_MAX = 3;
/** Bytes of a value's type, at most, and of the size of all of them. */
const TYPE_BYTES_MAX = 9;
const NUMBER_BYTES_MAX = 8;
const ROOM_BYTES = 4096;
/** Texts up to this length are written by a loop: a native call takes longer. */
const LOOP_UNITS_MAX = 16;

export class RecordEncoder {
  /** The record: `bytes[start]` to `bytes[start + size - 1]`, until the next call of `encode`. */
  bytes: Buffer;
  start = 0;
  size = 0;
  readonly #keyPosition: number;
  readonly #isFloat: Uint8Array;
  /** Values begin here; their types are written to the beginning first, then put before the values. */
  readonly #valuesAt: number;

  constructor(table: ReplicaTable) {
    const { columns } = table.definition;
    this.#keyPosition = table.rowIdPosition ?? -1;
    this.#isFloat = Uint8Array.from(columns, ({ kind }) => (kind === 'float' ? 1 : 0));
    this.#valuesAt = 2 * (columns.length + 1) * TYPE_BYTES_MAX;
    this.bytes = Buffer.alloc(this.#valuesAt + columns.length * NUMBER_BYTES_MAX + ROOM_BYTES);
  }

  encode(row: readonly Cell[]): void {
    const isFloat = this.#isFloat;
    const columns = isFloat.length;
    let bytes = this.bytes;
    let typesEnd = 0;
    let at = this.#valuesAt;
    for (let column = 0; column < columns; column += 1) {
      const cell = row[column];
      if (column === this.#keyPosition || cell === null || cell === undefined) {
        bytes[typesEnd++] = NULL;
      } else if (typeof cell === 'number') {
        if (isFloat[column] === 1) {
          bytes[typesEnd++] = FLOAT;
          at = bytes.writeDoubleBE(cell, at);
        } else {
          const type = integerType(cell);
          bytes[typesEnd++] = type;
          at = putInteger(bytes, at, cell, type);
        }
      } else if (typeof cell === 'bigint') {
        bytes[typesEnd++] = INT64;
        at = bytes.writeBigInt64BE(cell, at);
      } else {
        const isText = typeof cell === 'string';
        const sizeMax = isText ? cell.length * UNIT_BYTES_MAX : cell.length;
        bytes = this.#reserve(at, sizeMax + columns * NUMBER_BYTES_MAX);
        const size = isText ? putText(bytes, at, cell) : putBytes(bytes, at, cell);
        typesEnd = putVarint(bytes, typesEnd, (isText ? TEXT : BLOB) + 2 * size);
        at += size;
      }
    }
    this.#putTypes(typesEnd);
    this.size = at - this.start;
  }

  /** Puts the header before the values: its size, then the types. */
  #putTypes(typesSize: number): void {
    const { bytes } = this;
    const size = typesSize < 0x7f ? typesSize + 1 : typesSize + varintSize(typesSize + 2);
    this.start = this.#valuesAt - size;
    const from = putVarint(bytes, this.start, size);
    for (let index = 0; index < typesSize; index += 1) bytes[from + index] = bytes[index] ?? 0;
  }

  #reserve(at: number, extra: number): Buffer {
    if (at + extra > this.bytes.length) {
      const grown = Buffer.alloc((at + extra) * 2);
      this.bytes.copy(grown, 0, 0, at);
      this.bytes = grown;
    }
    return this.bytes;
  }
}

/** The type of the shortest integer that holds the value. */
function integerType(value: number): number {
  if (value === 0) return ZERO;
  if (value === 1) return ONE;
  const magnitude = value < 0 ? -1 - value : value;
  if (magnitude <= 0x7f) return 1;
  if (magnitude <= 0x7fff) return 2;
  if (magnitude <= 0x7f_ffff) return 3;
  if (magnitude <= 0x7fff_ffff) return 4;
  return magnitude <= 0x7fff_ffff_ffff ? INT48 : INT64;
}

/** Like the other `put` functions, writes at `at`; returns where it ends. */
function putInteger(bytes: Buffer, at: number, value: number, type: number): number {
  if (type >= ZERO) return at;
  if (type === INT48) return bytes.writeIntBE(value, at, 6);
  if (type === INT64) return bytes.writeBigInt64BE(BigInt(value), at);
  for (let index = type - 1, rest = value; index >= 0; index -= 1, rest >>= 8) {
    bytes[at + index] = rest;
  }
  return at + type;
}

/** Returns the size in bytes, as `putBytes` does. */
function putText(bytes: Buffer, at: number, cell: string): number {
  const { length } = cell;
  if (length > LOOP_UNITS_MAX) return bytes.write(cell, at);
  for (let index = 0; index < length; index += 1) {
    const unit = cell.charCodeAt(index);
    if (unit > 0x7f) return bytes.write(cell, at);
    bytes[at + index] = unit;
  }
  return length;
}

function putBytes(bytes: Buffer, at: number, cell: Uint8Array): number {
  bytes.set(cell, at);
  return cell.length;
}
