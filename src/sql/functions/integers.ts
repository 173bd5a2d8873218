/** Arithmetic of whole numbers: exact, or 22003. */
import { sqlError } from '../errors.ts';
import { checkInteger } from '../values/integer.ts';
import { define, type SqlFunction } from './definition.ts';

const divisionByZero = (): Error => sqlError('22012', 'division by zero');

function divide(a: bigint, b: bigint): bigint {
  if (b === 0n) throw divisionByZero();
  return a / b;
}

function remainder(a: bigint, b: bigint): bigint {
  if (b === 0n) throw divisionByZero();
  return a % b;
}

function greatestDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

function leastMultiple(a: bigint, b: bigint): bigint {
  if (a === 0n || b === 0n) return 0n;
  const product = (a / greatestDivisor(a, b)) * b;
  return product < 0n ? -product : product;
}

const absolute = (a: bigint): bigint => (a < 0n ? -a : a);

const TYPES = ['int2', 'int4', 'int8'] as const;
const BITS = { int2: 16n, int4: 32n, int8: 64n } as const;

const ofType = (type: (typeof TYPES)[number]): readonly SqlFunction[] => {
  const bound = (value: bigint): bigint => checkInteger(type, value);
  const wrap = (value: bigint): bigint => BigInt.asIntN(Number(BITS[type]), value);
  // C shifts int2 as int4, and by the low bits of the count.
  const places = (count: bigint): bigint => count & (type === 'int8' ? 63n : 31n);
  return [
    define(`+(${type}, ${type}) ${type}`, (a, b) => bound(a + b)),
    define(`-(${type}, ${type}) ${type}`, (a, b) => bound(a - b)),
    define(`*(${type}, ${type}) ${type}`, (a, b) => bound(a * b)),
    define(`/(${type}, ${type}) ${type}`, (a, b) => bound(divide(a, b))),
    define(`%(${type}, ${type}) ${type}`, remainder),
    define(`mod(${type}, ${type}) ${type}`, remainder),
    define(`-(${type}) ${type}`, (a) => bound(-a)),
    define(`+(${type}) ${type}`, (a) => a),
    define(`@(${type}) ${type}`, (a) => bound(absolute(a))),
    define(`abs(${type}) ${type}`, (a) => bound(absolute(a))),
    define(`&(${type}, ${type}) ${type}`, (a, b) => a & b),
    define(`|(${type}, ${type}) ${type}`, (a, b) => a | b),
    define(`#(${type}, ${type}) ${type}`, (a, b) => a ^ b),
    define(`~(${type}) ${type}`, (a) => ~a),
    define(`<<(${type}, int4) ${type}`, (a, count) => wrap(a << places(count))),
    define(`>>(${type}, int4) ${type}`, (a, count) => wrap(a >> places(count))),
  ];
};

const ofWideType = (type: 'int4' | 'int8'): readonly SqlFunction[] => [
  define(`gcd(${type}, ${type}) ${type}`, (a, b) => checkInteger(type, greatestDivisor(a, b))),
  define(`lcm(${type}, ${type}) ${type}`, (a, b) => checkInteger(type, leastMultiple(a, b))),
  define(`to_hex(${type}) text`, (a) => BigInt.asUintN(Number(BITS[type]), a).toString(16)),
];

export const integerFunctions: readonly SqlFunction[] = [
  ...TYPES.flatMap(ofType),
  ...(['int4', 'int8'] as const).flatMap(ofWideType),
];
