/** Arithmetic and parts of dates, timestamps and intervals. The time zone is UTC. */
import { notSupported, sqlError } from '../errors.ts';
import {
  type Civil,
  checkDate,
  checkTimestamp,
  civilOf,
  DATE_INFINITY,
  DATE_MINUS_INFINITY,
  daysInMonth,
  daysOf,
  floorDivide,
  isFiniteDate,
  isFiniteTimestamp,
  MICROS_PER_DAY,
  TIMESTAMP_INFINITY,
  UNIX_EPOCH_MICROS,
} from '../values/datetime.ts';
import {
  addInterval,
  checkInterval,
  type Interval,
  negateInterval,
  scaleInterval,
} from '../values/interval.ts';
import type { Numeric } from '../values/numeric.ts';
import { define, refuseFunction, type SqlFunction } from './definition.ts';
import { intervalPart, partOf, timestampPart } from './time-parts.ts';

export function dateToTimestamp(days: bigint): bigint {
  if (days === DATE_INFINITY) return TIMESTAMP_INFINITY;
  if (days === DATE_MINUS_INFINITY) return -TIMESTAMP_INFINITY - 1n;
  return checkTimestamp(days * MICROS_PER_DAY);
}

export function timestampToDate(micros: bigint): bigint {
  if (isFiniteTimestamp(micros)) return floorDivide(micros, MICROS_PER_DAY);
  return micros > 0n ? DATE_INFINITY : DATE_MINUS_INFINITY;
}

/** Months first (the day is cut to the month's length), then days, then the rest. */
export function addToTimestamp(micros: bigint, { months, days, micros: rest }: Interval): bigint {
  if (!isFiniteTimestamp(micros)) return micros;
  const day = floorDivide(micros, MICROS_PER_DAY);
  const time = micros - day * MICROS_PER_DAY;
  const moved = months === 0n ? day : daysOf(addMonths(civilOf(day), Number(months)));
  return checkTimestamp((moved + days) * MICROS_PER_DAY + time + rest);
}

function addMonths({ year, month, day }: Civil, months: number): Civil {
  const total = year * 12 + month - 1 + months;
  const moved = { year: Math.floor(total / 12), month: (((total % 12) + 12) % 12) + 1 };
  return { ...moved, day: Math.min(day, daysInMonth(moved.year, moved.month)) };
}

function betweenTimestamps(a: bigint, b: bigint): Interval {
  if (!isFiniteTimestamp(a) || !isFiniteTimestamp(b)) throw notSupported('an infinite interval');
  const difference = a - b;
  return checkInterval({
    months: 0n,
    days: difference / MICROS_PER_DAY,
    micros: difference % MICROS_PER_DAY,
  });
}

function betweenDates(a: bigint, b: bigint): bigint {
  if (!isFiniteDate(a) || !isFiniteDate(b))
    throw sqlError('22008', 'cannot subtract infinite dates');
  return a - b;
}

const addDays = (date: bigint, days: bigint): bigint =>
  isFiniteDate(date) ? checkDate(date + days) : date;

/** Cuts a timestamp down to the beginning of its `unit`. */
function truncate(unit: string, micros: bigint): bigint {
  const name = partOf(unit);
  if (!isFiniteTimestamp(micros)) return micros;
  const size = FIXED.get(name);
  if (size !== undefined) return floorDivide(micros, size) * size;
  const day = floorDivide(micros, MICROS_PER_DAY);
  if (name === 'week') return (day - ((((day + 5n) % 7n) + 7n) % 7n)) * MICROS_PER_DAY;
  return daysOf(firstDay(name, civilOf(day))) * MICROS_PER_DAY;
}

const FIXED: ReadonlyMap<string, bigint> = new Map([
  ['microseconds', 1n],
  ['milliseconds', 1000n],
  ['second', 1_000_000n],
  ['minute', 60_000_000n],
  ['hour', 3_600_000_000n],
  ['day', MICROS_PER_DAY],
]);

function firstDay(unit: string, { year, month }: Civil): Civil {
  switch (unit) {
    case 'month':
      return { year, month, day: 1 };
    case 'quarter':
      return { year, month: month - ((month - 1) % 3), day: 1 };
    case 'year':
      return { year, month: 1, day: 1 };
    default:
      throw notSupported(`date_trunc of "${unit}"`);
  }
}

