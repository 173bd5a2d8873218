/**
 * hot path: every applied row is hashed, so rows are packed into bytes by loops that are written out, many
 * rows at a time, and mixed by one call of WebAssembly (bench/perf/apply.ts, on/off).
 *
 * A row's hash covers the table's name and, for every column that is not NULL, the column's name and its cell.
 * NULL columns are left out: adding a nullable column changes no digest. docs/protocol.md defines it.
 */
import { assert } from './assert.ts';
import { hashText } from './digest.ts';
import { mixer, RECORDS_AT, TEXTS_AT, TEXTS_BYTES } from './row-mixer.ts';
import type { Cell, ValueKind } from './value.ts';

/** What a hasher must know of a table. */
export type HashedTable = {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly kind: ValueKind }[];
};

type Row = readonly Cell[];

const TAG_INTEGER = 1;
const TAG_FLOAT = 2;
const TAG_TEXT = 3;
const TAG_BYTES = 4;
/** Bytes in UTF-8 of one UTF-16 unit, at most. */
const UNIT_BYTES_MAX = 3;
/** Texts up to this length are written by a loop: a native call takes longer. */
const LOOP_UNITS_MAX = 16;
/** Words before each row's words: sizes of its texts and of its words. */
const HEAD_WORDS = 2;
/** More are not packed at once: it would gain nothing. */
const PACKED_ROWS_MAX = 100;

const words = new Int32Array(mixer.memory.buffer, 0, TEXTS_AT / 4);
const texts = Buffer.from(mixer.memory.buffer, TEXTS_AT, TEXTS_BYTES);
const float = new Float64Array(1);
const floatWords = new Int32Array(float.buffer);
const encoder = new TextEncoder();

/** Hashes rows of one table. Not re-entrant: the returned array is overwritten by the next call. */
export class RowHasher {
  readonly #seed: number;
  /** Seeds of the columns' names. */
  readonly #seeds: Int32Array;
  readonly #isFloat: Uint8Array;
  /** Rows that are packed at once, at most. */
  readonly #packedMax: number;
  readonly #sum = new Uint32Array(4);

  constructor(table: HashedTable) {
    this.#seed = hashText(table.name);
    this.#seeds = Int32Array.from(table.columns, ({ name }) => hashText(name));
    this.#isFloat = Uint8Array.from(table.columns, ({ kind }) => (kind === 'float' ? 1 : 0));
    const rowBytesMax = (HEAD_WORDS + 4 + 3 * table.columns.length) * 4;
    const fitting = Math.floor((TEXTS_AT - RECORDS_AT) / rowBytesMax);
    assert(fitting > 0, `${table.name} has fewer than 5,000 columns`);
    this.#packedMax = Math.min(PACKED_ROWS_MAX, fitting);
  }

  /** The four words of the row's hash, least significant first. Cells stand in column order. */
  hash(row: Row): Uint32Array {
    return this.sum([row], 0, 1);
  }

  /** The sum of the hashes of `rows[start]` to `rows[end - 1]`, modulo 2^128. */
  sum(rows: readonly Row[], start: number, end: number): Uint32Array {
    for (let index = 0; index < 4; index += 1) words[index] = 0;
    for (let at = start; at < end; ) {
      const count = this.#pack(rows, at, Math.min(end, at + this.#packedMax));
      if (count > 0) mixer.add(count, this.#seed, RECORDS_AT, TEXTS_AT);
      else this.#addLong(rows[at] ?? []);
      at += Math.max(count, 1);
    }
    for (let index = 0; index < 4; index += 1) this.#sum[index] = words[index] ?? 0;
    return this.#sum;
  }

  /** Packs as many rows as there is room for, and returns how many; 0 when there is not enough for one. */
  #pack(rows: readonly Row[], start: number, end: number): number {
    const seeds = this.#seeds;
    const isFloat = this.#isFloat;
    const columns = seeds.length;
    let next = RECORDS_AT / 4;
    let textsEnd = 0;
    for (let index = start; index < end; index += 1) {
      const row = rows[index] ?? [];
      const head = next;
      const textsStart = textsEnd;
      next += HEAD_WORDS;
      for (let column = 0; column < columns; column += 1) {
        const cell = row[column];
        const seed = seeds[column] ?? 0;
        if (typeof cell === 'number') {
          next = packNumber(cell, isFloat[column] === 1, seed, next);
        } else if (typeof cell === 'string') {
          if (textsEnd + cell.length * UNIT_BYTES_MAX > TEXTS_BYTES) return index - start;
          const size = writeText(cell, textsEnd);
          next = packSize(size, seed + TAG_TEXT, next);
          textsEnd += size;
        } else if (typeof cell === 'bigint') {
          next = packBigint(cell, seed, next);
        } else if (cell !== null && cell !== undefined) {
          if (textsEnd + cell.length > TEXTS_BYTES) return index - start;
          texts.set(cell, textsEnd);
          next = packSize(cell.length, seed + TAG_BYTES, next);
          textsEnd += cell.length;
        }
      }
      words[head] = textsEnd - textsStart;
      next = fillUp(head, next);
    }
    return end - start;
  }

