/** Rows of a run database and of its copies in one form, to be compared. */
import type { CopyRow, DurableStore } from '../../src/planner/run-durable.ts';
import type { RunStore } from '../../src/planner/run-store.ts';
import { COPIED_TABLES, copiedColumns, type RunTable } from '../../src/planner/run-tables.ts';

const ROWS_MAX = 20_000;

export type TableRows = Readonly<Record<string, readonly (readonly unknown[])[]>>;

/** Every copied row as the local database has it. */
export function copiedRows(store: RunStore): TableRows {
  const { changes } = store.read({ kind: 'changes', since: 0, limit: ROWS_MAX });
  if (changes === undefined || changes.isMore) throw new Error('there are too many rows');
  return Object.fromEntries(
    COPIED_TABLES.map((table) => {
      const rows = changes.rows[table.name] as unknown as readonly CopyRow[];
      return [table.name, sorted(table, rows).map((row) => valuesOf(table, row))];
    }),
  );
}

export async function durableRows(durable: DurableStore): Promise<TableRows> {
  const found = new Map(COPIED_TABLES.map(({ name }) => [name as string, [] as CopyRow[]]));
  for await (const { table, rows } of durable.pages()) found.get(table)?.push(...rows);
  return Object.fromEntries(
    COPIED_TABLES.map((table) => {
      const rows = sorted(table, found.get(table.name) ?? []);
      return [table.name, rows.map((row) => valuesOf(table, row))];
    }),
  );
}

function sorted(table: RunTable, rows: readonly CopyRow[]): readonly CopyRow[] {
  return rows.toSorted((a, b) => Number(a[table.key]) - Number(b[table.key]));
}

function valuesOf(table: RunTable, row: CopyRow): readonly unknown[] {
  return copiedColumns(table).map(({ field }) => row[field]);
}
