/** hot path: ChangeListPb in pieces. Its fields may come in any order, so the list is written before its ends. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { TableDef } from '../../core/table.ts';
import type { Cell } from '../../core/value.ts';
import type { Change, Row } from './change.ts';
import { changeTableName } from './names.ts';
import { formatSequence } from './sequence.ts';
import { type Column, columnsOf } from './values.ts';

const { Varint, Bit64, LengthDelimited } = WireType;

/** `changes` of a ChangeListPb. */
export function changesProto(changes: readonly Change[]): Uint8Array {
  const out = new BinaryWriter();
  for (const change of changes) {
    out.tag(3, LengthDelimited).fork();
    writeChange(out, change);
    out.join();
  }
  return out.finish();
}

/** `lastSequence` and `firstSequence` of a ChangeListPb. */
export function sequencesProto(last: string, first: string): Uint8Array {
  const out = new BinaryWriter().tag(1, LengthDelimited).string(last);
  return out.tag(2, LengthDelimited).string(first).finish();
}

/** Zeros are left out here, and written inside `ValuePb`: a client tells them from NULL. */
function writeChange(out: BinaryWriter, change: Change): void {
  const { table, sequence, txid } = change;
  const { ts, index } = sequence;
  out.tag(1, Varint).int32(change.operation);
  out.tag(2, LengthDelimited).string(changeTableName(table.name));
  out.tag(3, LengthDelimited).string(formatSequence(sequence));
  out.tag(4, Varint).uint64(ts);
  out.tag(5, Varint).uint64(ts);
  if (index > 0) out.tag(6, Varint).uint32(index);
  if (change.newRow !== null) writeRow(out, { field: 8, table, row: change.newRow });
  if (change.oldRow !== null) writeRow(out, { field: 9, table, row: change.oldRow });
  const seconds = Math.floor(change.micros / 1e6);
  if (seconds > 0) out.tag(10, Varint).int64(seconds);
  if (txid > 0) out.tag(11, Varint).uint64(txid);
}

function writeRow(
  out: BinaryWriter,
  { field, table, row }: { field: number; table: TableDef; row: Row },
): void {
  const { positions, cells } = row;
  const columns = columnsOf(table);
  for (let index = 0; index < cells.length; index += 1) {
    const column = columns[positions === null ? index : (positions[index] ?? 0)];
    if (column === undefined) continue;
    out.tag(field, LengthDelimited).fork();
    out.tag(1, LengthDelimited).string(column.name);
    const cell = cells[index] ?? null;
    if (cell !== null) {
      out.tag(2, LengthDelimited).fork();
      writeValue(out, column, cell);
      out.join();
    }
    out.tag(3, Varint).int32(column.oid);
    out.join();
  }
}

/** A number that SQLite would turn into NULL (NaN) goes as text, as it stands in snapshots. */
function writeValue(out: BinaryWriter, { kind }: Column, cell: Exclude<Cell, null>): void {
  if (typeof cell === 'string') out.tag(1, LengthDelimited).string(cell);
  else if (cell instanceof Uint8Array) out.tag(5, LengthDelimited).bytes(cell);
  else if (kind === 'bool') out.tag(6, Varint).bool(cell !== 0);
  else if (kind === 'float') out.tag(4, Bit64).double(Number(cell));
  else out.tag(2, Varint).int64(cell);
}
