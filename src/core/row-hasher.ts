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
/** UTF-16 units whose UTF-8 fits in any case. */
const UNITS_MAX = TEXTS_BYTES / 3;
/** Words before each row's words: sizes of its texts and of its words. */
const HEAD_WORDS = 2;
/** More are not packed at once: it would gain nothing. */
const PACKED_ROWS_MAX = 100;

const words = new Int32Array(mixer.memory.buffer, 0, TEXTS_AT / 4);
const texts = new Uint8Array(mixer.memory.buffer, TEXTS_AT, TEXTS_BYTES);
/** For each packed text, where its size stands and where its row begins. */
const sizes = new Int32Array(TEXTS_AT / 8);
const heads = new Int32Array(TEXTS_AT / 8);
const float = new Float64Array(1);
const floatWords = new Int32Array(float.buffer);
const encoder = new TextEncoder();

/** Hashes rows of one table. Not re-entrant: the returned array is overwritten by the next call. */
export class RowHasher {
  readonly #seed: number;
  /** Seeds of the columns' names. */
  readonly #seeds: Int32Array;
  readonly #isFloat: readonly boolean[];
  /** Rows that are packed at once, at most. */
  readonly #packedMax: number;
  readonly #sum = new Uint32Array(4);
  #text = '';
  #textCount = 0;

  constructor(table: HashedTable) {
    this.#seed = hashText(table.name);
    this.#seeds = Int32Array.from(table.columns, ({ name }) => hashText(name));
    this.#isFloat = table.columns.map(({ kind }) => kind === 'float');
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
      const next = at + Math.max(count, 1);
      if (count > 0 && this.#encode()) mixer.add(count, this.#seed, RECORDS_AT, TEXTS_AT);
      else for (; at < next; at += 1) this.#addAlone(rows[at] ?? []);
      at = next;
    }
    for (let index = 0; index < 4; index += 1) this.#sum[index] = words[index] ?? 0;
    return this.#sum;
  }

  /**
   * Packs the words of as many rows as can be packed, as if their texts were ASCII, whose size in bytes is
   * known before it is encoded. Returns how many. Their texts are collected in `#text`.
   */
  #pack(rows: readonly Row[], start: number, end: number): number {
    const seeds = this.#seeds;
    const columns = seeds.length;
    let text = '';
    let textCount = 0;
    let next = RECORDS_AT / 4;
    let index = start;
    for (; index < end; index += 1) {
      const row = rows[index] ?? [];
      const head = next;
      const keptText = text;
      const keptCount = textCount;
      let isPacked = true;
      let units = 0;
      next += HEAD_WORDS;
      for (let column = 0; column < columns; column += 1) {
        const cell = row[column];
        if (typeof cell === 'number') next = this.#packNumber(cell, column, next);
        else if (typeof cell === 'string') {
          words[next] = (seeds[column] ?? 0) + TAG_TEXT;
          words[next + 1] = cell.length;
          sizes[textCount] = next + 1;
          heads[textCount] = head;
          textCount += 1;
          units += cell.length;
          text += cell;
          next += 2;
        } else if (typeof cell === 'bigint') next = this.#packBigint(cell, column, next);
        else if (cell !== null && cell !== undefined) isPacked = false;
      }
      if (!isPacked || text.length > UNITS_MAX) {
        text = keptText;
        textCount = keptCount;
        break;
      }
      words[head] = units;
      next = fillUp(head, next);
    }
    this.#text = text;
    this.#textCount = textCount;
    return index - start;
  }

  /** Encodes the collected texts. False when their sizes cannot be found out. */
  #encode(): boolean {
    const { length } = this.#text;
    return (
      length === 0 || encoder.encodeInto(this.#text, texts).written === length || this.#measure()
    );
  }

  /** There is more than ASCII: puts right the sizes of the texts, and of all texts of each row. */
  #measure(): boolean {
    let at = TEXTS_AT;
    for (let index = 0; index < this.#textCount; index += 1) {
      const place = sizes[index] ?? 0;
      const head = heads[index] ?? 0;
      const units = words[place] ?? 0;
      const size = mixer.size(at, units);
      if (size < 0) return false;
      words[place] = size;
      words[head] = (words[head] ?? 0) + size - units;
      at += size;
    }
    return true;
  }

  #packNumber(cell: number, column: number, at: number): number {
    const seed = this.#seeds[column] ?? 0;
    if (this.#isFloat[column] === true) {
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

  #packBigint(cell: bigint, column: number, at: number): number {
    words[at] = (this.#seeds[column] ?? 0) + TAG_INTEGER;
    words[at + 1] = Number(BigInt.asIntN(32, cell));
    words[at + 2] = Number(BigInt.asIntN(32, cell >> 32n));
    return at + 3;
  }

  /** One row with anything in it, of any length: its texts go through the memory piece by piece. */
  #addAlone(row: Row): void {
    const stream = new TextStream(this.#seed);
    const head = RECORDS_AT / 4;
    let next = head + HEAD_WORDS;
    for (let column = 0; column < this.#seeds.length; column += 1) {
      const cell = row[column];
      if (cell === null || cell === undefined) continue;
      if (typeof cell === 'number') next = this.#packNumber(cell, column, next);
      else if (typeof cell === 'bigint') next = this.#packBigint(cell, column, next);
      else {
        const isText = typeof cell === 'string';
        words[next] = (this.#seeds[column] ?? 0) + (isText ? TAG_TEXT : TAG_BYTES);
        words[next + 1] = isText ? stream.text(cell) : stream.bytes(cell);
        next += 2;
      }
    }
    stream.finish(head, fillUp(head, next));
  }
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
  readonly #seed: number;
  #state: readonly [bigint, bigint] | null = null;
  /** Bytes that wait to be mixed, and bytes of the row so far. */
  #waiting = 0;
  #total = 0;

  constructor(seed: number) {
    this.#seed = seed;
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

  /** Adds the row's hash to the sum. Its words stand behind `head`. */
  finish(head: number, end: number): void {
    if (this.#state === null) {
      words[head] = this.#waiting;
      mixer.add(1, this.#seed, head * 4, TEXTS_AT);
      return;
    }
    const wordsAt = (head + HEAD_WORDS) * 4;
    const wordsSize = end * 4 - wordsAt;
    this.#absorb(TEXTS_AT, this.#waiting);
    this.#absorb(wordsAt, wordsSize);
    const [low, high] = this.#state;
    mixer.finish(low, high, BigInt(Math.ceil(this.#total / 16) * 16 + wordsSize));
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
    const seed = BigInt(this.#seed >>> 0);
    const [low, high] = this.#state ?? [seed, seed];
    this.#state = mixer.absorb(low, high, at, size);
  }
}
