/** How replicated tables look in Transicator's SQLite files. */
import { keyPositions, type TableDef } from '../core/table.ts';
import { changeTableName, sqliteNames, type TableNaming } from '../protocol/transicator/names.ts';
import { type Column, columnsOf, isTimestamp } from '../protocol/transicator/values.ts';
import type { FileColumn, FileTable } from '../sqlite/transicator-file.ts';

/** In the order of `tables`. */
export function fileLayout(tables: readonly TableDef[], naming: TableNaming): readonly FileTable[] {
  const names = sqliteNames(
    tables.map(({ name }) => name),
    naming,
  );
  return tables.map((table, at): FileTable => {
    const { name = '', alias = null } = names[at] ?? {};
    const key = new Set(keyPositions(table));
    const columns = columnsOf(table).map((column, position): FileColumn => {
      const { name: columnName, oid, kind } = column;
      const declared = declaredType(column);
      return { name: columnName, oid, isKey: key.has(position), declared, isBool: kind === 'bool' };
    });
    // A client prepares an UPDATE of the other columns for every table listed: there must be some.
    const isAliased = alias !== null && key.size < columns.length;
    return {
      ...{ name, columns },
      alias: isAliased ? { view: alias, listedAs: changeTableName(table.name) } : null,
    };
  });
}

function declaredType(column: Column): FileColumn['declared'] {
  if (isTimestamp(column)) return 'blob';
  switch (column.kind) {
    case 'int':
    case 'bigint':
      return 'integer';
    case 'float':
      return 'real';
    case 'bytes':
      return 'blob';
    default:
      return 'text';
  }
}
