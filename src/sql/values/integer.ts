/** The bounds of PostgreSQL's integers, and how they are read. In storage and in functions all are bigints. */
import { sqlError } from '../errors.ts';

export type IntegerType = 'int2' | 'int4' | 'int8';

const BOUNDS: Readonly<Record<IntegerType, bigint>> = {
  int2: 2n ** 15n,
  int4: 2n ** 31n,
  int8: 2n ** 63n,
};

const NAMES: Readonly<Record<IntegerType, string>> = {
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
};

export function isIn(type: IntegerType, value: bigint): boolean {
  const bound = BOUNDS[type];
  return value >= -bound && value < bound;
}

/** Throws 22003 when the value is none of the type. */
export function checkInteger(type: IntegerType, value: bigint): bigint {
  if (isIn(type, value)) return value;
  throw sqlError('22003', `${NAMES[type]} out of range`);
}

export function parseInteger(type: IntegerType, text: string): bigint {
  const match = /^\s*([+-]?)(\d+)\s*$/.exec(text);
  if (match === null) {
    throw sqlError('22P02', `invalid input syntax for type ${NAMES[type]}: "${text}"`);
  }
  const magnitude = BigInt(match[2] ?? '0');
  const value = match[1] === '-' ? -magnitude : magnitude;
  if (isIn(type, value)) return value;
  throw sqlError('22003', `value "${text}" is out of range for type ${NAMES[type]}`);
}
