/**
 * Dates and timestamps: whole days and microseconds from 2000-01-01, as PostgreSQL counts. The time zone of every
 * session is UTC. Read are the forms of ISO 8601 and what PostgreSQL prints; others are refused.
 */
import { sqlError } from '../errors.ts';

export const MICROS_PER_DAY = 86_400_000_000n;
/** Days from 1970-01-01 to 2000-01-01. */
const EPOCH_DAYS = 10_957n;
export const UNIX_EPOCH_MICROS = -EPOCH_DAYS * MICROS_PER_DAY;

export const TIMESTAMP_INFINITY = 2n ** 63n - 1n;
const TIMESTAMP_MINUS_INFINITY = -(2n ** 63n);
export const DATE_INFINITY = 2n ** 31n - 1n;
export const DATE_MINUS_INFINITY = -(2n ** 31n);

/** PostgreSQL's bounds: 4713-11-24 BC, and the years 5874897 and 294276. */
const DATE_MIN = -2_451_545n;
const DATE_END = 2_145_031_949n;
const TIMESTAMP_MIN = DATE_MIN * MICROS_PER_DAY;
const TIMESTAMP_END = 9_223_371_331_200_000_000n;

export type DateType = 'date' | 'timestamp' | 'timestamptz';

const NAMES: Readonly<Record<DateType, string>> = {
  date: 'date',
  timestamp: 'timestamp',
  timestamptz: 'timestamp with time zone',
};

/** A day of the calendar. Years before 1 AD are 0 and below. */
export type Civil = { readonly year: number; readonly month: number; readonly day: number };

/** Floor division of bigints. */
export function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

/** Days from 2000-01-01; the Gregorian calendar in both directions. */
export function daysOf({ year, month, day }: Civil): bigint {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return BigInt(era * 146_097 + dayOfEra - 719_468) - EPOCH_DAYS;
}

export function civilOf(days: bigint): Civil {
  const shifted = Number(days + EPOCH_DAYS) + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthOfYear = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthOfYear < 10 ? monthOfYear + 3 : monthOfYear - 9;
  const day = dayOfYear - Math.floor((153 * monthOfYear + 2) / 5) + 1;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

export function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

const FORM =
  /^(\d{4,7})-(\d{1,2})-(\d{1,2})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d*))?)?\s*(Z|UTC|[+-]\d{1,2}(?::?\d{2}(?::\d{2})?)?)?)?(\s+BC)?$/i;

/** Days for a date, microseconds for the others. Throws 22007 or 22008. */
export function parseDateTime(type: DateType, written: string): bigint {
  const text = written.trim();
  const special = parseSpecial(type, text);
  if (special !== null) return special;
  const match = FORM.exec(text);
  if (match === null) throw unreadable(type, written);
  const civil = readCivil(match, written);
  const days = daysOf(civil);
  if (type === 'date') return checkDate(days, written);
  const local = days * MICROS_PER_DAY + readTime(match, written);
  const shift = type === 'timestamptz' ? readZone(match[8] ?? '') : 0n;
  return checkTimestamp(local - shift, written);
}

function parseSpecial(type: DateType, text: string): bigint | null {
  switch (text.toLowerCase()) {
    case 'infinity':
      return type === 'date' ? DATE_INFINITY : TIMESTAMP_INFINITY;
    case '-infinity':
      return type === 'date' ? DATE_MINUS_INFINITY : TIMESTAMP_MINUS_INFINITY;
    case 'epoch':
      return type === 'date' ? -EPOCH_DAYS : UNIX_EPOCH_MICROS;
    default:
      return null;
  }
}

function unreadable(type: DateType, written: string): Error {
  return sqlError('22007', `invalid input syntax for type ${NAMES[type]}: "${written}"`, {
    hint: 'write it as 2026-01-31 or 2026-01-31 23:59:59.5+00',
  });
}

const outOfRange = (written: string): Error =>
  sqlError('22008', `date/time field value out of range: "${written}"`);

