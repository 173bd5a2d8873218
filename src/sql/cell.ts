/**
 * How a value stands in a cell of SQLite: the one mapping that storage, compiled queries and constants share.
 *
 * bool is 0 or 1; int2, int4, int8 an INTEGER; floats a REAL (in a column without a declared type, which keeps
 * -0), NaN the text `NaN`, because SQLite takes NaN for NULL; bytea a BLOB; everything else its text.
 */
import type { SqlType, SqlValue } from './types.ts';

/** What SQLite stores, and what its driver gives back. */
export type Cell = null | number | bigint | string | Uint8Array;

const NOT_A_NUMBER = 'NaN';

/** The cell of a value. A number among integers is bound as a float: the column's type makes it whole. */
export function cellOf(value: SqlValue): Cell {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'number' && Number.isNaN(value) ? NOT_A_NUMBER : value;
}

/** The value of a cell of a column of `type`. */
export function cellValue(cell: Cell, type: SqlType): SqlValue {
  if (cell === null) return null;
  switch (type) {
    case 'bool':
      return Number(cell) !== 0;
    case 'int8':
      return typeof cell === 'bigint' ? cell : BigInt(Number(cell));
    case 'int2':
    case 'int4':
    case 'float4':
    case 'float8':
      return Number(cell);
    default:
      return typeof cell === 'number' || typeof cell === 'bigint' ? String(cell) : cell;
  }
}

/** The declared type of a column that holds cells of `type`; empty for none. */
export function columnType(type: SqlType): string {
  switch (type) {
    case 'bool':
    case 'int2':
    case 'int4':
    case 'int8':
      return 'INTEGER';
    case 'float4':
    case 'float8':
      return '';
    case 'bytea':
      return 'BLOB';
    default:
      return 'TEXT';
  }
}
