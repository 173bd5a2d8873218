/** PostgreSQL's binary dates, times and intervals: numbers counted from the year 2000. */
import { sqlError } from '../sql/errors.ts';

const DAY_MICROS = 86_400_000_000n;
/** Days from 0000-03-01 to 2000-01-01 in the Gregorian calendar, carried back. */
const DAYS_BEFORE_2000 = 730_425n;
const ERA_DAYS = 146_097n;
const ERA_YEARS = 400n;

const DATE_INFINITY = { infinity: 2 ** 31 - 1, '-infinity': -(2 ** 31) } as const;
const TIME_INFINITY = { infinity: 2n ** 63n - 1n, '-infinity': -(2n ** 63n) } as const;

const DATE = /^(\d+)-(\d\d)-(\d\d)/;
const TIME = /(\d\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?/;

export function dateToBinary(text: string): Buffer {
  const bytes = Buffer.alloc(4);
  const infinite = infinityOf(DATE_INFINITY, text);
  bytes.writeInt32BE(infinite ?? Number(daysOf(text)));
  return bytes;
}

/** timestamp, and timestamptz in UTC. */
export function timestampToBinary(text: string): Buffer {
  const bytes = Buffer.alloc(8);
  const infinite = infinityOf(TIME_INFINITY, text);
  bytes.writeBigInt64BE(infinite ?? daysOf(text) * DAY_MICROS + microsOf(text));
  return bytes;
}

export function dateFromBinary(bytes: Buffer): string {
  const days = bytes.readInt32BE(0);
  return nameOf(DATE_INFINITY, days) ?? dateText(BigInt(days));
}

export function timestampFromBinary(bytes: Buffer, zone: '' | '+00'): string {
  const micros = bytes.readBigInt64BE(0);
  const name = nameOf(TIME_INFINITY, micros);
  if (name !== undefined) return name;
  const days = floorDivide(micros, DAY_MICROS);
  const [date = '', era] = dateText(days).split(' ');
  const time = `${timeText(micros - days * DAY_MICROS)}${zone}`;
  return era === undefined ? `${date} ${time}` : `${date} ${time} ${era}`;
}

/** `1 year 2 mons -3 days +04:05:06.7`: months, days and microseconds are told apart. */
export function intervalToBinary(text: string): Buffer {
  const bytes = Buffer.alloc(16);
  const count = (unit: string): number =>
    Number(new RegExp(`([+-]?\\d+) ${unit}s?\\b`).exec(text)?.[1] ?? 0);
  const isNegative = /-\d\d+:\d\d:\d\d/.test(text);
  const micros = microsOf(text);
  bytes.writeBigInt64BE(isNegative ? -micros : micros, 0);
  bytes.writeInt32BE(count('day'), 8);
  bytes.writeInt32BE(count('year') * 12 + count('mon'), 12);
  return bytes;
}

export function intervalFromBinary(bytes: Buffer): string {
  const micros = bytes.readBigInt64BE(0);
  const days = bytes.readInt32BE(8);
  const months = bytes.readInt32BE(12);
  return `${months} mons ${days} days ${micros < 0n ? '-' : ''}${timeText(abs(micros))}`;
}

/** Days since 2000-01-01. Source: the usual count of days of the civil calendar, years from March on. */
function daysOf(text: string): bigint {
  const match = DATE.exec(text);
  if (match === null) throw sqlError('22007', `${JSON.stringify(text)} is no date`);
  const stated = BigInt(match[1] ?? 0);
  const year = text.endsWith(' BC') ? 1n - stated : stated;
  const month = BigInt(match[2] ?? 1);
  const shifted = month <= 2n ? year - 1n : year;
  const era = floorDivide(shifted, ERA_YEARS);
  const ofEra = shifted - era * ERA_YEARS;
  const ofYear = (153n * ((month + 9n) % 12n) + 2n) / 5n + BigInt(match[3] ?? 1) - 1n;
  return era * ERA_DAYS + ofEra * 365n + ofEra / 4n - ofEra / 100n + ofYear - DAYS_BEFORE_2000;
}

function dateText(days: bigint): string {
  const shifted = days + DAYS_BEFORE_2000;
  const era = floorDivide(shifted, ERA_DAYS);
  const ofEra = shifted - era * ERA_DAYS;
  const yearOfEra = (ofEra - ofEra / 1460n + ofEra / 36_524n - ofEra / 146_096n) / 365n;
  const ofYear = ofEra - (365n * yearOfEra + yearOfEra / 4n - yearOfEra / 100n);
  const fromMarch = (5n * ofYear + 2n) / 153n;
  const day = ofYear - (153n * fromMarch + 2n) / 5n + 1n;
  const month = fromMarch < 10n ? fromMarch + 3n : fromMarch - 9n;
  const year = yearOfEra + era * ERA_YEARS + (month <= 2n ? 1n : 0n);
  const shown = year <= 0n ? 1n - year : year;
  const date = `${pad(shown, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
  return year <= 0n ? `${date} BC` : date;
}

function microsOf(text: string): bigint {
  const [, hours = '0', minutes = '0', seconds = '0', fraction = ''] = TIME.exec(text) ?? [];
  const whole = (BigInt(hours) * 60n + BigInt(minutes)) * 60n + BigInt(seconds);
  return whole * 1_000_000n + BigInt(fraction.padEnd(6, '0') || '0');
}

/** Of a time that is not negative. */
function timeText(micros: bigint): string {
  const seconds = micros / 1_000_000n;
  const fraction = pad(micros % 1_000_000n, 6).replace(/0+$/, '');
  const clock = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map((part) => pad(part, 2));
  return fraction === '' ? clock.join(':') : `${clock.join(':')}.${fraction}`;
}

function pad(value: bigint, width: number): string {
  return String(value).padStart(width, '0');
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function floorDivide(value: bigint, by: bigint): bigint {
  return value >= 0n ? value / by : -((-value + by - 1n) / by);
}

function infinityOf<T>(names: Readonly<Record<'infinity' | '-infinity', T>>, text: string) {
  return text === 'infinity' || text === '-infinity' ? names[text] : undefined;
}

function nameOf<T>(names: Readonly<Record<'infinity' | '-infinity', T>>, value: T) {
  if (value === names.infinity) return 'infinity';
  return value === names['-infinity'] ? '-infinity' : undefined;
}
