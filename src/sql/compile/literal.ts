/** Stored values as SQLite's literals. */
import type { Stored } from '../storage.ts';
import { toHex } from '../values/bytes.ts';

export function literal(stored: Stored): string {
  if (stored === null) return 'NULL';
  if (typeof stored === 'bigint') return stored < 0n ? `(${stored})` : String(stored);
  if (typeof stored === 'number') return real(stored);
  if (typeof stored === 'string') return `'${stored.replaceAll("'", "''")}'`;
  return `x'${toHex(stored)}'`;
}

function real(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? '9e999' : '(-9e999)';
  const text = value.toExponential();
  return value < 0 || Object.is(value, -0) ? `(${Object.is(value, -0) ? '-0.0' : text})` : text;
}
