/**
 * The bench's own canonical form of rows and its own digest. Shares nothing with the product's values and
 * digests: two programs that agree by different ways are a proof, one program that agrees with itself is not.
 */
import { hash } from 'node:crypto';
import type { ColumnKind, EvidenceRow } from './evidence.ts';

const MODULUS = 1n << 128n;

/** Canonical text of what Postgres prints (DateStyle ISO, UTC, bytea hex; booleans as `t` or `true`). */
export function fromPostgres(kind: ColumnKind, text: string): string {
  if (kind === 'bool') return text.startsWith('t') ? 'true' : 'false';
  if (kind === 'float') return floatText(Number(text));
  return text;
}

/** Canonical text of what a replica's SQLite file holds in a column of this kind. */
export function fromSqlite(kind: ColumnKind, value: unknown): string {
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  const text = String(value);
  if (kind === 'bool') return text === '1' ? 'true' : text === '0' ? 'false' : text;
  if (kind === 'float') return typeof value === 'number' ? floatText(value) : text;
  // Replicas hold `+00:00` where Postgres prints `+00`.
  return kind === 'timestamptz' ? text.replace(/([+-]\d\d):00( BC)?$/, '$1$2') : text;
}

function floatText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** One row of one table as a line of text: columns by name, so that their order does not matter. */
export function lineOf(table: string, row: EvidenceRow): string {
  const columns = Object.keys(row).sort();
  return `${table} ${JSON.stringify(columns.map((column) => [column, row[column]]))}`;
}

/** The row's share of a digest. */
export function hashOf(table: string, row: EvidenceRow): bigint {
  const hex = hash('sha256', lineOf(table, row)).slice(0, 32);
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
