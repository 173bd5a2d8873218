/**
 * The digest of a set of rows: the sum modulo 2^128 of one 128-bit hash per row (row-hasher.ts), plus the number
 * of rows. Addition (not XOR) so that pairs do not cancel; additive so that a replica keeps it up to date
 * change by change, and anybody can recompute it by a full scan, in any order. It detects errors, it does not
 * resist an adversary.
 */

/** A running sum. `rows` and the four words (least significant first) change in place. */
export class Digest {
  readonly words: Uint32Array = new Uint32Array(4);
  rows = 0;

  /** Adds one row's hash, or the sum of several. */
  add(hash: Uint32Array, rows = 1): void {
    let carry = 0;
    for (let index = 0; index < 4; index += 1) {
      const sum = (this.words[index] ?? 0) + (hash[index] ?? 0) + carry;
      this.words[index] = sum; // modulo 2^32 by the array's type
      carry = sum > 0xffff_ffff ? 1 : 0;
    }
    this.rows += rows;
  }

  remove(hash: Uint32Array, rows = 1): void {
    let carry = 1; // the two's complement
    for (let index = 0; index < 4; index += 1) {
      const sum = (this.words[index] ?? 0) + (0xffff_ffff - (hash[index] ?? 0)) + carry;
      this.words[index] = sum; // modulo 2^32 by the array's type
      carry = sum > 0xffff_ffff ? 1 : 0;
    }
    this.rows -= rows;
  }

  /** Adds another digest (for example one selector's) to this one. */
  merge(other: Digest): void {
    this.add(other.words, other.rows);
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
}

/** FNV-1a over UTF-16 units, finished with a mix: seeds for names. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return finish(hash);
}

function finish(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
