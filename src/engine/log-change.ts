/** A stored line as fields with names, for people: by the table's definition of now, long values cut. */
import { keyPositions, type TableDef } from '../core/table.ts';
import type { JsonCell } from '../core/value.ts';
import type { LogChange, LogField } from '../protocol/dashboard.ts';
import type { StoredLine } from './log-lines.ts';

const VALUE_CHARS_MAX = 2000;

/** A line as this program wrote it; the group has passed its checksum. */
type Content = {
  readonly type: string;
  readonly table: string | TableDef;
  readonly row?: readonly JsonCell[];
  readonly cols?: readonly number[];
  readonly key?: readonly JsonCell[];
  readonly old?: readonly JsonCell[];
  readonly reason?: string;
};

export function changeOfLine(
  line: StoredLine,
  index: number,
  tables: ReadonlyMap<string, TableDef>,
): LogChange {
  const content = JSON.parse(line.bytes.toString('utf8')) as Content;
  const { type: op, table: named } = content;
  if (typeof named !== 'string') {
    const note = named.columns.map(({ name, type }) => `${name} ${type}`).join(', ');
    return { index, op, table: named.name, note };
  }
  const table = tables.get(named);
  const { row, cols, key, old, reason } = content;
  return {
    ...{ index, op, table: named, selector: line.selector },
    ...(key === undefined ? {} : { key: fields(table, key, table && keyPositions(table)) }),
    ...(row === undefined ? {} : { row: fields(table, row, cols) }),
    ...(old === undefined ? {} : { old: fields(table, old) }),
    ...(reason === undefined ? {} : { note: reason }),
  };
}

/** Columns that the table has no more, or not yet, are named by their place. */
export function fields(
  table: TableDef | undefined,
  values: readonly JsonCell[],
  places?: readonly number[] | undefined,
): readonly LogField[] {
  return values.map((value, at) => {
    const place = places?.[at] ?? at;
    return [table?.columns[place]?.name ?? `column ${place + 1}`, cut(value)];
  });
}

function cut(value: JsonCell): JsonCell {
  if (typeof value !== 'string' || value.length <= VALUE_CHARS_MAX) return value;
  return `${value.slice(0, VALUE_CHARS_MAX)}… (${value.length} characters)`;
}
