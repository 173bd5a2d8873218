/** From stored rows and upload lines to states that can be merged, and back. Decides only. */
import type { TableDef, TwowayDef } from '../core/table.ts';
import type { UploadChange, UploadValue } from '../core/upload.ts';
import { type Cell, cellFromJson, type ValueKind } from '../core/value.ts';
import {
  type ColumnState,
  deadRow,
  isAlive,
  merge,
  type RowState,
  UNKNOWN_ROW,
} from '../merge/row-state.ts';
import { encodeValue } from '../protocol/upload.ts';
import type { ReplicaTable } from './replica-table.ts';

type Row = readonly Cell[];

/** A two-way table as the file has it. */
export type TwowayTable = {
  readonly table: ReplicaTable;
  readonly definition: TableDef & { readonly twoway: TwowayDef };
};

/** What the companion says of a row: its causal length, and its versions by place (null: all are 1). */
export type Companion = { readonly cl: number; readonly versions: readonly number[] | null };

/** Null for tables that nobody may write to. */
export function twowayTable(table: ReplicaTable): TwowayTable | null {
  const { twoway } = table.definition;
  return twoway === undefined ? null : { table, definition: { ...table.definition, twoway } };
}

/** Reads a row of the companion table. */
export function readCompanion(companion: ReplicaTable, row: Row): Companion {
  const cellOf = (name: string): Cell =>
    row[companion.definition.columns.findIndex((column) => column.name === name)] ?? null;
  const versions = cellOf('tidelock_versions');
  return {
    cl: Number(cellOf('tidelock_cl')),
    versions: typeof versions === 'string' ? parseVersions(versions) : null,
  };
}

/** `{1,NULL,3}`, as Postgres prints an integer[]. */
function parseVersions(text: string): readonly number[] {
  const parts = text.slice(1, -1).split(',');
  return parts.map((part) => (/^\d+$/.test(part) ? Number(part) : 1));
}

/**
 * The state that Postgres has, as far as this file knows. Where row and companion contradict one another (they
 * come from two tables that may stand at different positions while one is fetched anew), the row is right.
 */
export function baseState(
  { table, definition }: TwowayTable,
  row: Row | null,
  companion: Companion | null,
): RowState {
  if (row === null) {
    if (companion === null) return UNKNOWN_ROW;
    return deadRow(companion.cl - (companion.cl % 2));
  }
  const cl = companion === null ? 1 : companion.cl + (companion.cl % 2 === 1 ? 0 : 1);
  const isVersioned = companion !== null && companion.cl === cl;
  const columns = new Map<string, ColumnState>();
  definition.twoway.columns.forEach((name, place) => {
    const position = positionOf(table, name);
    if (position < 0) return;
    const version = isVersioned ? (companion.versions?.[place] ?? 1) : 1;
    columns.set(name, { version, value: row[position] ?? null });
  });
  return { cl, columns };
}

/** The cells of a row outside its key, by name. */
export function valuesOf({ table, definition }: TwowayTable, row: Row): ReadonlyMap<string, Cell> {
  const values = new Map<string, Cell>();
  for (const name of definition.twoway.columns) {
    const position = positionOf(table, name);
    if (position >= 0) values.set(name, row[position] ?? null);
  }
  return values;
}

/**
 * The row of a living state; null for a dead one. A column that nobody wrote is NULL; one that Postgres computes is as
 * in `base`, the row of the same life.
 */
export function rowOf(
  { table, definition }: TwowayTable,
  key: Row,
  state: RowState,
  base: Row | null = null,
): Row | null {
  if (!isAlive(state)) return null;
  const written = definition.twoway.columns;
  const row: Cell[] = table.definition.columns.map(({ name }, position) => {
    const column = state.columns.get(name);
    if (column !== undefined) return column.value;
    return written.includes(name) ? null : (base?.[position] ?? null);
  });
  table.keyPositions.forEach((position, index) => {
    row[position] = key[index] ?? null;
  });
  return row;
}

/**
 * The base with pending changes, in their order. An update of a life that is not there is left out: the insert
 * that it follows was rejected, and so will it be.
 */
export function withPending(base: RowState, changes: readonly RowState[]): RowState {
  let state = base;
  for (const change of changes) {
    const isOrphan = isAlive(change) && change.cl > state.cl && !isInsert(change);
    if (!isOrphan) state = merge(state, change);
  }
  return state;
}

function isInsert({ columns }: RowState): boolean {
  for (const { version } of columns.values()) return version === 1;
  return true;
}

/** Reads an upload line that this file made. */
export function readLine({ table, definition }: TwowayTable, line: string): RowState {
  const change = JSON.parse(line) as UploadChange;
  const columns = new Map<string, ColumnState>();
  const put = (place: number, version: number, value: UploadValue): void => {
    const name = definition.twoway.columns[place] ?? '';
    const kind = table.definition.columns[positionOf(table, name)]?.kind;
    if (kind !== undefined) columns.set(name, { version, value: decodeValue(kind, value) });
  };
  if (change[0] === 'i') {
    // Columns that came after the insert are NULL in its row, and at version 1 like the others.
    const values = change[4];
    for (const place of definition.twoway.columns.keys()) put(place, 1, values[place] ?? null);
  }
  if (change[0] === 'u')
    for (const [place, version, value] of change[4]) put(place, version, value);
  return { cl: change[2], columns };
}

/** A key as text: equal for keys that SQLite holds equal. */
export function keyText({ table }: TwowayTable, key: Row): string {
  const parts = table.keyPositions.map((position, index) => {
    const cell = key[index] ?? null;
    return encodeValue(kindAt(table, position), cell === 0 ? 0 : cell);
  });
  return `[${parts.join()}]`;
}

/** The cells of a key of `keyText`. */
export function keyCellsOf({ table }: TwowayTable, text: string): Row {
  const values = JSON.parse(text) as readonly UploadValue[];
  return table.keyPositions.map((position, index) =>
    decodeValue(kindAt(table, position), values[index] ?? null),
  );
}

function kindAt(table: ReplicaTable, position: number): ValueKind {
  return table.definition.columns[position]?.kind ?? 'text';
}

/** The cell that `encodeValue` wrote. */
function decodeValue(kind: ValueKind, value: UploadValue): Cell {
  if (value === null) return null;
  if (typeof value === 'object') {
    return 'text' in value ? value.text : cellFromJson('bytes', value.bytes);
  }
  if (typeof value !== 'string') return typeof value === 'boolean' ? Number(value) : value;
  switch (kind) {
    case 'bytes':
    case 'float':
      return isFloatText(kind, value) ? value : cellFromJson(kind, value);
    case 'bigint':
      return /^-?\d{16,19}$/.test(value) ? cellFromJson(kind, value) : value;
    default:
      return value;
  }
}

/** Text in a column of floats: only the names of what JSON has no number for are not text. */
function isFloatText(kind: ValueKind, text: string): boolean {
  return kind === 'float' && text !== 'NaN' && text !== 'Infinity' && text !== '-Infinity';
}

const POSITIONS = new WeakMap<ReplicaTable, ReadonlyMap<string, number>>();

/** Position of a column, below 0 when the table has no such column (any more). */
function positionOf(table: ReplicaTable, name: string): number {
  let positions = POSITIONS.get(table);
  if (positions === undefined) {
    positions = new Map(table.definition.columns.map((column, index) => [column.name, index]));
    POSITIONS.set(table, positions);
  }
  return positions.get(name) ?? -1;
}
