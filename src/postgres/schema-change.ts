/** What a changed definition means for replicas that hold the table. */
import type { TableDef } from '../core/table.ts';
import type { ColumnFill } from './table-fitness.ts';

export type SchemaChange =
  /** Nothing that a replica has differs. */
  | { readonly kind: 'same' }
  /** Columns were added at the end, or indexes or what makes it two-way changed. Added columns carry `missing`. */
  | { readonly kind: 'additive'; readonly table: TableDef }
  /** Rows may have changed without the stream saying so, or the layout is another one. */
  | { readonly kind: 'resync'; readonly reason: string };

export type ChangedTable = {
  readonly table: TableDef;
  readonly fills: Readonly<Record<string, ColumnFill>>;
  /** True when rows were rewritten, false when surely not, undefined when nobody watched. */
  readonly isRewritten: boolean | undefined;
};

/** Compares the definition that replicas have with the present one. */
export function compareTables(before: TableDef, after: ChangedTable): SchemaChange {
  const { table } = after;
  const reason = layoutReason(before, table) ?? rewriteReason(before, after);
  if (reason !== null) return { kind: 'resync', reason };
  const added = table.columns.slice(before.columns.length);
  const isSame = sameIndexes(before, table) && sameTypes(before, table);
  if (added.length === 0 && isSame && sameTwoway(before, table)) return { kind: 'same' };
  const columns = table.columns.map((column, index) => {
    if (index >= before.columns.length) return column;
    const { missing: _, ...known } = column;
    return known;
  });
  return { kind: 'additive', table: { ...table, columns } };
}

function layoutReason(before: TableDef, table: TableDef): string | null {
  if (!sameList(before.key, table.key)) return 'its primary key changed';
  if (JSON.stringify(before.selector) !== JSON.stringify(table.selector)) {
    return 'its selector rule changed';
  }
  for (const [index, column] of before.columns.entries()) {
    const now = table.columns[index];
    if (now?.name !== column.name) return `column ${column.name} was dropped, renamed or moved`;
    if (now.kind !== column.kind && !(column.kind === 'int' && now.kind === 'bigint')) {
      return `column ${column.name} changed its type to ${now.type}`;
    }
  }
  return null;
}

function rewriteReason(
  before: TableDef,
  { table, fills, isRewritten }: ChangedTable,
): string | null {
  if (isRewritten === true) return 'its rows were rewritten';
  for (const column of table.columns.slice(before.columns.length)) {
    if (fills[column.name] === 'unknown') {
      return `column ${column.name} was added with a value of its own for each row`;
    }
  }
  if (isRewritten === false) return null;
  for (const [index, column] of before.columns.entries()) {
    const now = table.columns[index]?.type ?? '';
    if (now !== column.type && !isHarmless(column.type, now)) {
      return `column ${column.name} changed its type to ${now}`;
    }
  }
  return null;
}

/** Changes of type that Postgres makes without touching a value: longer or no limits of text. */
function isHarmless(before: string, now: string): boolean {
  const old = /^character varying(?:\((\d+)\))?$/.exec(before);
  if (old === null) return before === 'text' && now === 'character varying';
  if (now === 'text' || now === 'character varying') return true;
  const next = /^character varying\((\d+)\)$/.exec(now);
  return old[1] !== undefined && next !== null && Number(next[1]) >= Number(old[1]);
}

function sameIndexes(before: TableDef, table: TableDef): boolean {
  return JSON.stringify(before.indexes) === JSON.stringify(table.indexes);
}

function sameTwoway(before: TableDef, table: TableDef): boolean {
  return JSON.stringify(before.twoway ?? null) === JSON.stringify(table.twoway ?? null);
}

function sameTypes(before: TableDef, table: TableDef): boolean {
  return before.columns.every((column, index) => column.type === table.columns[index]?.type);
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}