  /** A row that there is no room for: its texts go through the memory piece by piece. */
  #addLong(row: Row): void {
    const stream = new TextStream(this.#seed);
    const head = RECORDS_AT / 4;
    let next = head + HEAD_WORDS;
    for (let column = 0; column < this.#seeds.length; column += 1) {
      const cell = row[column];
      const seed = this.#seeds[column] ?? 0;
      if (typeof cell === 'number')
        next = packNumber(cell, this.#isFloat[column] === 1, seed, next);
      else if (typeof cell === 'string') {
        next = packSize(stream.text(cell), seed + TAG_TEXT, next);
      } else if (typeof cell === 'bigint') next = packBigint(cell, seed, next);
      else if (cell !== null && cell !== undefined) {
        next = packSize(stream.bytes(cell), seed + TAG_BYTES, next);
      }
    }
    stream.finish((head + HEAD_WORDS) * 4, fillUp(head, next) * 4);
  }
}

/** Like all `pack` functions, writes from word `at` on and returns where it ends. */
function packNumber(cell: number, isFloat: boolean, seed: number, at: number): number {
  if (isFloat) {
    float[0] = cell;
    words[at] = seed + TAG_FLOAT;
    words[at + 1] = floatWords[0] ?? 0;
    words[at + 2] = floatWords[1] ?? 0;
  } else {
    words[at] = seed + TAG_INTEGER;
    words[at + 1] = cell; // modulo 2^32
    words[at + 2] = (cell | 0) === cell ? cell >> 31 : Math.floor(cell / 0x1_0000_0000);
  }
  return at + 3;
}

function packBigint(cell: bigint, seed: number, at: number): number {
  words[at] = seed + TAG_INTEGER;
  words[at + 1] = Number(BigInt.asIntN(32, cell));
  words[at + 2] = Number(BigInt.asIntN(32, cell >> 32n));
  return at + 3;
}

function packSize(size: number, tag: number, at: number): number {
  words[at] = tag;
  words[at + 1] = size;
  return at + 2;
}

/** Returns the size in bytes. Room for it must be there. */
function writeText(cell: string, at: number): number {
  const { length } = cell;
  if (length > LOOP_UNITS_MAX) return texts.write(cell, at);
  for (let index = 0; index < length; index += 1) {
    const unit = cell.charCodeAt(index);
    if (unit > 0x7f) return texts.write(cell, at);
    texts[at + index] = unit;
  }
  return length;
}

/** Writes the size of a row's words, filled up with zeros to a multiple of four; returns where they end. */
function fillUp(head: number, next: number): number {
  const size = (next - head - HEAD_WORDS + 3) & ~3;
  const end = head + HEAD_WORDS + size;
  for (let at = next; at < end; at += 1) words[at] = 0;
  words[head + 1] = size * 4;
  return end;
}

/** The texts and bytes of one row, in order. */
class TextStream {
  #state: readonly [bigint, bigint];
  /** Bytes that wait to be mixed, and bytes of the row so far. */
  #waiting = 0;
  #total = 0;

  constructor(seed32: number) {
    const seed = BigInt(seed32 >>> 0);
    this.#state = [seed, seed];
  }

  /** Returns the size in bytes, as `bytes` does. */
  text(cell: string): number {
    let size = 0;
    for (let start = 0; start < cell.length; ) {
      this.#makeRoom();
      const rest = start === 0 ? cell : cell.slice(start);
      const { read, written } = encoder.encodeInto(rest, texts.subarray(this.#waiting));
      start += read;
      size += written;
      this.#waiting += written;
    }
    this.#total += size;
    return size;
  }

  bytes(cell: Uint8Array): number {
    for (let start = 0; start < cell.length; ) {
      this.#makeRoom();
      const piece = cell.subarray(start, start + TEXTS_BYTES - this.#waiting);
      texts.set(piece, this.#waiting);
      start += piece.length;
      this.#waiting += piece.length;
    }
    this.#total += cell.length;
    return cell.length;
  }

  /** Adds the row's hash to the sum. Its words stand from `wordsAt` to `wordsEnd`, in bytes. */
  finish(wordsAt: number, wordsEnd: number): void {
    this.#absorb(TEXTS_AT, this.#waiting);
    this.#absorb(wordsAt, wordsEnd - wordsAt);
    const [low, high] = this.#state;
    mixer.finish(low, high, BigInt(Math.ceil(this.#total / 16) * 16 + wordsEnd - wordsAt));
  }

  /** Room for at least one character. */
  #makeRoom(): void {
    if (this.#waiting + 4 <= TEXTS_BYTES) return;
    const size = this.#waiting & ~15;
    this.#absorb(TEXTS_AT, size);
    texts.copyWithin(0, size, this.#waiting);
    this.#waiting -= size;
  }

  #absorb(at: number, size: number): void {
    const [low, high] = this.#state;
    this.#state = mixer.absorb(low, high, at, size);
  }
}
