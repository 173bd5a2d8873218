/** `extract(part FROM x)`. */
import { notSupported, sqlError } from '../errors.ts';
import {
  civilOf,
  daysOf,
  floorDivide,
  isFiniteTimestamp,
  MICROS_PER_DAY,
  UNIX_EPOCH_MICROS,
} from '../values/datetime.ts';
import type { Interval } from '../values/interval.ts';
import { finite, type Numeric, numericOf } from '../values/numeric.ts';

const NAMES: ReadonlyMap<string, string> = new Map(
  [
    'microseconds us usec usecs microsecond',
    'milliseconds ms msec msecs millisecond',
    'second s sec secs seconds',
    'minute m min mins minutes',
    'hour h hr hrs hours',
    'day d days',
    'week w weeks',
    'month mon mons months',
    'quarter',
    'year y yr yrs years',
    'dow',
    'isodow',
    'doy',
    'isoyear',
    'epoch',
  ].flatMap((line) => {
    const [name = '', ...others] = line.split(' ');
    return [name, ...others].map((other) => [other, name] as const);
  }),
);

/** The full name of a unit as it may be written. */
export function partOf(written: string): string {
  const name = NAMES.get(written.toLowerCase());
  if (name === undefined)
    throw sqlError('22023', `unit "${written}" is not recognized or not supported`);
  return name;
}

type Kind = 'date' | 'timestamp' | 'timestamptz';

export function timestampPart(written: string, micros: bigint, kind: Kind): Numeric | null {
  const unit = partOf(written);
  if (!isFiniteTimestamp(micros)) throw notSupported('a part of an infinite time');
  const day = floorDivide(micros, MICROS_PER_DAY);
  const time = micros - day * MICROS_PER_DAY;
  if (kind !== 'date') {
    const part = timeOfDayPart(unit, time);
    if (part !== null) return part;
  }
  if (unit === 'epoch') {
    const since = micros - UNIX_EPOCH_MICROS;
    return kind === 'date' ? numericOf(since / 1_000_000n) : finite(since, 6);
  }
  const value = dayPart(unit, day);
  if (value === null) throw notSupportedPart(written, kind);
  return numericOf(BigInt(value));
}

const notSupportedPart = (written: string, kind: string): Error =>
  sqlError('0A000', `unit "${written}" not supported for type ${kind}`);

function timeOfDayPart(unit: string, time: bigint): Numeric | null {
  switch (unit) {
    case 'microseconds':
      return numericOf(time % 60_000_000n);
    case 'milliseconds':
      return finite(time % 60_000_000n, 3);
    case 'second':
      return finite(time % 60_000_000n, 6);
    case 'minute':
      return numericOf((time / 60_000_000n) % 60n);
    case 'hour':
      return numericOf(time / 3_600_000_000n);
    default:
      return null;
  }
}

function dayPart(unit: string, day: bigint): number | null {
  const { year, month, day: dayOfMonth } = civilOf(day);
  const weekday = Number((((day + 6n) % 7n) + 7n) % 7n);
  switch (unit) {
    case 'day':
      return dayOfMonth;
    case 'month':
      return month;
    case 'quarter':
      return Math.floor((month - 1) / 3) + 1;
    case 'year':
      return shownYear(year);
    case 'dow':
      return weekday;
    case 'isodow':
      return weekday === 0 ? 7 : weekday;
    case 'doy':
      return Number(day - daysOf({ year, month: 1, day: 1 })) + 1;
    case 'week':
      return isoWeek(day).week;
    case 'isoyear':
      return shownYear(isoWeek(day).year);
    default:
      return null;
  }
}

/** There is no year 0. */
const shownYear = (year: number): number => (year > 0 ? year : year - 1);

/** The week of the year with the day's Thursday. */
function isoWeek(day: bigint): { readonly year: number; readonly week: number } {
  const weekday = (((day + 5n) % 7n) + 7n) % 7n;
  const thursday = day - weekday + 3n;
  const { year } = civilOf(thursday);
  const first = daysOf({ year, month: 1, day: 1 });
  return { year, week: Number((thursday - first) / 7n) + 1 };
}

export function intervalPart(written: string, { months, days, micros }: Interval): Numeric | null {
  const unit = partOf(written);
  const time = timeOfDayPart(unit, micros);
  if (time !== null) return time;
  switch (unit) {
    case 'day':
      return numericOf(days);
    case 'month':
      return numericOf(months % 12n);
    case 'quarter':
      return numericOf((months % 12n) / 3n + 1n);
    case 'year':
      return numericOf(months / 12n);
    case 'epoch': {
      // A year counts 365.25 days, a month 30.
      const seconds = (months / 12n) * 31_557_600n + ((months % 12n) * 30n + days) * 86_400n;
      return finite(seconds * 1_000_000n + micros, 6);
    }
    default:
      throw notSupportedPart(written, 'interval');
  }
}
