/** Lengths of time as settings have them. */
import { sqlError } from '../../sql/errors.ts';

/** PostgreSQL's own limit, some 24 days. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

const UNITS: ReadonlyMap<string, number> = new Map([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
  ['ms', 1],
  ['us', 0.001],
]);

/** `5000`, `5s`, `1 min`; 0 is none. Throws 22023. */
export function readTimeout(value: string, offset: number): number {
  const [, count, unit = 'ms'] = /^\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*$/.exec(value) ?? [];
  const ms = Math.round(Number(count) * (UNITS.get(unit) ?? 1));
  if (count !== undefined && ms <= TIMEOUT_MS_MAX) return ms;
  throw sqlError('22023', `invalid value for parameter "statement_timeout": "${value}"`, {
    offset,
    hint: 'milliseconds, or a number with us, ms, s, min, h or d; 0 is none',
  });
}

/** In the largest unit that tells it exactly. */
export function timeoutText(ms: number): string {
  if (ms === 0) return '0';
  const [unit, size] = [...UNITS].find(([, size]) => ms % size === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}
