/**
 * The digest of docs/protocol.md (protocol 2), written from that page and from nothing else: what replicas say
 * of themselves is checked with it. Slow and plain on purpose; the product's own is in core/.
 */
import type { ColumnKind, EvidenceRow, EvidenceTable } from '../evidence.ts';

const TAG_INTEGER = 1;
const TAG_FLOAT = 2;
const TAG_TEXT = 3;
const TAG_BYTES = 4;

const BLOCK_BYTES = 16;
const FACTOR_1 = 0x87c37b91114253d5n;
const FACTOR_2 = 0x4cf5ad432745937fn;

type Encoded = {
  readonly tag: number;
  /** What stands in the words. */
  readonly words: Buffer;
  /** What stands in the texts; null for numbers. */
  readonly text: Buffer | null;
};

/** The share of one row in its table's digest. */
export function productHashOf(table: EvidenceTable, row: EvidenceRow): bigint {
  const texts: Buffer[] = [];
  const words: Buffer[] = [];
  for (const { name, kind } of table.columns) {
    const value = row[name];
    if (value === null || value === undefined) continue;
    const encoded = encode(kind, value);
    words.push(uint32(seedOf(name) + encoded.tag), encoded.words);
    if (encoded.text !== null) texts.push(encoded.text);
  }
  return murmur3(Buffer.concat([filled(texts), filled(words)]), seedOf(table.name));
}

/** `value` is the bench's canonical text. */
function encode(kind: ColumnKind, value: string): Encoded {
  switch (kind) {
    case 'int':
    case 'bigint':
      return { tag: TAG_INTEGER, words: int64(BigInt(value)), text: null };
    case 'bool':
      return { tag: TAG_INTEGER, words: int64(value === 'true' ? 1n : 0n), text: null };
    case 'float':
      if (value === 'NaN') return sized(TAG_TEXT, Buffer.from(value));
      return { tag: TAG_FLOAT, words: double(Number(value)), text: null };
    case 'bytes':
      return sized(TAG_BYTES, Buffer.from(value.slice(2), 'hex'));
    case 'timestamptz':
      return sized(TAG_TEXT, Buffer.from(value.endsWith('+00') ? `${value}:00` : value));
    default:
      return sized(TAG_TEXT, Buffer.from(value));
  }
}

function sized(tag: number, text: Buffer): Encoded {
  return { tag, words: uint32(text.length), text };
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

function filled(parts: readonly Buffer[]): Buffer {
  const all = Buffer.concat(parts);
  const rest = all.length % BLOCK_BYTES;
  return rest === 0 ? all : Buffer.concat([all, Buffer.alloc(BLOCK_BYTES - rest)]);
}

/** FNV-1a over UTF-16 units, finished with fmix32. */
function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** MurmurHash3 x64 128 over whole blocks. */
function murmur3(bytes: Buffer, seed: number): bigint {
  let low = BigInt(seed >>> 0);
  let high = low;
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const first = bytes.readBigUInt64LE(at);
    const second = bytes.readBigUInt64LE(at + 8);
    low ^= uint64(turned(uint64(first * FACTOR_1), 31n) * FACTOR_2);
    low = uint64((turned(low, 27n) + high) * 5n + 0x52dce729n);
    high ^= uint64(turned(uint64(second * FACTOR_2), 33n) * FACTOR_1);
    high = uint64((turned(high, 31n) + low) * 5n + 0x38495ab5n);
  }
  [low, high] = added(low ^ BigInt(bytes.length), high ^ BigInt(bytes.length));
  [low, high] = added(finished(low), finished(high));
  return (high << 64n) | low;
}

function added(low: bigint, high: bigint): readonly [bigint, bigint] {
  const sum = uint64(low + high);
  return [sum, uint64(high + sum)];
}

function finished(value: bigint): bigint {
  let hash = value;
  hash = uint64((hash ^ (hash >> 33n)) * 0xff51afd7ed558ccdn);
  hash = uint64((hash ^ (hash >> 33n)) * 0xc4ceb9fe1a85ec53n);
  return hash ^ (hash >> 33n);
}

function turned(value: bigint, bits: bigint): bigint {
  return uint64(value << bits) | (value >> (64n - bits));
}

function uint64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}
