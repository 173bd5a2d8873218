/** Committed changes in the form of the evidence. */
import type { TableDef } from '../core/table.ts';
import type { Database, RowChange } from './database.ts';
import type { CommittedChange } from './evidence.ts';
import { keyOf, namedRow, type Row } from './tables.ts';

export function changesOf(changes: readonly RowChange[]): readonly CommittedChange[] {
  return changes.flatMap(({ table, kind, old, row, alteration }) => {
    if (alteration === undefined) return [changeOf(table, kind, { old, row })];
    const { before, rows, move } = alteration;
    return [altered(table), ...rows.map((one) => moved({ before, after: table }, one, move(one)))];
  });
}

/** What leads from one state of the database to another one. */
export function changesBetween(before: Database, after: Database): readonly CommittedChange[] {
  return after.tables.flatMap((table) => {
    const old = before.tables.find(({ name }) => name === table.name) ?? table;
    const isAltered = old !== table;
    const [had, has] = [byKey(before.rows(old)), byKey(after.rows(table))];
    const gone = [...had].filter(([key]) => !has.has(key));
    const others = [...has].flatMap(([key, row]): CommittedChange[] => {
      const was = had.get(key);
      if (was === undefined) return [changeOf(table, 'insert', { old: null, row })];
      if (!isAltered && was.join('\u0000') === row.join('\u0000')) return [];
      return [moved({ before: old, after: table }, was, row)];
    });
    return [
      ...gone.map(([, row]) => changeOf(old, 'delete', { old: row, row: null })),
      ...(isAltered ? [altered(table)] : []),
      ...others,
    ];
  });
}

function changeOf(
  table: TableDef,
  op: CommittedChange['op'],
  { old, row }: { readonly old: Row | null; readonly row: Row | null },
): CommittedChange {
  return {
    ...{ table: table.name, op },
    old: old === null ? null : namedRow(table, old),
    row: row === null ? null : namedRow(table, row),
  };
}

function altered({ name, columns }: TableDef): CommittedChange {
  return { table: name, op: 'alter', old: null, row: null, columns };
}

function moved(
  tables: { readonly before: TableDef; readonly after: TableDef },
  old: Row,
  row: Row,
): CommittedChange {
  return {
    ...{ table: tables.after.name, op: 'update' },
    old: namedRow(tables.before, old),
    row: namedRow(tables.after, row),
  };
}

function byKey(rows: readonly Row[]): ReadonlyMap<string, Row> {
  return new Map(rows.map((row) => [keyOf(row), row]));
}
