/**
 * How values stand in SQLite. Where SQLite's own comparison and indexes give PostgreSQL's answer they are used (`isNative`);
 * other types are compared by a key that a function makes.
 *
 * | type                       | SQLite                                                            |
 * |----------------------------|-------------------------------------------------------------------|
 * | bool                       | INTEGER 0, 1                                                      |
 * | int2, int4, int8, oid      | INTEGER                                                           |
 * | float4, float8             | REAL; NaN is the text `NaN`, which SQLite sorts above all numbers |
 * | text, uuid                 | TEXT, compared by bytes                                           |
 * | bytea                      | BLOB                                                              |
 * | date                       | INTEGER, days from 2000-01-01                                     |
 * | timestamp, timestamptz     | INTEGER, microseconds from 2000-01-01 UTC                         |
 * | numeric, interval, jsonb, _text | TEXT as PostgreSQL prints it                                      |
 *
 * Infinite dates and timestamps are the ends of int4 and int8, as in PostgreSQL. NULL is NULL.
 */
import { assert, unreachable } from '../core/assert.ts';
import type { SqlType, SqlValue } from './types.ts';
import { formatDate, formatTimestamp, parseDateTime } from './values/datetime.ts';

/** A value as SQLite gives and takes it, whole numbers always as bigint. */
export type Stored = null | bigint | number | string | Uint8Array;

/** Relations that compiled queries read have their columns under these names, by position. */
export const columnName = (index: number): string => `c${index}`;

/** The declared type of a column that holds values of `type`. Floats have none: REAL would turn -0 into 0. */
export function columnAffinity(type: SqlType): 'INTEGER' | 'TEXT' | 'BLOB' {
  switch (type) {
    case 'bool':
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      return 'INTEGER';
    case 'float4':
    case 'float8':
    case 'bytea':
      return 'BLOB';
    default:
      return 'TEXT';
  }
}

/** True when SQLite's `=`, `<`, GROUP BY and ORDER BY on stored values are PostgreSQL's. */
export function isNative(type: SqlType): boolean {
  return type !== 'numeric' && type !== 'interval' && type !== 'jsonb' && type !== '_text';
}

export function toStored(type: SqlType, value: SqlValue): Stored {
  if (value === null) return null;
  switch (type) {
    case 'bool':
      return value === true ? 1n : 0n;
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
      assert(typeof value !== 'string' && typeof value !== 'object', `${type} is a number`);
      return BigInt(value);
    case 'float4':
    case 'float8':
      return storedFloat(Number(value));
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      return parseDateTime(type, String(value));
    case 'bytea':
      assert(value instanceof Uint8Array, 'bytea is bytes');
      return value;
    case 'numeric':
    case 'interval':
    case 'jsonb':
    case 'text':
    case 'uuid':
    case '_text':
    case 'unknown':
      return String(value);
    default:
      return unreachable(type);
  }
}

export const storedFloat = (value: number): number | 'NaN' => (Number.isNaN(value) ? 'NaN' : value);

/** The statement must read whole numbers as bigint (`setReadBigInts`). */
export function fromStored(type: SqlType, stored: Stored): SqlValue {
  if (stored === null) return null;
  switch (type) {
    case 'bool':
      return stored !== 0n;
    case 'int2':
    case 'int4':
    case 'oid':
      return Number(stored);
    case 'int8':
      return BigInt(stored as bigint);
    case 'float4':
    case 'float8':
      return Number(stored);
    case 'date':
      return formatDate(BigInt(stored as bigint));
    case 'timestamp':
    case 'timestamptz':
      return formatTimestamp(type, BigInt(stored as bigint));
    default:
      return stored;
  }
}
