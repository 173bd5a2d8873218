/** Values as text: what PostgreSQL's input functions read and its output functions print. */
import { unreachable } from '../core/assert.ts';
import { sqlError } from './errors.ts';
import { fromStored, type Stored, storedFloat, toStored } from './storage.ts';
import { longName } from './type-names.ts';
import type { SqlType, SqlValue } from './types.ts';
import { formatArray, parseArray } from './values/array.ts';
import { fromHex, toHex } from './values/bytes.ts';
import { formatDate, formatTimestamp, parseDateTime } from './values/datetime.ts';
import { formatFloat4, formatFloat8, parseFloatText } from './values/float.ts';
import { parseInteger } from './values/integer.ts';
import { formatInterval, parseInterval } from './values/interval.ts';
import { formatJson, parseJson } from './values/json.ts';
import { formatNumeric, parseNumeric } from './values/numeric.ts';

/** Reads what a user wrote. Throws 22P02, 22003, 22007 or 22008. */
export function storedFromText(type: SqlType, text: string): Stored {
  switch (type) {
    case 'bool':
      return parseBool(text);
    case 'int2':
    case 'int4':
    case 'int8':
      return parseInteger(type, text);
    case 'float4':
    case 'float8':
      return storedFloat(parseFloatText(type, text));
    case 'numeric':
      return parseNumericText(text);
    case 'oid':
      return parseOid(text);
    case '_text':
      return formatArray(parseArray(text));
    case 'text':
    case 'unknown':
      return text;
    case 'uuid':
      return parseUuid(text);
    case 'bytea':
      return parseBytes(text);
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      return parseDateTime(type, text);
    case 'interval':
      return formatInterval(parseInterval(text));
    case 'jsonb':
      return formatJson(parseJson(text));
    default:
      return unreachable(type);
  }
}

/** As PostgreSQL prints it. */
export function textFromStored(type: SqlType, stored: Exclude<Stored, null>): string {
  switch (type) {
    case 'bool':
      return stored === 0n ? 'false' : 'true';
    case 'float4':
      return formatFloat4(Number(stored));
    case 'float8':
      return formatFloat8(Number(stored));
    case 'date':
      return formatDate(BigInt(stored as bigint));
    case 'timestamp':
    case 'timestamptz':
      return formatTimestamp(type, BigInt(stored as bigint));
    case 'bytea':
      return stored instanceof Uint8Array ? `\\x${toHex(stored)}` : String(stored);
    default:
      return String(stored);
  }
}

/** What PostgreSQL prints for a value on the wire: as `textFromStored`, booleans as `t` and `f`. */
export function toPostgresText(type: SqlType, value: SqlValue): string | null {
  if (value === null) return null;
  if (type === 'bool') return value === true ? 't' : 'f';
  if (typeof value === 'string' && columnsOfText.has(type)) return value;
  const stored = toStored(type, value);
  return stored === null ? null : textFromStored(type, stored);
}

/** Types whose values are held as the text that is printed. */
const columnsOfText: ReadonlySet<SqlType> = new Set([
  'text',
  'uuid',
  'numeric',
  'interval',
  'jsonb',
  '_text',
  'date',
  'timestamp',
  'timestamptz',
  'unknown',
]);

/** Reads what PostgreSQL or a client wrote for a value of `type`. Null is NULL. */
export function fromPostgresText(type: SqlType, text: string | null): SqlValue {
  return text === null ? null : fromStored(type, storedFromText(type, text));
}

const invalid = (type: SqlType, text: string): Error =>
  sqlError('22P02', `invalid input syntax for type ${longName(type)}: "${text}"`);

/** Any beginning of a word that is of one meaning only. */
function parseBool(text: string): bigint {
  const word = text.trim().toLowerCase();
  const isOf = (...words: readonly string[]): boolean =>
    word !== '' && words.some((one) => one.startsWith(word));
  if (word === '1' || word === 'on' || isOf('true', 'yes')) return 1n;
  if (word === '0' || (word.length > 1 && isOf('off')) || isOf('false', 'no')) return 0n;
  throw invalid('bool', text);
}

/** Unsigned, of 32 bits. */
function parseOid(text: string): bigint {
  const value = parseInteger('int8', text);
  if (value >= 0n && value < 2n ** 32n) return value;
  throw sqlError('22003', `value "${text}" is out of range for type oid`);
}

function parseNumericText(text: string): string {
  const value = parseNumeric(text);
  if (value === null) throw invalid('numeric', text);
  return formatNumeric(value);
}

function parseUuid(text: string): string {
  const bare = /^\{(.*)\}$/.exec(text)?.[1] ?? text;
  const digits = bare.toLowerCase().replace(/([0-9a-f]{4})-(?=[0-9a-f])/g, '$1');
  if (!/^[0-9a-f]{32}$/.test(digits)) throw invalid('uuid', text);
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function parseBytes(text: string): Uint8Array {
  if (!text.startsWith('\\x')) return parseEscaped(text);
  const digits = text.slice(2).replace(/\s/g, '');
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) {
    throw sqlError('22023', 'invalid hexadecimal data for type bytea');
  }
  return fromHex(digits);
}

/** The old form: octal escapes. */
function parseEscaped(text: string): Uint8Array {
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (const [part, octal] of text.matchAll(/\\\\|\\([0-3][0-7]{2})|[^\\]+|\\/g)) {
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else if (part === '\\\\') bytes.push(0x5c);
    else if (part === '\\') throw invalid('bytea', text);
    else bytes.push(...encoder.encode(part));
  }
  return Uint8Array.from(bytes);
}
