/**
 * hot path: turns rows, as they stand in the socket's buffer, into feed lines, without objects in between.
 *
 * Costs about one pass over the bytes. What it writes equals `cellToJsonText(kind, cellFromText(kind, text))`
 * of every value (a property test holds the two together).
 */
import { type RawTuple, TUPLE_NULL, TUPLE_UNCHANGED } from '../core/source.ts';
import type { ValueKind } from '../core/value.ts';
import type { LineBuffer } from '../log/line-buffer.ts';

const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NULL_TEXT = Buffer.from('null');
const TRUE_TEXT = Buffer.from('true');
const FALSE_TEXT = Buffer.from('false');
const OPEN_ZONE = Buffer.from(':00"');
/** Below this many bytes a loop is faster than a native copy. */
const COPY_BYTES_MIN = 48;
/** Longest text of an integer that a double holds exactly whatever its digits. */
const EXACT_DIGITS = 15;

/** Writes the values of the given columns, comma separated. Unchanged values are filled from `fallback`. */
export function writeValues(
  out: LineBuffer,
  request: {
    readonly row: RawTuple;
    readonly fallback: RawTuple | null;
    readonly kinds: readonly ValueKind[];
    readonly columns: readonly number[];
  },
): void {
  const { row, fallback, kinds, columns } = request;
  for (let index = 0; index < columns.length; index += 1) {
    const column = columns[index] ?? 0;
    if (index > 0) {
      out.reserve(1);
      out.bytes[out.length++] = COMMA;
    }
    const source = row.state[column] === TUPLE_UNCHANGED && fallback !== null ? fallback : row;
    writeValue(out, source, column, kinds[column] ?? 'text');
  }
}

function writeValue(out: LineBuffer, row: RawTuple, column: number, kind: ValueKind): void {
  const state = row.state[column];
  if (state === TUPLE_NULL || state === TUPLE_UNCHANGED) {
    writeRaw(out, NULL_TEXT, 0, 4);
    return;
  }
  const start = row.start[column] ?? 0;
  const end = row.end[column] ?? 0;
  switch (kind) {
    case 'int':
      writeRaw(out, row.buffer, start, end);
      return;
    case 'bigint':
      if (end - start <= EXACT_DIGITS) writeRaw(out, row.buffer, start, end);
      else writeLongInteger(out, text(row, start, end));
      return;
    case 'bool':
      if (row.buffer[start] === 0x74) writeRaw(out, TRUE_TEXT, 0, 4);
      else writeRaw(out, FALSE_TEXT, 0, 5);
      return;
    case 'float':
      writeFloat(out, row.buffer, start, end);
      return;
    case 'bytes':
      writeAscii(out, `"${Buffer.from(text(row, start + 2, end), 'hex').toString('base64')}"`);
      return;
    case 'timestamptz':
      writeTimestamp(out, row.buffer, start, end);
      return;
    default:
      writeText(out, row.buffer, start, end);
  }
}

function writeRaw(out: LineBuffer, from: Uint8Array, start: number, end: number): void {
  const size = end - start;
  out.reserve(size);
  const bytes = out.bytes;
  let at = out.length;
  if (size >= COPY_BYTES_MIN) {
    bytes.set(from.subarray(start, end), at);
  } else {
    for (let index = start; index < end; index += 1) bytes[at++] = from[index] ?? 0;
  }
  out.length += size;
}

/** A JSON string. Only quotes, backslashes and control characters need escapes; they are rare. */
function writeText(out: LineBuffer, from: Uint8Array, start: number, end: number): void {
  const size = end - start;
  out.reserve(size + 2);
  const bytes = out.bytes;
  let at = out.length;
  bytes[at++] = QUOTE;
  for (let index = start; index < end; index += 1) {
    const byte = from[index] ?? 0;
    if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) {
      writeEscaped(out, from, start, end);
      return;
    }
    bytes[at++] = byte;
  }
  bytes[at++] = QUOTE;
  out.length = at;
}

function writeEscaped(out: LineBuffer, from: Uint8Array, start: number, end: number): void {
  const decoded = view(from).utf8Slice(start, end);
  out.append(Buffer.from(JSON.stringify(decoded)));
}

function writeTimestamp(out: LineBuffer, from: Uint8Array, start: number, end: number): void {
  const isUtc = from[end - 3] === 0x2b && from[end - 2] === 0x30 && from[end - 1] === 0x30;
  out.reserve(1);
  out.bytes[out.length++] = QUOTE;
  writeRaw(out, from, start, end);
  if (isUtc) writeRaw(out, OPEN_ZONE, 0, 4);
  else writeRaw(out, OPEN_ZONE, 3, 4);
}

/** Postgres prints an exponent from 1e15 on, JSON's writer from 1e21 on: those and NaN, Infinity go the long way. */
function writeFloat(out: LineBuffer, from: Uint8Array, start: number, end: number): void {
  for (let index = start; index < end; index += 1) {
    if ((from[index] ?? 0) > 0x39) {
      const value = Number(view(from).latin1Slice(start, end));
      writeAscii(out, Number.isFinite(value) ? String(value) : `"${value}"`);
      return;
    }
  }
  writeRaw(out, from, start, end);
}

function writeLongInteger(out: LineBuffer, digits: string): void {
  const value = BigInt(digits);
  const isExact = value <= 9007199254740991n && value >= -9007199254740991n;
  writeAscii(out, isExact ? digits : `"${digits}"`);
}

function writeAscii(out: LineBuffer, ascii: string): void {
  out.reserve(ascii.length);
  view(out.bytes).latin1Write(ascii, out.length);
  out.length += ascii.length;
}

function text(row: RawTuple, start: number, end: number): string {
  return view(row.buffer).latin1Slice(start, end);
}

/** The native methods of a Buffer over the same memory. Socket buffers already are Buffers. */
function view(bytes: Uint8Array): Buffer & NativeText {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer as Buffer & NativeText;
}

/** Present on every Node Buffer since version 0.11; the typings leave them out. */
type NativeText = {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
  latin1Write(text: string, at: number): number;
};
