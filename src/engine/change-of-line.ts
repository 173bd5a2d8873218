/** From a stored line to a change with cells, by the table's present definition. */
import { TidelockError } from '../core/errors.ts';
import { keyPositions, type TableDef } from '../core/table.ts';
import { type Cell, cellFromJson, type JsonCell } from '../core/value.ts';
import type { RawLine } from '../protocol/lines.ts';
import { type Change, OPERATIONS, type Row } from '../protocol/transicator/change.ts';
import type { Sequence } from '../protocol/transicator/sequence.ts';

export type LinePlace = {
  readonly tables: ReadonlyMap<string, TableDef>;
  readonly sequence: Sequence;
  readonly txid: number;
  readonly micros: number;
};

/** A row change as it stands in the log. `old` is the whole row before, where the source tells it. */
type StoredChange = {
  readonly type: 'insert' | 'update' | 'delete';
  readonly table: string;
  readonly row?: readonly JsonCell[];
  readonly cols?: readonly number[];
  readonly key?: readonly JsonCell[];
  readonly old?: readonly JsonCell[];
};

/**
 * Null for lines that change no row (a definition). Rows that are older than a column lack it at their end.
 * Throws `TOO_OLD` for what no change can express: such lines are never inside what is read.
 */
export function changeOf(line: RawLine, place: LinePlace): Change | null {
  switch (line.type) {
    case 'insert':
    case 'update':
    case 'delete':
      // The casts trust what this program wrote; the group has passed its checksum.
      return rowChange(line as unknown as StoredChange, place);
    case 'table':
      return null;
    default:
      throw cannotFollow(line.type, String(line.table));
  }
}

function rowChange(line: StoredChange, place: LinePlace): Change {
  const { tables, sequence, txid, micros } = place;
  const table = tables.get(line.table);
  if (table === undefined) throw cannotFollow(line.type, line.table);
  return {
    ...{ table, sequence, txid, micros },
    operation: OPERATIONS[line.type],
    newRow: line.row === undefined ? null : rowOf(table, line.cols ?? null, line.row),
    oldRow: oldRowOf(table, line),
  };
}

function oldRowOf(table: TableDef, { old, key }: StoredChange): Row | null {
  if (old !== undefined) return rowOf(table, null, old);
  return key === undefined ? null : rowOf(table, keyPositions(table), key);
}

function rowOf(
  table: TableDef,
  positions: readonly number[] | null,
  values: readonly JsonCell[],
): Row {
  const cells = values.map((value, at): Cell => {
    const column = table.columns[positions === null ? at : (positions[at] ?? 0)];
    if (column === undefined) throw cannotFollow('row', table.name);
    return cellFromJson(column.kind, value);
  });
  return { positions, cells };
}

/** Why a reader that only knows rows cannot go on. */
export function cannotFollow(what: string, table: string): TidelockError {
  return new TidelockError({
    code: 'TOO_OLD',
    message: `table ${table} changed in a way (${what}) that no row change can express`,
    hint: 'take a new snapshot',
  });
}
