/** hot path: a snapshot as a stream of protobuf messages, each behind its length as four bytes, big end first. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { TableDef } from '../../core/table.ts';
import type { Cell } from '../../core/value.ts';
import { changeTableName } from './names.ts';
import { type Column, columnsOf, isTimestamp, timestampMicros, valueText } from './values.ts';

const { Varint, LengthDelimited } = WireType;
const LENGTH_BYTES = 4;

/** SnapshotHeaderPb, the first frame. */
export function headerFrame(timestamp: string, snapshot: string): Uint8Array {
  const out = new BinaryWriter().tag(1, LengthDelimited).string(timestamp);
  return frame(out.tag(2, LengthDelimited).string(snapshot).finish());
}

/** A StreamMessagePb that announces a table. */
export function tableFrame(table: TableDef): Uint8Array {
  const out = new BinaryWriter().tag(1, LengthDelimited).fork();
  out.tag(1, LengthDelimited).string(changeTableName(table.name));
  for (const { name, oid } of columnsOf(table)) {
    out.tag(2, LengthDelimited).fork();
    out.tag(1, LengthDelimited).string(name).tag(3, Varint).int32(oid);
    out.join();
  }
  return frame(out.join().finish());
}

/** StreamMessagePb with rows of the table that was announced last, one frame each. NULL is an empty ValuePb. */
export function rowFrames(table: TableDef, rows: readonly (readonly Cell[])[]): Uint8Array {
  const columns = columnsOf(table);
  const out = new BinaryWriter();
  return frames(
    rows.map((cells) => {
      out.tag(2, LengthDelimited).fork();
      for (let at = 0; at < columns.length; at += 1) {
        const column = columns[at];
        const cell = cells[at] ?? null;
        out.tag(1, LengthDelimited).fork();
        if (column !== undefined && cell !== null) writeValue(out, column, cell);
        out.join();
      }
      return out.join().finish();
    }),
  );
}

/** Integers and timestamps have fields of their own; all else is Postgres' text, as bytes. */
function writeValue(out: BinaryWriter, column: Column, cell: Exclude<Cell, null>): void {
  const { kind } = column;
  if (kind === 'int' || kind === 'bigint') {
    if (typeof cell === 'number' || typeof cell === 'bigint') out.tag(2, Varint).int64(cell);
    return;
  }
  const micros = typeof cell === 'string' && isTimestamp(column) ? timestampMicros(cell) : null;
  if (micros !== null) out.tag(7, Varint).int64(micros);
  else out.tag(5, LengthDelimited).bytes(bytesOf(column, cell));
}

const encoder = new TextEncoder();
const TRUE = encoder.encode('t');
const FALSE = encoder.encode('f');

function bytesOf({ kind }: Column, cell: Exclude<Cell, null>): Uint8Array {
  if (cell instanceof Uint8Array) return cell;
  if (kind === 'bool') return cell === 0 ? FALSE : TRUE;
  return encoder.encode(valueText(kind, cell));
}

function frame(message: Uint8Array): Uint8Array {
  return frames([message]);
}

function frames(messages: readonly Uint8Array[]): Uint8Array {
  const bytes = messages.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0);
  const out = new Uint8Array(bytes);
  const view = new DataView(out.buffer);
  let at = 0;
  for (const message of messages) {
    view.setUint32(at, message.length);
    out.set(message, at + LENGTH_BYTES);
    at += LENGTH_BYTES + message.length;
  }
  return out;
}
