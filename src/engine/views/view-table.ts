/** A view as a replicated table: its definition, its rows as cells and lines. */
import { createHash } from 'node:crypto';
import { parseSelectorRule } from '../../core/selector.ts';
import { quoteText, type TableDef } from '../../core/table.ts';
import {
  type Cell,
  cellFromJson,
  cellToJsonText,
  type JsonCell,
  type ValueKind,
} from '../../core/value.ts';
import { longName } from '../../sql/type-names.ts';
import type { Column, SqlRow, SqlType } from '../../sql/types.ts';
import { cellOfValue } from '../sql/postgres-types.ts';

/** Tells rows apart: a hash of the row, with a number behind it from its second copy on. */
export const ROW_COLUMN = '_row';
/** A view with this column is filed by it, as tables are. */
const SELECTOR_COLUMN = '_change_selector';
const HASH_DIGITS = 32;

/** `view:by_city`; of a schema other than public `view:sales.by_city`. What a reader names. */
export function viewSelector(name: string): string {
  return `view:${name.startsWith('public.') ? name.slice('public.'.length) : name}`;
}

/** Null for a view that has a column of our name. */
export function tableOfView(name: string, columns: readonly Column[]): TableDef | null {
  if (columns.some((column) => column.name === ROW_COLUMN)) return null;
  const own = columns.some((column) => column.name === SELECTOR_COLUMN);
  const rule = own ? SELECTOR_COLUMN : quoteText(viewSelector(name));
  return {
    name,
    columns: [
      { name: ROW_COLUMN, type: 'text', kind: 'text' },
      ...columns.map((column) => ({
        ...{ name: column.name, type: longName(column.type), kind: kindOf(column.type) },
      })),
    ],
    key: [ROW_COLUMN],
    indexes: [],
    selector: parseSelectorRule(rule),
  };
}

function kindOf(type: SqlType): ValueKind {
  switch (type) {
    case 'bool':
      return 'bool';
    case 'int2':
    case 'int4':
      return 'int';
    case 'int8':
      return 'bigint';
    case 'float4':
    case 'float8':
      return 'float';
    case 'bytea':
      return 'bytes';
    case 'timestamptz':
      return 'timestamptz';
    default:
      return 'text';
  }
}

/** The cells of a row as JSON, without the key, and their hash. */
export function hashedRow(
  columns: readonly Column[],
  row: SqlRow,
): { readonly hash: string; readonly cells: string } {
  const texts = columns.map(({ type }, index) =>
    cellToJsonText(kindOf(type), cellOfValue(type, row[index] ?? null)),
  );
  const cells = `[${texts.join(',')}]`;
  return { hash: createHash('sha256').update(cells).digest('hex').slice(0, HASH_DIGITS), cells };
}

/** The key of the n-th copy, counted from 1. */
export function rowKey(hash: string, copy: number): string {
  return copy === 1 ? hash : `${hash}.${copy}`;
}

/** The row as a replica holds it. */
export function cellsOf(table: TableDef, key: string, cells: string): Cell[] {
  const values = JSON.parse(cells) as JsonCell[];
  const kinds = table.columns.slice(1).map(({ kind }) => kind);
  return [key, ...values.map((value, index) => cellFromJson(kinds[index] ?? 'text', value))];
}

/** Where a row is filed; null: nowhere. */
export function selectorOfRow(table: TableDef, cells: string): string | null {
  const { selector } = table;
  if (selector.kind === 'everyone' || selector.expression.kind === 'literal') {
    return viewSelector(table.name);
  }
  const place = table.columns.findIndex(({ name }) => name === SELECTOR_COLUMN) - 1;
  const value: unknown = (JSON.parse(cells) as unknown[])[place];
  return value === null || value === undefined ? null : String(value);
}

/** `cells` is JSON and stays as it is: -0 has no other way. */
export function insertLine(
  table: string,
  row: { readonly selector: string; readonly key: string; readonly cells: string },
): string {
  const { selector, key, cells } = row;
  const rest = cells.length > 2 ? `,${cells.slice(1)}` : ']';
  return `${head('insert', table, selector)}"row":[${JSON.stringify(key)}${rest}}\n`;
}

export function deleteLine(
  table: string,
  row: { readonly selector: string; readonly key: string },
): string {
  return `${head('delete', table, row.selector)}"key":[${JSON.stringify(row.key)}]}\n`;
}

function head(type: string, table: string, selector: string): string {
  const names = [type, table, selector].map((text) => JSON.stringify(text));
  return `{"type":${names[0]},"table":${names[1]},"selector":${names[2]},`;
}
