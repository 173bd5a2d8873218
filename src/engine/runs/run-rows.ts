/** The tables of a run database as replicated tables: definitions, cells and lines. The selector of a row is its area. */
import { parseSelectorRule } from '../../core/selector.ts';
import type { TableDef } from '../../core/table.ts';
import type { Cell, ValueKind } from '../../core/value.ts';
import type { CopyRow } from '../../planner/run-durable.ts';
import {
  COPIED_TABLES,
  copiedColumns,
  type RunColumn,
  type RunColumnKind,
  type RunTable,
  type RunTableName,
  sqlName,
} from '../../planner/run-tables.ts';

const TYPES: Readonly<Record<RunColumnKind, readonly [type: string, kind: ValueKind]>> = {
  int: ['bigint', 'bigint'],
  real: ['double precision', 'float'],
  text: ['text', 'text'],
  bool: ['boolean', 'bool'],
  json: ['json', 'text'],
};

function definitionOf(table: RunTable): TableDef {
  return {
    name: replicatedName(table.name),
    columns: copiedColumns(table).map(({ field, kind }) => {
      const [type, cellKind] = TYPES[kind];
      return { name: sqlName(field), type, kind: cellKind };
    }),
    key: [sqlName(table.key)],
    indexes: INDEXES[table.name] ?? [],
    selector: parseSelectorRule('area'),
  };
}

const INDEXES: Partial<Record<RunTableName, TableDef['indexes']>> = {
  tests: [{ name: 'tests_run', columns: ['run_id'] }],
  steps: [{ name: 'steps_test', columns: ['test_id'] }],
  data: [{ name: 'data_test', columns: ['test_id'] }],
  events: [
    { name: 'events_run', columns: ['run_id'] },
    { name: 'events_test', columns: ['test_id'] },
  ],
};

function replicatedName(name: RunTableName): string {
  return `public.${name}`;
}

export const RUN_TABLE_DEFS: readonly TableDef[] = COPIED_TABLES.map(definitionOf);

/** The table of a definition. */
export function runTableOf(definition: TableDef): RunTable {
  const found = COPIED_TABLES.find(({ name }) => replicatedName(name) === definition.name);
  if (found === undefined) throw new RangeError(`no run table ${definition.name}`);
  return found;
}

export function cellsOf(columns: readonly RunColumn[], row: CopyRow): Cell[] {
  return columns.map((column) => cellOf(column, row[column.field]));
}

function cellOf({ kind }: RunColumn, value: unknown): Cell {
  if (kind === 'json') return JSON.stringify(value ?? null);
  if (value === null || value === undefined) return null;
  if (kind === 'bool') return value === true ? 1 : 0;
  return kind === 'text' ? String(value) : Number(value);
}

/** A line that gives the row's state, whether its key is new or not. */
export function stateLine(table: RunTable, area: string, row: CopyRow): string {
  const values = copiedColumns(table).map(({ field, kind }) => {
    const value = row[field];
    return kind === 'json' ? JSON.stringify(value ?? null) : (value ?? null);
  });
  const name = replicatedName(table.name);
  return `${JSON.stringify({ type: 'update', table: name, selector: area, row: values })}\n`;
}

export function goneLine(name: RunTableName, area: string, id: number | string): string {
  const line = { type: 'delete', table: replicatedName(name), selector: area, key: [id] };
  return `${JSON.stringify(line)}\n`;
}
