/** Values in PostgreSQL's binary formats, for clients that ask for them. */

import { sqlError } from '../sql/errors.ts';
import { fromStored, type Stored, toStored } from '../sql/storage.ts';
import { toPostgresText } from '../sql/text-values.ts';
import type { SqlType, SqlValue } from '../sql/types.ts';
import { parseArray, type TextArray } from '../sql/values/array.ts';
import { textOf as utf8TextOf } from './incoming.ts';
import { intervalFromBinary, intervalToBinary } from './interval.ts';
import { numericFromBinary, numericToBinary } from './numeric.ts';
import { oidOf, sizeOf } from './oids.ts';

/** The version byte before the text of a jsonb. */
const JSONB_VERSION = 1;

/** Not for NULL, which has no bytes. */
export function binaryOf(type: SqlType, value: Exclude<SqlValue, null>): Uint8Array | string {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'boolean') return Buffer.of(value ? 1 : 0);
  if (typeof value === 'string') return binaryOfText(type, value);
  return binaryOfNumber(type, value);
}

function binaryOfText(type: SqlType, text: string): Uint8Array | string {
  switch (type) {
    case 'numeric':
      return numericToBinary(text);
    case 'uuid':
      return Buffer.from(text.replaceAll('-', ''), 'hex');
    case 'date':
      return wholeToBinary(4, toStored(type, text));
    case 'timestamp':
    case 'timestamptz':
      return wholeToBinary(8, toStored(type, text));
    case 'interval':
      return intervalToBinary(text);
    case 'jsonb':
      return String.fromCharCode(JSONB_VERSION) + text;
    case '_text':
      return arrayToBinary(parseArray(text));
    default:
      return text;
  }
}

/** Dates and times are stored as PostgreSQL sends them: whole numbers counted from the year 2000. */
function wholeToBinary(size: 4 | 8, stored: Stored): Buffer {
  const bytes = Buffer.alloc(size);
  const whole = BigInt(stored as bigint);
  if (size === 4) bytes.writeInt32BE(Number(whole));
  else bytes.writeBigInt64BE(whole);
  return bytes;
}

/** One dimension that begins at 1; -1 is the length of NULL. */
function arrayToBinary(elements: TextArray): Buffer {
  const hasNulls = elements.includes(null) ? 1 : 0;
  const head = [elements.length === 0 ? 0 : 1, hasNulls, oidOf('text')];
  if (elements.length > 0) head.push(elements.length, 1);
  const parts = elements.flatMap((one) => {
    const bytes = Buffer.from(one ?? '');
    return [wholeToBinary(4, one === null ? -1n : BigInt(bytes.length)), bytes];
  });
  return Buffer.concat([...head.map((number) => wholeToBinary(4, BigInt(number))), ...parts]);
}

function binaryOfNumber(type: SqlType, value: number | bigint): Uint8Array | string {
  const bytes = Buffer.alloc(Math.max(0, sizeOf(type)));
  switch (type) {
    case 'int2':
      bytes.writeInt16BE(Number(value));
      return bytes;
    case 'int4':
      bytes.writeInt32BE(Number(value));
      return bytes;
    case 'oid':
      bytes.writeUInt32BE(Number(value));
      return bytes;
    case 'int8':
      bytes.writeBigInt64BE(BigInt(value));
      return bytes;
    case 'float4':
      bytes.writeFloatBE(Number(value));
      return bytes;
    case 'float8':
      bytes.writeDoubleBE(Number(value));
      return bytes;
    default:
      return toPostgresText(type, value) ?? '';
  }
}

/** Reads a parameter. Throws for bytes that are no such value. */
export function valueOfBinary(type: SqlType, bytes: Buffer): SqlValue {
  const size = sizeOf(type);
  if (size > 0 && bytes.length !== size) {
    throw sqlError('22P03', `a binary ${type} has ${size} bytes, not ${bytes.length}`);
  }
  switch (type) {
    case 'bool':
      return bytes[0] !== 0;
    case 'int2':
      return bytes.readInt16BE(0);
    case 'int4':
      return bytes.readInt32BE(0);
    case 'oid':
      return bytes.readUInt32BE(0);
    case 'int8':
      return bytes.readBigInt64BE(0);
    case 'float4':
      return bytes.readFloatBE(0);
    case 'float8':
      return bytes.readDoubleBE(0);
    case 'numeric':
      return numericFromBinary(bytes);
    case 'uuid':
      return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    case 'bytea':
      return new Uint8Array(bytes);
    default:
      return textValueOf(type, bytes);
  }
}

function textValueOf(type: SqlType, bytes: Buffer): string {
  switch (type) {
    case 'date':
      return String(fromStored(type, BigInt(bytes.readInt32BE(0))));
    case 'timestamp':
    case 'timestamptz':
      return String(fromStored(type, bytes.readBigInt64BE(0)));
    case 'interval':
      return intervalFromBinary(bytes);
    case 'jsonb':
      if (bytes[0] !== JSONB_VERSION) throw sqlError('22P03', 'no version of jsonb that is known');
      return utf8TextOf(bytes.subarray(1));
    case '_text':
      throw sqlError('0A000', 'an array as a binary parameter is not supported: send it as text');
    default:
      return utf8TextOf(bytes);
  }
}
