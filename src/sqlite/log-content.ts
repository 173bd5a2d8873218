/** The arrays of a group as blobs. Little-endian, as every machine that Node runs on. */
import { crc32 } from 'node:zlib';

export function indexCrc(segments: Uint8Array, transactions: Uint8Array): number {
  return crc32(transactions, crc32(segments));
}

export function bytesOf(array: Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Blobs come without a promise of alignment, so they are copied. */
export function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}

export function doubles(bytes: Uint8Array): Float64Array {
  return new Float64Array(bytes.slice().buffer);
}