function fromUnixSeconds(seconds: number): bigint {
  if (Number.isNaN(seconds)) throw sqlError('22008', 'timestamp cannot be NaN');
  if (!Number.isFinite(seconds)) return seconds > 0 ? TIMESTAMP_INFINITY : -TIMESTAMP_INFINITY - 1n;
  return checkTimestamp(BigInt(Math.round(seconds * 1e6)) + UNIX_EPOCH_MICROS);
}

const scaled = (a: Interval, factor: number): Interval => {
  if (Number.isNaN(factor)) throw sqlError('22008', 'interval out of range');
  return scaleInterval(a, factor);
};

function divided(a: Interval, divisor: number): Interval {
  if (divisor === 0) throw sqlError('22012', 'division by zero');
  return scaled(a, 1 / divisor);
}

const sum = (a: Interval, b: Interval): Interval => checkInterval(addInterval(a, b));

const ofTimestamp = (type: 'timestamp' | 'timestamptz'): readonly SqlFunction[] => [
  define(`+(${type}, interval) ${type}`, addToTimestamp),
  define(`+(interval, ${type}) ${type}`, (a, b) => addToTimestamp(b, a)),
  define(`-(${type}, interval) ${type}`, (a, b) => addToTimestamp(a, negateInterval(b))),
  define(`-(${type}, ${type}) interval`, betweenTimestamps),
  define(`date_trunc(text, ${type}) ${type}`, truncate),
  define(`extract(text, ${type}) numeric`, (unit, a) => timestampPart(unit, a, type)),
  define(`date_part(text, ${type}) float8`, (unit, a) => toNumber(timestampPart(unit, a, type))),
];

const toNumber = (value: Numeric | null): number | null =>
  value?.kind === 'finite' ? Number(value.coefficient) / 10 ** value.scale : null;

const dateFunctions: readonly SqlFunction[] = [
  define('+(date, int4) date', addDays),
  define('+(int4, date) date', (a, b) => addDays(b, a)),
  define('-(date, int4) date', (a, b) => addDays(a, -b)),
  define('-(date, date) int4', betweenDates),
  define('+(date, interval) timestamp', (a, b) => addToTimestamp(dateToTimestamp(a), b)),
  define('+(interval, date) timestamp', (a, b) => addToTimestamp(dateToTimestamp(b), a)),
  define('-(date, interval) timestamp', (a, b) =>
    addToTimestamp(dateToTimestamp(a), negateInterval(b)),
  ),
  define('extract(text, date) numeric', (unit, a) =>
    timestampPart(unit, dateToTimestamp(a), 'date'),
  ),
  refuseFunction('date_part(text, date) float8'),
];

const intervalFunctions: readonly SqlFunction[] = [
  define('+(interval, interval) interval', sum),
  define('-(interval, interval) interval', (a, b) => sum(a, negateInterval(b))),
  define('-(interval) interval', (a) => checkInterval(negateInterval(a))),
  define('*(interval, float8) interval', scaled),
  define('*(float8, interval) interval', (a, b) => scaled(b, a)),
  define('/(interval, float8) interval', divided),
  define('extract(text, interval) numeric', intervalPart),
  define('date_part(text, interval) float8', (unit, a) => toNumber(intervalPart(unit, a))),
];

export const timeFunctions: readonly SqlFunction[] = [
  ...ofTimestamp('timestamp'),
  ...ofTimestamp('timestamptz'),
  ...dateFunctions,
  ...intervalFunctions,
  define('to_timestamp(float8) timestamptz', fromUnixSeconds),
  refuseFunction('date_trunc(text, interval) interval'),
  refuseFunction('date_trunc(text, timestamptz, text) timestamptz'),
  refuseFunction('age(timestamp, timestamp) interval'),
  refuseFunction('age(timestamptz, timestamptz) interval'),
  refuseFunction('to_char(timestamp, text) text'),
  refuseFunction('to_char(timestamptz, text) text'),
  refuseFunction('to_char(interval, text) text'),
  refuseFunction('to_char(numeric, text) text'),
  refuseFunction('to_char(int4, text) text'),
  refuseFunction('to_char(int8, text) text'),
  refuseFunction('to_char(float8, text) text'),
];
