/** The tables of a run database as replicated tables: definitions, cells and lines. The selector of a row is its area. */
import { parseSelectorRule } from '../../core/selector.ts';
import type { TableDef } from '../../core/table.ts';
import type { Cell, ValueKind } from '../../core/value.ts';
import type { CopyRow } from '../../planner/run-durable.ts';
import {
  COPIED_TABLES,
  copiedColumns,
  type RemovedRow,
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

/** What pages ask for: those of a replica's host read what changed by `seq`, as pages of the home do. */
const INDEXES: Partial<Record<RunTableName, TableDef['indexes']>> = {
  runs: [bySeq('runs')],
  tests: [
    bySeq('tests'),
    { name: 'tests_run', columns: ['run_id'] },
    { name: 'tests_history', columns: ['name', 'item_path', 'ended_at'] },
  ],
  steps: [bySeq('steps'), { name: 'steps_test', columns: ['test_id'] }],
  data: [bySeq('data'), { name: 'data_test', columns: ['test_id'] }],
  tasks: [bySeq('tasks')],
  events: [
    { name: 'events_run', columns: ['run_id'] },
    { name: 'events_test', columns: ['test_id'] },
  ],
};

function bySeq(name: RunTableName): TableDef['indexes'][number] {
  return { name: `${name}_seq`, columns: ['seq'] };
}

function replicatedName(name: RunTableName | typeof REMOVED): string {
  return `public.${name}`;
}

/** Rows that went away, as rows: who reads changes of a replica hears of them too. */
const REMOVED = 'removed';
export const REMOVED_DEF: TableDef = {
  name: replicatedName(REMOVED),
  columns: [
    { name: 'seq', type: 'bigint', kind: 'bigint' },
    { name: 'area', type: 'text', kind: 'text' },
    { name: 'tbl', type: 'text', kind: 'text' },
    { name: 'id', type: 'bigint', kind: 'bigint' },
  ],
  key: ['seq'],
  indexes: [],
  selector: parseSelectorRule('area'),
};

export const RUN_TABLE_DEFS: readonly TableDef[] = [
  ...COPIED_TABLES.map(definitionOf),
  REMOVED_DEF,
];

export function removedCells(area: string, { seq, table, id }: RemovedRow): Cell[] {
  return [seq, area, table, Number(id)];
}

export function removedLine(area: string, row: RemovedRow): string {
  const { name } = REMOVED_DEF;
  const line = { type: 'insert', table: name, selector: area, row: removedCells(area, row) };
  return `${JSON.stringify(line)}\n`;
}

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
