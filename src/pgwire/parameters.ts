/** Values that a client binds to `$1`, `$2`, .... */

import { sqlError } from '../sql/errors.ts';
import type { SqlType, SqlValue } from '../sql/types.ts';
import { type Format, textOf } from './incoming.ts';
import { formatAt } from './outgoing.ts';
import { valueOfBinary } from './value-binary.ts';
import { protocolError } from './wire-error.ts';

const INTEGERS: Readonly<Partial<Record<SqlType, readonly [bigint, bigint]>>> = {
  int2: [-(2n ** 15n), 2n ** 15n - 1n],
  int4: [-(2n ** 31n), 2n ** 31n - 1n],
  int8: [-(2n ** 63n), 2n ** 63n - 1n],
};

const FLOAT = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i;
const SPECIAL_FLOATS: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Infinity,
  infinity: Infinity,
  '+infinity': Infinity,
  '-inf': -Infinity,
  '-infinity': -Infinity,
};

/** Throws for a wrong count, and for values that are none of their type. */
export function readValues(
  types: readonly SqlType[],
  values: readonly (Buffer | null)[],
  formats: readonly Format[],
): readonly SqlValue[] {
  if (values.length !== types.length) {
    throw protocolError(
      `${values.length} values are bound, but the statement has ${types.length} parameters`,
    );
  }
  if (formats.length > 1 && formats.length !== values.length) {
    throw protocolError('there must be no format, one, or one for each value');
  }
  return values.map((bytes, index) => {
    const type = types[index] ?? 'text';
    if (bytes === null) return null;
    if (formatAt(formats, index) === 'binary') return valueOfBinary(type, bytes);
    return valueOfText(type, textOf(bytes));
  });
}

/** What has a form of its own in memory is read here; the others are read by the cast of their type. */
export function valueOfText(type: SqlType, text: string): SqlValue {
  switch (type) {
    case 'bool':
      return boolOf(text);
    case 'int2':
    case 'int4':
    case 'int8':
      return integerOf(type, text);
    case 'float4':
    case 'float8':
      return floatOf(type, text);
    case 'bytea':
      return bytesOf(text);
    default:
      return text;
  }
}

function boolOf(text: string): boolean {
  const word = text.trim().toLowerCase();
  if (word === '') throw invalid('boolean', text);
  if (word === '1' || word === 'on' || startsWithin(word, ['true', 'yes'])) return true;
  if (word === '0' || /^off?$/.test(word) || startsWithin(word, ['false', 'no'])) return false;
  throw invalid('boolean', text);
}

function startsWithin(word: string, names: readonly string[]): boolean {
  return names.some((name) => name.startsWith(word));
}

function integerOf(type: 'int2' | 'int4' | 'int8', text: string): number | bigint {
  if (!/^\s*[+-]?\d+\s*$/.test(text)) throw invalid(NAMES[type], text);
  const value = BigInt(text.trim().replace(/^\+/, ''));
  const [min, max] = INTEGERS[type] ?? [0n, 0n];
  if (value < min || value > max) {
    throw sqlError('22003', `value "${text}" is out of range for type ${NAMES[type]}`);
  }
  return type === 'int8' ? value : Number(value);
}

function floatOf(type: 'float4' | 'float8', text: string): number {
  const special = SPECIAL_FLOATS[text.trim().toLowerCase()];
  if (special !== undefined) return special;
  if (!FLOAT.test(text)) throw invalid(NAMES[type], text);
  const value = Number(text);
  return type === 'float4' ? Math.fround(value) : value;
}

/** Hexadecimal digits behind `\x`; else characters, with backslashes doubled and octal escapes. */
function bytesOf(text: string): Uint8Array {
  if (text.startsWith('\\x')) {
    const digits = text.slice(2).replaceAll(/\s/g, '');
    if (!/^(?:[0-9a-f]{2})*$/i.test(digits)) throw invalid('bytea', text);
    return new Uint8Array(Buffer.from(digits, 'hex'));
  }
  if (/\\(?!\\|[0-3][0-7]{2})/.test(text.replaceAll('\\\\', ''))) throw invalid('bytea', text);
  const bytes: number[] = [];
  for (const [part] of text.matchAll(/\\\\|\\[0-3][0-7]{2}|[^\\]+/g)) {
    if (part === '\\\\') bytes.push(0x5c);
    else if (part.startsWith('\\')) bytes.push(Number.parseInt(part.slice(1), 8));
    else bytes.push(...Buffer.from(part, 'utf8'));
  }
  return Uint8Array.from(bytes);
}

const NAMES = {
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  float4: 'real',
  float8: 'double precision',
} as const;

function invalid(type: string, text: string): Error {
  return sqlError('22P02', `invalid input syntax for type ${type}: "${text}"`);
}
