/** Replicated tables as SQL sees them: their columns' types, and their cells as values. */
import { keyPositions, type TableDef } from '../../core/table.ts';
import type { Cell, ValueKind } from '../../core/value.ts';
import type { Column, SqlRow, SqlType, SqlValue } from '../../sql/types.ts';
import { formatFloat4 } from '../../sql/values/float.ts';

/** PostgreSQL's names of the types that SQL knows, without what stands in parentheses. */
const TYPES: ReadonlyMap<string, SqlType> = new Map([
  ['boolean', 'bool'],
  ['smallint', 'int2'],
  ['integer', 'int4'],
  ['bigint', 'int8'],
  ['real', 'float4'],
  ['double precision', 'float8'],
  ['numeric', 'numeric'],
  ['uuid', 'uuid'],
  ['bytea', 'bytea'],
  ['date', 'date'],
  ['timestamp without time zone', 'timestamp'],
  ['timestamp with time zone', 'timestamptz'],
  ['interval', 'interval'],
  ['jsonb', 'jsonb'],
]);

/** Of types that SQL does not know (domains, enums, arrays): what their cells are. */
const BY_KIND: Readonly<Record<ValueKind, SqlType>> = {
  bool: 'bool',
  int: 'int8',
  bigint: 'int8',
  float: 'float8',
  bytes: 'bytea',
  timestamptz: 'timestamptz',
  text: 'text',
};

/** A type that SQL does not know is shown as the text that PostgreSQL prints, and compared as text. */
export function columnsOfTable({ columns }: TableDef): readonly Column[] {
  return columns.map(({ name, type, kind }) => ({
    name,
    type: TYPES.get(type.replace(/\([^)]*\)/, '')) ?? BY_KIND[kind],
    isNullable: true,
  }));
}

/** Where the values of a source stand in the rows of its table. */
export type SourceLayout = {
  readonly columns: readonly Column[];
  /** By column of the source: its position in the table. */
  readonly positions: readonly number[];
  /** Positions of the key's columns in the source, in the key's order. */
  readonly key: readonly number[];
};

/** Null when the table has no longer what the source was made of. Columns that came later are left out. */
export function layoutOf(columns: readonly Column[], table: TableDef): SourceLayout | null {
  const now = columnsOfTable(table);
  const positions = columns.map(({ name, type }) =>
    now.findIndex((column) => column.name === name && column.type === type),
  );
  const key = keyPositions(table).map((position) => positions.indexOf(position));
  return positions.includes(-1) || key.includes(-1) ? null : { columns, positions, key };
}

export function rowOf({ columns, positions }: SourceLayout, cells: readonly Cell[]): SqlRow {
  return columns.map(({ type }, index) => valueOfCell(type, cells[positions[index] ?? -1] ?? null));
}

/** The values of the key's columns, from a key of the feed. */
export function keyOf({ columns, key }: SourceLayout, cells: readonly Cell[]): SqlRow {
  return key.map((position, index) =>
    valueOfCell(columns[position]?.type ?? 'text', cells[index] ?? null),
  );
}

/** The one way from a canonical cell to a value. */
function valueOfCell(type: SqlType, cell: Cell): SqlValue {
  if (cell === null) return null;
  switch (type) {
    case 'bool':
      return Number(cell) !== 0;
    case 'int2':
    case 'int4':
    case 'float8':
      return Number(cell);
    case 'float4':
      return Math.fround(Number(cell));
    case 'int8':
      return typeof cell === 'bigint' ? cell : BigInt(Number(cell));
    case 'timestamptz':
      return String(cell).replace(/\+00:00$/, '+00');
    default:
      return cell instanceof Uint8Array ? cell : String(cell);
  }
}

/** And back: how a replica stores the value. */
export function cellOfValue(type: SqlType, value: SqlValue): Cell {
  if (value === null) return null;
  switch (type) {
    case 'bool':
      return value === true ? 1 : 0;
    case 'int8': {
      const whole = BigInt(value as bigint);
      return Number.isSafeInteger(Number(whole)) ? Number(whole) : whole;
    }
    case 'float4':
      return Number.isNaN(value) ? 'NaN' : Number(formatFloat4(Number(value)));
    case 'float8':
      return Number.isNaN(value) ? 'NaN' : Number(value);
    case 'timestamptz':
      return String(value).replace(/\+00$/, '+00:00');
    default:
      return typeof value === 'boolean' ? Number(value) : value;
  }
}

/** What is noted with the rows of a source: of which history they are, and how their table looked then. */
export type SourceNote = { readonly timeline: string; readonly table: TableDef };

export function noteOf(timeline: string, table: TableDef): string {
  const note: SourceNote = { timeline, table };
  return JSON.stringify(note);
}

/** Reads what `noteOf` made: the cast trusts what we wrote. */
export function readNote(text: string): SourceNote {
  return JSON.parse(text) as SourceNote;
}

/** The table in a note; null when it is none of a source of Postgres. */
export function tableOfNote(text: string | null): TableDef | null {
  if (text === null) return null;
  const note = JSON.parse(text) as Partial<SourceNote>;
  return note.table ?? null;
}