function readCivil(match: RegExpExecArray, written: string): Civil {
  const [shownYear, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const year = match[9] === undefined ? shownYear : 1 - shownYear;
  const isDay = month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month);
  if (!isDay || shownYear === 0) throw outOfRange(written);
  return { year, month, day };
}

function readTime(match: RegExpExecArray, written: string): bigint {
  const [hour, minute, second] = [4, 5, 6].map((index) => Number(match[index] ?? 0));
  const micros = roundMicros(match[7] ?? '');
  if (hour === undefined || minute === undefined || second === undefined) return 0n;
  const isEndOfDay = hour === 24 && minute === 0 && second === 0 && micros === 0;
  if (!isEndOfDay && (hour > 23 || minute > 59 || second > 60)) throw outOfRange(written);
  return BigInt((hour * 60 + minute) * 60 + second) * 1_000_000n + BigInt(micros);
}

/** Digits behind the point of a second, as microseconds. */
function roundMicros(digits: string): number {
  return Math.round(Number(`0.${digits === '' ? '0' : digits}`) * 1e6);
}

function readZone(zone: string): bigint {
  const match = /^([+-])(\d{1,2}):?(\d{2})?:?(\d{2})?$/.exec(zone);
  if (match === null) return 0n;
  const [hours, minutes, seconds] = [2, 3, 4].map((index) => Number(match[index] ?? 0));
  const total = BigInt((hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0)) * 1_000_000n;
  return match[1] === '-' ? -total : total;
}

export function checkDate(days: bigint, shown = ''): bigint {
  if (days >= DATE_MIN && days < DATE_END) return days;
  throw sqlError('22008', `date out of range${shown === '' ? '' : `: "${shown}"`}`);
}

export function checkTimestamp(micros: bigint, shown = ''): bigint {
  if (micros >= TIMESTAMP_MIN && micros < TIMESTAMP_END) return micros;
  throw sqlError('22008', `timestamp out of range${shown === '' ? '' : `: "${shown}"`}`);
}

export const isFiniteDate = (days: bigint): boolean =>
  days !== DATE_INFINITY && days !== DATE_MINUS_INFINITY;

export const isFiniteTimestamp = (micros: bigint): boolean =>
  micros !== TIMESTAMP_INFINITY && micros !== TIMESTAMP_MINUS_INFINITY;

const two = (value: number): string => String(value).padStart(2, '0');

export function formatDate(days: bigint): string {
  if (days === DATE_INFINITY) return 'infinity';
  if (days === DATE_MINUS_INFINITY) return '-infinity';
  const { date, era } = dateParts(days);
  return date + era;
}

function dateParts(days: bigint): { date: string; era: string } {
  const { year, month, day } = civilOf(days);
  const shown = String(year > 0 ? year : 1 - year).padStart(4, '0');
  return { date: `${shown}-${two(month)}-${two(day)}`, era: year > 0 ? '' : ' BC' };
}

export function formatTimestamp(type: 'timestamp' | 'timestamptz', micros: bigint): string {
  if (micros === TIMESTAMP_INFINITY) return 'infinity';
  if (micros === TIMESTAMP_MINUS_INFINITY) return '-infinity';
  const days = floorDivide(micros, MICROS_PER_DAY);
  const { date, era } = dateParts(days);
  const zone = type === 'timestamptz' ? '+00' : '';
  return `${date} ${formatTime(micros - days * MICROS_PER_DAY)}${zone}${era}`;
}

/** `23:59:59.5`: of microseconds of a day, or of hours without end. */
export function formatTime(micros: bigint): string {
  const seconds = micros / 1_000_000n;
  const fraction = micros % 1_000_000n;
  const [hour, minute, second] = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n];
  const behind =
    fraction === 0n ? '' : `.${fraction.toString().padStart(6, '0').replace(/0+$/, '')}`;
  return `${two(Number(hour))}:${two(Number(minute))}:${two(Number(second))}${behind}`;
}
