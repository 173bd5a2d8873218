/** The one table that everybody writes, and how its changes travel. */
import type { TableDef, TwowayDef } from '../../core/table.ts';
import type { UploadChange } from '../../core/upload.ts';
import { type Cell, cellFromJson, type JsonCell } from '../../core/value.ts';
import { type ColumnState, deadRow, type RowState } from '../../merge/row-state.ts';

export const NOTES: TableDef & { readonly twoway: TwowayDef } = {
  name: 'public.note',
  columns: [
    { name: 'id', type: 'text', kind: 'text' },
    { name: 'a', type: 'text', kind: 'text' },
    { name: 'b', type: 'bigint', kind: 'bigint' },
  ],
  key: ['id'],
  indexes: [],
  selector: { kind: 'everyone' },
  twoway: { versions: 'tidelock.note_versions', columns: ['a', 'b'] },
};

/** One change of one row. */
export type Change = { readonly key: string; readonly state: RowState };

/** What an upload's line says. */
export function changeOf(line: UploadChange): Change {
  const [tag, , cl, [key]] = line;
  if (tag === 'd') return { key: String(key), state: deadRow(cl) };
  const columns = new Map<string, ColumnState>();
  if (tag === 'i') {
    line[4].forEach((value, place) => {
      columns.set(nameOf(place), { version: 1, value: cellOf(place, value as JsonCell) });
    });
  } else {
    for (const [place, version, value] of line[4]) {
      columns.set(nameOf(place), { version, value: cellOf(place, value as JsonCell) });
    }
  }
  return { key: String(key), state: { cl, columns } };
}

/** The same text for the same state. */
export function textOf({ cl, columns }: RowState): string {
  const parts = [...columns].sort(([a], [b]) => (a < b ? -1 : 1));
  return [cl, ...parts.map(([name, { version, value }]) => `${name}=${version}:${value}`)].join(
    ' ',
  );
}

function nameOf(place: number): string {
  return NOTES.twoway.columns[place] ?? '';
}

function cellOf(place: number, value: JsonCell): Cell {
  return cellFromJson(NOTES.columns[place + 1]?.kind ?? 'text', value);
}
