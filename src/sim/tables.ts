/** The two tables of the simulated database as they are at first, and rows of theirs as Postgres prints them. */
import { assert } from '../core/assert.ts';
import { parseSelectorRule } from '../core/selector.ts';
import { type RawTuple, type Relation, TUPLE_NULL, TUPLE_TEXT } from '../core/source.ts';
import type { TableDef } from '../core/table.ts';
import { type Cell, cellFromText } from '../core/value.ts';

/** Texts in the order of the table's columns; null for NULL. Never changed. */
export type Row = readonly (string | null)[];

/** Rows that are written, moved and deleted. `value` is unique in the run. */
export const ITEMS: TableDef = {
  name: 'public.item',
  columns: [
    { name: 'id', type: 'bigint', kind: 'bigint' },
    { name: 'value', type: 'text', kind: 'text' },
    { name: '_change_selector', type: 'text', kind: 'text' },
    { name: 'code', type: 'bigint', kind: 'bigint' },
  ],
  key: ['id'],
  indexes: [],
  selector: parseSelectorRule('_change_selector'),
};

/** Transfers between these keep the sum of all balances; `moves` counts, so that nothing counts twice unseen. */
export const ACCOUNTS: TableDef = {
  name: 'public.account',
  columns: [
    { name: 'id', type: 'bigint', kind: 'bigint' },
    { name: 'balance', type: 'bigint', kind: 'bigint' },
    { name: 'moves', type: 'bigint', kind: 'bigint' },
    { name: '_change_selector', type: 'text', kind: 'text' },
  ],
  key: ['id'],
  indexes: [],
  selector: parseSelectorRule('_change_selector'),
};

export const TABLES: readonly TableDef[] = [ITEMS, ACCOUNTS];

const INT8_OID = 20;
const TEXT_OID = 25;

/** Beyond what a double can hold, and known from the id alone. */
const CODE_BASE = 4_611_686_018_427_387_905n;

/** Columns that every layout of the items begins with; each of the others holds the row's code. */
export const FIXED_COLUMNS = 3;

/** A row in the present layout of the items. */
export function itemRow(
  table: TableDef,
  { id, value, selector }: { id: number; value: string | null; selector: string | null },
): Row {
  const others = table.columns.slice(FIXED_COLUMNS);
  return [`${id}`, value, selector, ...others.map(() => `${CODE_BASE + BigInt(id) * 2n}`)];
}

export function accountRow(id: number, balance: number, moves: number, selector: string): Row {
  return [`${id}`, `${balance}`, `${moves}`, selector];
}

export function oidOf({ name }: TableDef): number {
  return 1000 + TABLES.findIndex((table) => table.name === name);
}

/** A table's layout as the stream announces it: REPLICA IDENTITY FULL. */
export function relationOf(table: TableDef): Relation {
  return {
    oid: oidOf(table),
    name: table.name,
    identity: 'f',
    columns: table.columns.map(({ name, kind }) => ({
      name,
      isIdentity: true,
      typeOid: kind === 'bigint' ? INT8_OID : TEXT_OID,
      typeModifier: -1,
    })),
  };
}

/** The old and the new version of a row stand in one message, so in one buffer. */
export function tuplesOf(rows: readonly Row[]): readonly RawTuple[] {
  const buffer = Buffer.from(rows.map((row) => row.map((text) => text ?? '').join('')).join(''));
  let at = 0;
  return rows.map((row) => {
    const tuple = {
      buffer,
      count: row.length,
      state: Uint8Array.from(row, (text) => (text === null ? TUPLE_NULL : TUPLE_TEXT)),
      start: new Int32Array(row.length),
      end: new Int32Array(row.length),
    };
    row.forEach((text, column) => {
      tuple.start[column] = at;
      at += Buffer.byteLength(text ?? '');
      tuple.end[column] = at;
    });
    return tuple;
  });
}

/** As COPY gives it. */
export function cellsOf(table: TableDef, row: Row): Cell[] {
  return table.columns.map(({ kind }, column) => {
    const text = row[column] ?? null;
    return text === null ? null : cellFromText(kind, text);
  });
}

export function selectorOf(table: TableDef, row: Row): string | null {
  return row[table.columns.findIndex(({ name }) => name === '_change_selector')] ?? null;
}

export function keyOf(row: Row): string {
  const [key] = row;
  assert(key !== undefined && key !== null, 'a row has a key');
  return key;
}

/** By column name, for witnesses. */
export function namedRow(table: TableDef, row: Row): Record<string, string | null> {
  return Object.fromEntries(table.columns.map(({ name }, column) => [name, row[column] ?? null]));
}
