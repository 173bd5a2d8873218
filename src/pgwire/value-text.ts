/** Values as PostgreSQL prints them. */
import type { SqlType, SqlValue } from '../sql/types.ts';

/** From this power of ten on, a float is printed with an exponent. */
const EXPONENT_FROM = { float4: 6, float8: 15 } as const;
const EXPONENT_BELOW = -4;
/** Nine digits name every float4. */
const FLOAT4_DIGITS_MAX = 9;

/** Not for NULL, which has no text. */
export function textOf(type: SqlType, value: Exclude<SqlValue, null>): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 't' : 'f';
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'bigint') return value.toString();
  return type === 'float4' || type === 'float8' ? floatText(type, value) : String(value);
}

function floatText(type: 'float4' | 'float8', value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const shortest = type === 'float4' ? shortestFloat4(value) : value;
  const [digits = '', power = '0'] = shortest.toExponential().split('e');
  const exponent = Number(power);
  if (exponent < EXPONENT_BELOW || exponent >= EXPONENT_FROM[type]) {
    const sign = exponent < 0 ? '-' : '+';
    return `${digits}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  return String(shortest);
}

/** The number with the fewest digits that is the same float4. */
function shortestFloat4(value: number): number {
  const rounded = Math.fround(value);
  for (let digits = 1; digits < FLOAT4_DIGITS_MAX; digits += 1) {
    const short = Number(rounded.toPrecision(digits));
    if (Math.fround(short) === rounded) return short;
  }
  return Number(rounded.toPrecision(FLOAT4_DIGITS_MAX));
}
