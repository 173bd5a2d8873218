/**
 * The bench's own canonical form of rows and its own digest. Shares nothing with the product's values and
 * digests: two programs that agree by different ways are a proof, one program that agrees with itself is not.
 */
import { createHash } from 'node:crypto';
import type { EvidenceRow } from './evidence.ts';

const MODULUS = 1n << 128n;

/** One row of one table as a line of text: columns by name, so that their order does not matter. */
export function lineOf(table: string, row: EvidenceRow): string {
  const columns = Object.keys(row).sort();
  return `${table} ${JSON.stringify(columns.map((column) => [column, row[column]]))}`;
}

/** The row's share of a digest. */
export function hashOf(table: string, row: EvidenceRow): bigint {
  const hex = createHash('sha256').update(lineOf(table, row)).digest('hex').slice(0, 32);
  return BigInt(`0x${hex}`);
}

/** Additive over rows modulo 2^128; addition, because XOR would hide pairs. */
export class RowSum {
  #sum = 0n;
  #rows = 0;

  get rows(): number {
    return this.#rows;
  }

  get digest(): string {
    return this.#sum.toString(16).padStart(32, '0');
  }

  add(hash: bigint): void {
    this.#sum = (this.#sum + hash) % MODULUS;
    this.#rows += 1;
  }

  remove(hash: bigint): void {
    this.#sum = (this.#sum - hash + MODULUS) % MODULUS;
    this.#rows -= 1;
  }
}
