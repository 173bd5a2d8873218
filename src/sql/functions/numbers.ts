/** Arithmetic of `numeric` (exact) and of floats (IEEE, but overflow and division by zero fail). */
import { sqlError } from '../errors.ts';
import { type FloatType, toFloat } from '../values/float.ts';
import { roundHalfEven } from '../values/interval.ts';
import {
  absoluteNumeric,
  addNumeric,
  ceilingNumeric,
  divideNumeric,
  fitNumeric,
  floorNumeric,
  multiplyNumeric,
  negateNumeric,
  remainderNumeric,
  roundNumeric,
  signNumeric,
  subtractNumeric,
  truncateNumeric,
} from '../values/numeric.ts';
import { define, refuseFunction, type SqlFunction } from './definition.ts';

/** `isExact`: the result is zero for a reason other than being too small. */
function checkFloat(value: number, inputs: readonly number[], isZeroFine: boolean): number {
  if (!Number.isFinite(value) && !Number.isNaN(value) && inputs.every(Number.isFinite)) {
    throw sqlError('22003', 'value out of range: overflow');
  }
  if (value === 0 && !isZeroFine) throw sqlError('22003', 'value out of range: underflow');
  return value;
}

function divideFloat(a: number, b: number): number {
  if (b === 0 && !Number.isNaN(a)) throw sqlError('22012', 'division by zero');
  return a / b;
}

type Pair = readonly [FloatType, FloatType, FloatType];

/** Left, right, result. */
const PAIRS: readonly Pair[] = [
  ['float4', 'float4', 'float4'],
  ['float8', 'float8', 'float8'],
  ['float4', 'float8', 'float8'],
  ['float8', 'float4', 'float8'],
];

const ofPair = ([left, right, result]: Pair): readonly SqlFunction[] => {
  const bound = (value: number): number => toFloat(result, value);
  const signature = `(${left}, ${right}) ${result}` as const;
  return [
    define(`+${signature}`, (a, b) => checkFloat(bound(a + b), [a, b], true)),
    define(`-${signature}`, (a, b) => checkFloat(bound(a - b), [a, b], true)),
    define(`*${signature}`, (a, b) => checkFloat(bound(a * b), [a, b], a === 0 || b === 0)),
    define(`/${signature}`, (a, b) =>
      checkFloat(bound(divideFloat(a, b)), [a, b], a === 0 || !Number.isFinite(b)),
    ),
  ];
};

const ofFloat = (type: FloatType): readonly SqlFunction[] => [
  define(`-(${type}) ${type}`, (a) => -a),
  define(`+(${type}) ${type}`, (a) => a),
  define(`@(${type}) ${type}`, Math.abs),
  define(`abs(${type}) ${type}`, Math.abs),
];

function power(a: number, b: number): number {
  if (a === 0 && b < 0) throw sqlError('2201F', 'zero raised to a negative power is undefined');
  if (a < 0 && Number.isFinite(a) && Number.isFinite(b) && !Number.isInteger(b)) {
    throw sqlError('2201F', 'a negative number raised to a non-integer power is complex');
  }
  if (a === 1 || b === 0) return 1;
  if (a === -1 && !Number.isFinite(b) && !Number.isNaN(b)) return 1;
  const isZeroFine = a === 0 || !Number.isFinite(a) || !Number.isFinite(b);
  return checkFloat(a ** b, [a, b], isZeroFine);
}

function squareRoot(a: number): number {
  if (a < 0) throw sqlError('2201F', 'cannot take square root of a negative number');
  return Math.sqrt(a);
}

const float8Functions: readonly SqlFunction[] = [
  define('ceil(float8) float8', Math.ceil),
  define('ceiling(float8) float8', Math.ceil),
  define('floor(float8) float8', Math.floor),
  define('round(float8) float8', (a) => (Number.isFinite(a) ? keepSign(roundHalfEven(a), a) : a)),
  define('trunc(float8) float8', Math.trunc),
  define('sign(float8) float8', (a) => (a > 0 ? 1 : a < 0 ? -1 : 0)),
  define('sqrt(float8) float8', squareRoot),
  define('power(float8, float8) float8', power),
  define('pow(float8, float8) float8', power),
  define('^(float8, float8) float8', power),
  define('pi() float8', () => Math.PI),
];

const keepSign = (value: number, original: number): number =>
  value === 0 && (original < 0 || Object.is(original, -0)) ? -0 : value;

const numericFunctions: readonly SqlFunction[] = [
  define('+(numeric, numeric) numeric', addNumeric),
  define('-(numeric, numeric) numeric', subtractNumeric),
  define('*(numeric, numeric) numeric', multiplyNumeric),
  define('/(numeric, numeric) numeric', divideNumeric),
  define('%(numeric, numeric) numeric', remainderNumeric),
  define('mod(numeric, numeric) numeric', remainderNumeric),
  define('-(numeric) numeric', negateNumeric),
  define('+(numeric) numeric', (a) => a),
  define('@(numeric) numeric', absoluteNumeric),
  define('abs(numeric) numeric', absoluteNumeric),
  define('ceil(numeric) numeric', ceilingNumeric),
  define('ceiling(numeric) numeric', ceilingNumeric),
  define('floor(numeric) numeric', floorNumeric),
  define('round(numeric) numeric', (a) => roundNumeric(a, 0)),
  define('round(numeric, int4) numeric', (a, scale) => roundNumeric(a, Number(scale))),
  define('trunc(numeric) numeric', (a) => truncateNumeric(a, 0)),
  define('trunc(numeric, int4) numeric', (a, scale) => truncateNumeric(a, Number(scale))),
  define('sign(numeric) numeric', signNumeric),
  define('scale(numeric) int4', (a) => (a.kind === 'finite' ? BigInt(a.scale) : null)),
  define('fit_numeric(numeric, int4, int4) numeric', (a, precision, scale) =>
    fitNumeric(a, Number(precision), Number(scale)),
  ),
];

/** Their last digits are a matter of the algorithm. */
const REFUSED = [
  ...['sqrt', 'exp', 'ln', 'log', 'log10'].map((name) => `${name}(numeric) numeric`),
  ...['exp', 'ln', 'log', 'log10', 'cbrt', 'sin', 'cos', 'tan'].map(
    (name) => `${name}(float8) float8`,
  ),
  'power(numeric, numeric) numeric',
  'pow(numeric, numeric) numeric',
  '^(numeric, numeric) numeric',
  'div(numeric, numeric) numeric',
  'log(numeric, numeric) numeric',
];

export const numberFunctions: readonly SqlFunction[] = [
  ...PAIRS.flatMap(ofPair),
  ...(['float4', 'float8'] as const).flatMap(ofFloat),
  ...float8Functions,
  ...numericFunctions,
  ...REFUSED.map(refuseFunction),
];
