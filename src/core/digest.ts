/**
 * hot path: one row is hashed for every applied change, so the loops are written out.
 *
 * The digest of a set of rows: the sum modulo 2^128 of one 128-bit hash per row, plus the number of rows.
 * Addition (not XOR) so that pairs do not cancel; additive so that a replica keeps it up to date
 * change by change, and anybody can recompute it by a full scan, in any order.
 *
 * A row's hash covers the table's name and, for every column that is not NULL, the column's name and its cell.
 * NULL columns are left out: adding a nullable column changes no digest. The mixing is MurmurHash3 x86 128
 * (Austin Appleby, public domain) over 32-bit words: it detects errors, it does not resist an adversary.
 */
import type { Cell, ValueKind } from './value.ts';

/** A running sum. `rows` and the four words (least significant first) change in place. */
export class Digest {
  readonly words: Uint32Array = new Uint32Array(4);
  rows = 0;

  add(hash: Uint32Array): void {
    this.#combine(hash, 1);
    this.rows += 1;
  }

  remove(hash: Uint32Array): void {
    this.#combine(hash, -1);
    this.rows -= 1;
  }

  /** Adds another digest (for example one selector's) to this one. */
  merge(other: Digest): void {
    this.#combine(other.words, 1);
    this.rows += other.rows;
  }

  /** 32 hexadecimal digits, most significant first. */
  get hex(): string {
    return Array.from(this.words, (word) => word.toString(16).padStart(8, '0'))
      .reverse()
      .join('');
  }

  equals(other: Digest): boolean {
    return this.rows === other.rows && this.hex === other.hex;
  }

  static parse(hex: string, rows: number): Digest {
    const digest = new Digest();
    for (let index = 0; index < 4; index += 1) {
      digest.words[3 - index] = Number.parseInt(hex.slice(index * 8, index * 8 + 8), 16);
    }
    digest.rows = rows;
    return digest;
  }

  #combine(hash: Uint32Array, sign: 1 | -1): void {
    let carry = 0;
    for (let index = 0; index < 4; index += 1) {
      const sum = (this.words[index] ?? 0) + sign * (hash[index] ?? 0) + carry;
      this.words[index] = sum; // modulo 2^32 by the array's type
      carry = Math.floor(sum / 0x1_0000_0000);
    }
  }
}

/** What a hasher must know of a table. */
export type HashedTable = {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly kind: ValueKind }[];
};

const TAG_INTEGER = 1;
const TAG_FLOAT = 2;
const TAG_TEXT = 3;
const TAG_BYTES = 4;
/** Texts up to this length are packed by a loop. */
const ASCII_LOOP_MAX = 24;

/** Hashes rows of one table. Not re-entrant: the returned array is overwritten by the next call. */
export class RowHasher {
  readonly #seed: number;
  readonly #columns: readonly { readonly seed: number; readonly isFloat: boolean }[];
  readonly #out = new Uint32Array(4);
  readonly #float = new Float64Array(1);
  readonly #floatWords = new Int32Array(this.#float.buffer);
  readonly #encoder = new TextEncoder();
  #words = new Int32Array(1024);
  #bytes = new Uint8Array(this.#words.buffer);
  #count = 0;

