/** Changes of the layout of the simulated database's table of items, as ALTER TABLE makes them. */
import type { ColumnDef, TableDef } from '../core/table.ts';
import type { AlterationName } from './plan.ts';
import { FIXED_COLUMNS, type Row } from './tables.ts';

/** What rows have in a column that was added with a constant default. */
const FILLING = '7';

export type Alteration = {
  readonly how: AlterationName;
  readonly before: TableDef;
  readonly after: TableDef;
  /** Postgres wrote every row anew. */
  readonly isRewritten: boolean;
  /** The row in the new layout. */
  readonly move: (row: Row) => Row;
};

/** Null when it cannot be done: there is no column that could go, or one of this name is there. */
export function alterationOf(
  before: TableDef,
  { how, column }: { readonly how: AlterationName; readonly column: string },
): Alteration | null {
  const isTaken = before.columns.some(({ name }) => name === column);
  const last = before.columns.at(-1);
  const isAlone = before.columns.length <= FIXED_COLUMNS || last === undefined;
  const isNaming = how === 'add' || how === 'add-filled' || how === 'rename';
  if (isNaming ? isTaken : false) return null;
  if (how === 'add' || how === 'add-filled') return added(before, column, how);
  if (isAlone) return null;
  const others = before.columns.slice(0, -1);
  const isRewritten = how === 'retype';
  const after = { ...before, columns: [...others, ...changed(last, how, column)] };
  const move = (row: Row): Row => (how === 'drop' ? row.slice(0, -1) : row);
  return { how, before, after: isRewritten ? withoutFillings(after) : after, isRewritten, move };
}

function added(before: TableDef, name: string, how: 'add' | 'add-filled'): Alteration {
  const isFilled = how === 'add-filled';
  const column: ColumnDef = { name, type: 'bigint', kind: 'bigint' };
  const filled = isFilled ? { ...column, missing: FILLING } : column;
  return {
    ...{
      how,
      before,
      after: { ...before, columns: [...before.columns, filled] },
      isRewritten: false,
    },
    move: (row) => [...row, isFilled ? FILLING : null],
  };
}

function changed(last: ColumnDef, how: AlterationName, column: string): readonly ColumnDef[] {
  if (how === 'drop') return [];
  if (how === 'rename') return [{ ...last, name: column }];
  const kind = last.kind === 'bigint' ? 'text' : 'bigint';
  return [{ name: last.name, type: kind, kind }];
}

/** Rows that were written anew have all of their values. */
function withoutFillings(table: TableDef): TableDef {
  return { ...table, columns: table.columns.map(({ missing: _, ...column }) => column) };
}
