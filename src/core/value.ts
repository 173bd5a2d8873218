/**
 * The one canonical form of every Postgres value, used by snapshot, feed, replica and digest alike.
 *
 * A value is a `Cell`: exactly what SQLite stores. It has one JSON form (`cellToJson`/`cellFromJson`) and one
 * origin, the text that Postgres' output function prints under pinned settings (`cellFromText`).
 *
 * | kind          | Postgres types            | SQLite                  | JSON                                   |
 * |---------------|---------------------------|-------------------------|----------------------------------------|
 * | `int`         | int2, int4, oid           | INTEGER                 | number                                 |
 * | `bigint`      | int8                      | INTEGER                 | number; text beyond +-(2^53 - 1)       |
 * | `float`       | float4, float8            | REAL; NaN as text `NaN` | number; text NaN, Infinity, -Infinity  |
 * | `bool`        | bool                      | INTEGER 0 / 1           | true / false                           |
 * | `bytes`       | bytea                     | BLOB                    | base64 text                            |
 * | `timestamptz` | timestamptz               | TEXT, UTC, `+00:00`     | text                                   |
 * | `text`        | every other type          | TEXT                    | text                                   |
 *
 * float4 is its shortest decimal read as a double. SQL NULL is null everywhere.
 */
import { TidelockError } from './errors.ts';

export type ValueKind = 'int' | 'bigint' | 'float' | 'bool' | 'bytes' | 'timestamptz' | 'text';

/** A value as SQLite stores it. Booleans are 0 and 1, NaN is the text `NaN`. */
export type Cell = null | number | bigint | string | Uint8Array;

/** A value as JSON carries it. */
export type JsonCell = null | number | string | boolean;

const KIND_BY_OID: ReadonlyMap<number, ValueKind> = new Map([
  [16, 'bool'],
  [17, 'bytes'],
  [20, 'bigint'],
  [21, 'int'],
  [23, 'int'],
  [26, 'int'],
  [700, 'float'],
  [701, 'float'],
  [1184, 'timestamptz'],
]);

/** The kind of a Postgres *base* type (resolve domains first). Types we do not know are text. */
export function kindOfType(oid: number): ValueKind {
  return KIND_BY_OID.get(oid) ?? 'text';
}

/**
 * The declared type of a SQLite column. Floats have none on purpose: a REAL column would turn -0 into 0.
 */
export function sqliteTypeOf(kind: ValueKind): 'INTEGER' | 'TEXT' | 'BLOB' | '' {
  switch (kind) {
    case 'int':
    case 'bigint':
    case 'bool':
      return 'INTEGER';
    case 'bytes':
      return 'BLOB';
    case 'float':
      return '';
    default:
      return 'TEXT';
  }
}

/** Reads the text of Postgres' output function (DateStyle ISO, UTC, bytea hex, shortest floats). */
export function cellFromText(kind: ValueKind, text: string): Cell {
  switch (kind) {
    case 'int':
      return Number(text);
    case 'bigint':
      return narrow(text);
    case 'float':
      return text === 'NaN' ? 'NaN' : Number(text);
    case 'bool':
      return text === 't' ? 1 : 0;
    case 'bytes':
      return bytesFromHex(text);
    case 'timestamptz':
      return utcText(text);
    default:
      return text;
  }
}

/** `2026-01-01 00:00:00+00` -> `...+00:00`, so that SQLite's date functions read it. BC and infinity stay as they are. */
function utcText(text: string): string {
  return text.endsWith('+00') ? `${text}:00` : text;
}

/** The JSON form of a cell. -0 survives only through `cellToJsonText`. */
export function cellToJson(kind: ValueKind, cell: Cell): JsonCell {
  if (cell === null) return null;
  if (typeof cell === 'bigint') return safe(cell) ? Number(cell) : cell.toString();
  if (typeof cell === 'number') {
    if (kind === 'bool') return cell !== 0;
    return Number.isFinite(cell) ? cell : String(cell);
  }
  return typeof cell === 'string' ? cell : base64FromBytes(cell);
}

/** The JSON text of a cell: the bytes that stand in the feed. */
export function cellToJsonText(kind: ValueKind, cell: Cell): string {
  if (typeof cell === 'number' && Object.is(cell, -0)) return '-0';
  return JSON.stringify(cellToJson(kind, cell));
}

/** Reads a cell from the feed. Throws `PROTOCOL` when the JSON value cannot be of this kind. */
export function cellFromJson(kind: ValueKind, json: JsonCell): Cell {
  if (json === null) return null;
  switch (kind) {
    case 'bool':
      if (typeof json === 'boolean') return json ? 1 : 0;
      break;
    case 'int':
      if (typeof json === 'number') return json;
      break;
    case 'bigint':
      if (typeof json === 'number') return json;
      if (typeof json === 'string') return narrow(json);
      break;
    case 'float':
      if (typeof json === 'number') return json;
      if (json === 'NaN') return 'NaN';
      if (json === 'Infinity' || json === '-Infinity') return Number(json);
      break;
    case 'bytes':
      if (typeof json === 'string') return bytesFromBase64(json);
      break;
    default:
      if (typeof json === 'string') return json;
  }
  throw new TidelockError({
    code: 'PROTOCOL',
    message: `a value of kind ${kind} cannot be ${JSON.stringify(json)?.slice(0, 60)}`,
    hint: 'the other side speaks another protocol version; compare the versions in /v1/status',
  });
}

/** True when two cells are the same stored value (1 and 1n are). */
export function sameCell(a: Cell, b: Cell): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return a.length === b.length && a.every((byte, index) => byte === b[index]);
  }
  if (typeof a === 'bigint' && typeof b === 'number') return Number.isInteger(b) && a === BigInt(b);
  if (typeof b === 'bigint' && typeof a === 'number') return Number.isInteger(a) && b === BigInt(a);
  return Object.is(a, b);
}

function safe(value: bigint): boolean {
  return value <= 9007199254740991n && value >= -9007199254740991n;
}

function narrow(text: string): number | bigint {
  if (text.length <= 15) return Number(text);
  const value = BigInt(text);
  return safe(value) ? Number(value) : value;
}

function bytesFromHex(text: string): Uint8Array {
  const bytes = new Uint8Array((text.length - 2) / 2);
  for (let index = 0; index < bytes.length; index += 1) {
    bytes[index] = Number.parseInt(text.slice(2 + index * 2, 4 + index * 2), 16);
  }
  return bytes;
}

function base64FromBytes(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function bytesFromBase64(text: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(text);
  } catch (cause) {
    throw new TidelockError({ code: 'PROTOCOL', message: 'a bytes value is not base64', cause });
  }
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < bytes.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return bytes;
}
