/**
 * Rows as one JSON text and back: SQLite has no LATERAL, but a table that is made of a text may depend on the tables before it,
 * also where the text is a subquery's. Whole numbers and texts go through JSON as they are; floats and bytes as texts.
 */
import { columnName, type Stored, toStored } from '../storage.ts';
import type { Column, SqlRow, SqlType } from '../types.ts';
import { type Block, selectOf } from './block.ts';
import { literal } from './literal.ts';

/** A SELECT of one value. Each row is an array in an array. */
export function rowsAsJson(types: readonly SqlType[], block: Block): string {
  const cells = types.map((type, index) => toJson(type, columnName(index)));
  return `SELECT json_group_array(json_array(${cells.join(', ')})) FROM (${selectOf(block)})`;
}

/** The columns of one such row. */
export function columnsOfJson(types: readonly SqlType[], row: string): readonly string[] {
  return types.map((type, index) => fromJson(type, `json_extract(${row}, '$[${index}]')`));
}

/** A SELECT of known rows. Their numbers are below 2^53, and none are bytes. */
export function selectOfRows(columns: readonly Column[], rows: readonly SqlRow[]): string {
  const cells = rows.map((row) =>
    columns.map(({ type }, index) => plainOf(toStored(type, row[index] ?? null))),
  );
  const shown = columns.map(
    (_, index) => `json_extract(value, '$[${index}]') AS ${columnName(index)}`,
  );
  return `SELECT ${shown.join(', ')} FROM json_each(${literal(JSON.stringify(cells))})`;
}

const plainOf = (stored: Stored): unknown => (typeof stored === 'bigint' ? Number(stored) : stored);

function toJson(type: SqlType, column: string): string {
  if (type === 'float4' || type === 'float8') return `pg_to_text_${type}(${column})`;
  return type === 'bytea' ? `hex(${column}) || iif(${column} IS NULL, NULL, '')` : column;
}

function fromJson(type: SqlType, value: string): string {
  if (type === 'float4' || type === 'float8') return `pg_to_${type}_text(${value})`;
  return type === 'bytea' ? `unhex(${value})` : value;
}