  constructor(table: HashedTable) {
    this.#seed = hashText(table.name);
    this.#columns = table.columns.map((column) => ({
      seed: hashText(column.name),
      isFloat: column.kind === 'float',
    }));
  }

  /** The four words of the row's hash. Cells stand in column order. */
  hash(row: readonly Cell[]): Uint32Array {
    this.#count = 0;
    for (let index = 0; index < this.#columns.length; index += 1) {
      const cell = row[index];
      if (cell === null || cell === undefined) continue;
      const column = this.#columns[index];
      if (column === undefined) continue;
      this.#reserve(16);
      this.#words[this.#count++] = column.seed;
      if (typeof cell === 'number') this.#number(cell, column.isFloat);
      else if (typeof cell === 'string') this.#text(cell);
      else if (typeof cell === 'bigint') this.#bigint(cell);
      else this.#blob(cell);
    }
    murmur3(this.#words, this.#count, this.#seed, this.#out);
    return this.#out;
  }

  #number(cell: number, isFloat: boolean): void {
    const words = this.#words;
    if (isFloat) {
      this.#float[0] = cell;
      words[this.#count++] = TAG_FLOAT;
      words[this.#count++] = this.#floatWords[0] ?? 0;
      words[this.#count++] = this.#floatWords[1] ?? 0;
    } else {
      words[this.#count++] = TAG_INTEGER;
      words[this.#count++] = cell; // modulo 2^32
      words[this.#count++] = Math.floor(cell / 0x1_0000_0000);
    }
  }

  #bigint(cell: bigint): void {
    this.#words[this.#count++] = TAG_INTEGER;
    this.#words[this.#count++] = Number(BigInt.asIntN(32, cell));
    this.#words[this.#count++] = Number(BigInt.asIntN(32, cell >> 32n));
  }

  /** Length in bytes and the UTF-8 bytes, padded with zeros to whole words. */
  #text(cell: string): void {
    const start = this.#count + 2;
    this.#reserve((cell.length * 3) / 4 + 4);
    const size = this.#ascii(cell, start) ?? this.#encode(cell, start);
    this.#words[this.#count] = TAG_TEXT;
    this.#words[this.#count + 1] = size;
    this.#count = start + ((size + 3) >> 2);
  }

  /** Short plain text is packed faster than a native call takes. Undefined when it is not. */
  #ascii(cell: string, start: number): number | undefined {
    const { length } = cell;
    if (length > ASCII_LOOP_MAX) return undefined;
    const words = this.#words;
    let word = 0;
    for (let index = 0; index < length; index += 1) {
      const unit = cell.charCodeAt(index);
      if (unit > 0x7f) return undefined;
      word |= unit << ((index & 3) << 3);
      if ((index & 3) === 3) {
        words[start + (index >> 2)] = word;
        word = 0;
      }
    }
    if ((length & 3) !== 0) words[start + (length >> 2)] = word;
    return length;
  }

  #encode(cell: string, start: number): number {
    const { written } = this.#encoder.encodeInto(cell, this.#bytes.subarray(start * 4));
    for (let at = start * 4 + written; (at & 3) !== 0; at += 1) this.#bytes[at] = 0;
    return written;
  }

  #blob(cell: Uint8Array): void {
    this.#reserve(cell.length / 4 + 4);
    const words = this.#words;
    let count = this.#count;
    words[count++] = TAG_BYTES;
    words[count++] = cell.length;
    for (let index = 0; index < cell.length; index += 4) {
      words[count++] =
        (cell[index] ?? 0) |
        ((cell[index + 1] ?? 0) << 8) |
        ((cell[index + 2] ?? 0) << 16) |
        ((cell[index + 3] ?? 0) << 24);
    }
    this.#count = count;
  }

  #reserve(extra: number): void {
    if (this.#count + extra <= this.#words.length) return;
    const grown = new Int32Array(Math.ceil((this.#count + extra) * 2));
    grown.set(this.#words.subarray(0, this.#count));
    this.#words = grown;
    this.#bytes = new Uint8Array(grown.buffer);
  }
}

/** FNV-1a over UTF-16 units, finished with a mix: seeds for names. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return finish(hash);
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

function finish(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

function murmur3(words: Int32Array, count: number, seed: number, out: Uint32Array): void {
  let h1 = seed;
  let h2 = seed;
  let h3 = seed;
  let h4 = seed;
  // The last block is padded with zero words; `#reserve` leaves room for them.
  words[count] = 0;
  words[count + 1] = 0;
  words[count + 2] = 0;
  for (let index = 0; index < count; index += 4) {
    h1 ^= Math.imul(rotate(Math.imul(words[index] ?? 0, C1), 15), C2);
    h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotate(Math.imul(words[index + 1] ?? 0, C2), 16), C3);
    h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotate(Math.imul(words[index + 2] ?? 0, C3), 17), C4);
    h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotate(Math.imul(words[index + 3] ?? 0, C4), 18), C1);
    h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
  }
  h1 ^= count * 4;
  h2 ^= count * 4;
  h3 ^= count * 4;
  h4 ^= count * 4;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = finish(h1);
  h2 = finish(h2);
  h3 = finish(h3);
  h4 = finish(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  out[0] = h1;
  out[1] = h2 + h1;
  out[2] = h3 + h1;
  out[3] = h4 + h1;
}
