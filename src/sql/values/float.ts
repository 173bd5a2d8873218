/** How PostgreSQL writes and reads `real` and `double precision`. */
import { sqlError } from '../errors.ts';

/** The shortest decimal that reads back as the same value. */
export function formatFloat8(value: number): string {
  return formatShortest(value, Math.abs(value).toExponential(), 15);
}

export function formatFloat4(value: number): string {
  const magnitude = Math.abs(value);
  for (let digits = 0; digits < 9; digits++) {
    const written = magnitude.toExponential(digits);
    if (Math.fround(Number(written)) === magnitude) {
      return formatShortest(value, written.replace(/\.?0+e/, 'e'), 6);
    }
  }
  return formatShortest(value, magnitude.toExponential(), 6);
}

/** From the form `1.25e-7`: plain for small exponents, with an exponent of two digits beyond. */
function formatShortest(value: number, scientific: string, plainBelow: number): string {
  if (Number.isNaN(value)) return 'NaN';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  if (!Number.isFinite(value)) return `${sign}Infinity`;
  const [mantissa = '0', power = '0'] = scientific.split('e');
  const exponent = Number(power);
  const digits = mantissa.replace('.', '');
  if (exponent < -4 || exponent >= plainBelow) {
    const shown = String(Math.abs(exponent)).padStart(2, '0');
    return `${sign}${mantissa}e${exponent < 0 ? '-' : '+'}${shown}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  const fraction = digits.slice(exponent + 1);
  return `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

const FORM = /^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?\s*$/i;
const SPECIAL: ReadonlyMap<string, number> = new Map([
  ['nan', Number.NaN],
  ['infinity', Number.POSITIVE_INFINITY],
  ['+infinity', Number.POSITIVE_INFINITY],
  ['inf', Number.POSITIVE_INFINITY],
  ['+inf', Number.POSITIVE_INFINITY],
  ['-infinity', Number.NEGATIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
]);

export type FloatType = 'float4' | 'float8';

const NAMES: Readonly<Record<FloatType, string>> = { float4: 'real', float8: 'double precision' };

export function parseFloatText(type: FloatType, text: string): number {
  const special = SPECIAL.get(text.trim().toLowerCase());
  if (special !== undefined) return special;
  if (!FORM.test(text)) {
    throw sqlError('22P02', `invalid input syntax for type ${NAMES[type]}: "${text}"`);
  }
  const value = toFloat(type, Number(text));
  const isZero = !/[1-9]/.test(text.toLowerCase().split('e')[0] ?? '');
  if (!Number.isFinite(value) || (value === 0 && !isZero)) {
    throw sqlError('22003', `"${text.trim()}" is out of range for type ${NAMES[type]}`);
  }
  return value;
}

export const toFloat = (type: FloatType, value: number): number =>
  type === 'float4' ? Math.fround(value) : value;
