/**
 * PostgreSQL's `numeric`, exactly: a whole number, and how many of its decimal digits stand behind the point. The scale is
 * part of what is shown (1.0 and 1.00 are equal, and print differently).
 */
import { sqlError } from '../errors.ts';

export type Numeric =
  | { readonly kind: 'finite'; readonly coefficient: bigint; readonly scale: number }
  | { readonly kind: 'nan' }
  | { readonly kind: 'infinite'; readonly sign: 1 | -1 };

/** PostgreSQL's bounds: decimal digits before and behind the point. */
const INTEGER_DIGITS_MAX = 131_072;
const SCALE_MAX = 16_383;
/** Of results that are rounded. */
const DISPLAY_SCALE_MAX = 1000;
const SIGNIFICANT_DIGITS_MIN = 16;

export const NUMERIC_NAN: Numeric = { kind: 'nan' };

const FORM = /^\s*([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:e([+-]?\d+))?\s*$/i;

/** Null when the text is no numeric. */
export function parseNumeric(text: string): Numeric | null {
  const match = FORM.exec(text);
  if (match === null) return parseSpecial(text);
  const [, sign, whole = '', behind = '', alone = '', exponent = '0'] = match;
  const fraction = behind + alone;
  const shift = Number(exponent);
  if (!(Math.abs(shift) <= INTEGER_DIGITS_MAX)) throw overflow();
  const magnitude = BigInt(whole + fraction);
  const scale = fraction.length - shift;
  const coefficient = sign === '-' ? -magnitude : magnitude;
  return scale >= 0 ? finite(coefficient, scale) : finite(coefficient * powerOfTen(-scale), 0);
}

function parseSpecial(text: string): Numeric | null {
  switch (text.trim().toLowerCase()) {
    case 'nan':
      return NUMERIC_NAN;
    case 'infinity':
    case '+infinity':
    case 'inf':
    case '+inf':
      return { kind: 'infinite', sign: 1 };
    case '-infinity':
    case '-inf':
      return { kind: 'infinite', sign: -1 };
    default:
      return null;
  }
}

/** Reads text that is a numeric for certain: a stored value. */
export function toNumeric(text: string): Numeric {
  const value = parseNumeric(text);
  if (value === null) throw sqlError('22P02', `invalid input syntax for type numeric: "${text}"`);
  return value;
}

export const numericOf = (value: bigint): Numeric => ({
  kind: 'finite',
  coefficient: value,
  scale: 0,
});

export function formatNumeric(value: Numeric): string {
  if (value.kind === 'nan') return 'NaN';
  if (value.kind === 'infinite') return value.sign > 0 ? 'Infinity' : '-Infinity';
  const { coefficient, scale } = value;
  const digits = magnitudeOf(coefficient)
    .toString()
    .padStart(scale + 1, '0');
  const sign = coefficient < 0n ? '-' : '';
  const point = digits.length - scale;
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

const magnitudeOf = (value: bigint): bigint => (value < 0n ? -value : value);

const overflow = (): Error => sqlError('22003', 'value overflows numeric format');

export function finite(coefficient: bigint, scale: number): Numeric {
  if (scale > SCALE_MAX) return finite(rescale(coefficient, scale, SCALE_MAX), SCALE_MAX);
  if (coefficient > BOUND || coefficient < -BOUND) {
    if (magnitudeOf(coefficient).toString().length - scale > INTEGER_DIGITS_MAX) throw overflow();
  }
  return { kind: 'finite', coefficient, scale };
}

/** Below this a value needs no closer look: 10^1000. */
const BOUND = 10n ** 1000n;

const POWERS: bigint[] = [];

function powerOfTen(exponent: number): bigint {
  if (exponent > 200) return 10n ** BigInt(exponent);
  POWERS[exponent] ??= 10n ** BigInt(exponent);
  return POWERS[exponent];
}

/** Moves to another scale; digits that are lost round half away from zero. */
function rescale(coefficient: bigint, from: number, to: number): bigint {
  return to >= from
    ? coefficient * powerOfTen(to - from)
    : divideRounded(coefficient, powerOfTen(from - to));
}

/** Half away from zero. `divisor` is not zero. */
function divideRounded(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const rest = magnitudeOf(dividend % divisor) * 2n;
  if (rest < magnitudeOf(divisor)) return quotient;
  return dividend < 0n === divisor < 0n ? quotient + 1n : quotient - 1n;
}

const signOf = (value: Numeric): number => {
  if (value.kind === 'finite') return value.coefficient < 0n ? -1 : value.coefficient > 0n ? 1 : 0;
  return value.kind === 'infinite' ? value.sign : Number.NaN;
};

const infinite = (sign: number): Numeric => ({ kind: 'infinite', sign: sign < 0 ? -1 : 1 });

export function negateNumeric(value: Numeric): Numeric {
  if (value.kind === 'finite') return { ...value, coefficient: -value.coefficient };
  return value.kind === 'infinite' ? infinite(-value.sign) : value;
}

export function addNumeric(a: Numeric, b: Numeric): Numeric {
  if (a.kind === 'nan' || b.kind === 'nan') return NUMERIC_NAN;
  if (a.kind === 'infinite') {
    return b.kind === 'infinite' && a.sign !== b.sign ? NUMERIC_NAN : a;
  }
  if (b.kind === 'infinite') return b;
  const scale = Math.max(a.scale, b.scale);
  return finite(
    rescale(a.coefficient, a.scale, scale) + rescale(b.coefficient, b.scale, scale),
    scale,
  );
}

export const subtractNumeric = (a: Numeric, b: Numeric): Numeric => addNumeric(a, negateNumeric(b));

export function multiplyNumeric(a: Numeric, b: Numeric): Numeric {
  if (a.kind === 'nan' || b.kind === 'nan') return NUMERIC_NAN;
  if (a.kind === 'infinite' || b.kind === 'infinite') {
    const sign = signOf(a) * signOf(b);
    return sign === 0 ? NUMERIC_NAN : infinite(sign);
  }
  return finite(a.coefficient * b.coefficient, a.scale + b.scale);
}

const divisionByZero = (): Error => sqlError('22012', 'division by zero');

export function divideNumeric(a: Numeric, b: Numeric): Numeric {
  if (a.kind === 'nan' || b.kind === 'nan') return NUMERIC_NAN;
  if (a.kind === 'infinite') {
    if (b.kind === 'infinite') return NUMERIC_NAN;
    if (b.coefficient === 0n) throw divisionByZero();
    return infinite(a.sign * signOf(b));
  }
  if (b.kind === 'infinite') return numericOf(0n);
  if (b.coefficient === 0n) throw divisionByZero();
  const scale = quotientScale(a, b);
  const shift = scale + b.scale - a.scale;
  const [dividend, divisor] =
    shift >= 0
      ? [a.coefficient * powerOfTen(shift), b.coefficient]
      : [a.coefficient, b.coefficient * powerOfTen(-shift)];
  return finite(divideRounded(dividend, divisor), scale);
}

type Finite = Extract<Numeric, { kind: 'finite' }>;

/** PostgreSQL's `select_div_scale`: at least 16 significant digits, counted in its groups of four. */
function quotientScale(a: Finite, b: Finite): number {
  const [left, right] = [leadingGroup(a), leadingGroup(b)];
  const weight = left.weight - right.weight - (left.digit <= right.digit ? 1 : 0);
  const scale = SIGNIFICANT_DIGITS_MIN - weight * 4;
  return Math.min(Math.max(scale, a.scale, b.scale, 0), DISPLAY_SCALE_MAX);
}

function leadingGroup({ coefficient, scale }: Finite): { weight: number; digit: number } {
  if (coefficient === 0n) return { weight: 0, digit: 0 };
  const digits = magnitudeOf(coefficient).toString();
  const exponent = digits.length - 1 - scale;
  const weight = Math.floor(exponent / 4);
  const length = exponent - weight * 4 + 1;
  return { weight, digit: Number(digits.slice(0, length).padEnd(length, '0')) };
}

/** The rest has the sign of the dividend. */
export function remainderNumeric(a: Numeric, b: Numeric): Numeric {
  if (a.kind === 'nan' || b.kind === 'nan') return NUMERIC_NAN;
  if (b.kind === 'finite' && b.coefficient === 0n) throw divisionByZero();
  if (a.kind === 'infinite') return NUMERIC_NAN;
  if (b.kind === 'infinite') return a;
  const scale = Math.max(a.scale, b.scale);
  const [left, right] = [a, b].map((one) => rescale(one.coefficient, one.scale, scale));
  return finite((left ?? 0n) % (right ?? 1n), scale);
}

/** Half away from zero, to `scale` digits behind the point (before it when negative). */
export function roundNumeric(value: Numeric, scale: number): Numeric {
  return withScale(value, scale, divideRounded);
}

export function truncateNumeric(value: Numeric, scale: number): Numeric {
  return withScale(value, scale, (dividend, divisor) => dividend / divisor);
}

export function floorNumeric(value: Numeric): Numeric {
  return withScale(value, 0, (dividend, divisor) => {
    const quotient = dividend / divisor;
    return dividend % divisor < 0n ? quotient - 1n : quotient;
  });
}

export const ceilingNumeric = (value: Numeric): Numeric =>
  negateNumeric(floorNumeric(negateNumeric(value)));

function withScale(
  value: Numeric,
  wanted: number,
  divide: (dividend: bigint, divisor: bigint) => bigint,
): Numeric {
  if (value.kind !== 'finite') return value;
  const scale = Math.min(Math.max(wanted, -INTEGER_DIGITS_MAX), SCALE_MAX);
  const shown = Math.max(scale, 0);
  if (scale >= value.scale) {
    return finite(value.coefficient * powerOfTen(scale - value.scale), shown);
  }
  const quotient = divide(value.coefficient, powerOfTen(value.scale - scale));
  return finite(quotient * powerOfTen(shown - scale), shown);
}

export const absoluteNumeric = (value: Numeric): Numeric =>
  signOf(value) < 0 ? negateNumeric(value) : value;

export function signNumeric(value: Numeric): Numeric {
  return value.kind === 'nan' ? value : numericOf(BigInt(signOf(value)));
}

/** Makes a value fit `numeric(precision, scale)`. */
export function fitNumeric(value: Numeric, precision: number, scale: number): Numeric {
  if (value.kind === 'nan') return value;
  const rounded = roundNumeric(value, scale);
  const isInside =
    rounded.kind === 'finite' && magnitudeOf(rounded.coefficient) < powerOfTen(precision);
  if (isInside) return rounded;
  throw sqlError('22003', 'numeric field overflow');
}

/**
 * One text for all numerics that are equal: the shortest. What is grouped, joined or made distinct by a numeric is so
 * by this.
 */
export function numericKey(value: Numeric): string {
  if (value.kind !== 'finite') return formatNumeric(value);
  if (value.scale === 0) return value.coefficient.toString();
  return formatNumeric(value)
    .replace(/\.?0+$/, '')
    .replace(/^-0$/, '0');
}

/**
 * A text whose order is the order of the values: sign, exponent, digits. Negative ones are mirrored, digit by digit,
 * and end with `~`, which is above every digit.
 */
export function numericSortKey(value: Numeric): string {
  if (value.kind === 'nan') return '4';
  if (value.kind === 'infinite') return value.sign > 0 ? '3' : '0';
  if (value.coefficient === 0n) return '20';
  const digits = magnitudeOf(value.coefficient).toString();
  const exponent = digits.length - value.scale + 500_000;
  const body = `${exponent.toString().padStart(6, '0')}${digits.replace(/0+$/, '')}`;
  if (value.coefficient > 0n) return `21${body}`;
  return `1${body.replace(/\d/g, (digit) => String(9 - Number(digit)))}~`;
}
