/** PostgreSQL's `interval`: months, days and microseconds, each by itself. */
import { sqlError } from '../errors.ts';
import { formatTime, MICROS_PER_DAY } from './datetime.ts';

export type Interval = {
  readonly months: bigint;
  readonly days: bigint;
  readonly micros: bigint;
};

/** So many of a field. */
type Unit = { readonly name: string; readonly field: keyof Interval; readonly size: bigint };

const UNITS: ReadonlyMap<string, Unit> = new Map([
  ...names('microseconds microsecond us usec usecs', 'micros', 1n),
  ...names('milliseconds millisecond ms msec msecs', 'micros', 1000n),
  ...names('seconds second secs sec s', 'micros', 1_000_000n),
  ...names('minutes minute mins min m', 'micros', 60_000_000n),
  ...names('hours hour hrs hr h', 'micros', 3_600_000_000n),
  ...names('days day d', 'days', 1n),
  ...names('weeks week w', 'days', 7n),
  ...names('months month mons mon', 'months', 1n),
  ...names('years year yrs yr y', 'months', 12n),
  ...names('decades decade decs dec', 'months', 120n),
  ...names('centuries century cent c', 'months', 1200n),
  ...names('millennia millennium mils mil', 'months', 12_000n),
]);

function names(list: string, field: keyof Interval, size: bigint): (readonly [string, Unit])[] {
  const all = list.split(' ');
  return all.map((name) => [name, { name: all[0] ?? name, field, size }] as const);
}

/** What a clock says all of. */
const CLOCK = ['hours', 'minutes', 'seconds', 'milliseconds', 'microseconds'];

const PART =
  /\s*(?:([+-]?)(\d+):(\d{2})(?::(\d{2})(?:\.(\d*))?)?|([+-]?)(\d+)-(\d+)(?!\d)|([+-]?)(\d+)(?:\.(\d*))?\s*([a-z]+)?|(ago)$)/iy;

/** Throws 22007. ISO 8601 (`P1Y2M`) is read too, PostgreSQL's verbose and SQL forms as far as they are common. */
export function parseInterval(written: string): Interval {
  const text = written.trim();
  const special = /^P/i.test(text) ? isoForm(text) : text.replace(/^@\s*/, '');
  if (special === '' || special === null) throw unreadable(written);
  const parts: RegExpExecArray[] = [];
  PART.lastIndex = 0;
  while (PART.lastIndex < special.length) {
    const match = PART.exec(special);
    if (match === null) throw unreadable(written);
    parts.push(match);
  }
  const isAgo = parts.at(-1)?.[13] !== undefined;
  const total = addParts(isAgo ? parts.slice(0, -1) : parts, written);
  return checkInterval(isAgo ? negateInterval(total) : total);
}

/** From right to left, as in PostgreSQL: what is to the right of a number without a unit says what it is. */
function addParts(parts: readonly RegExpExecArray[], written: string): Interval {
  let total: Interval = { months: 0n, days: 0n, micros: 0n };
  let unnamed = 'second';
  const said = new Set<string>();
  for (const match of [...parts].reverse()) {
    const name = match[12]?.toLowerCase() ?? unnamed;
    const part = readPart(match, { name, written });
    for (const one of part.says) {
      if (said.has(one)) throw unreadable(written);
      said.add(one);
    }
    total = addInterval(total, part.value);
    unnamed = part.unnamed;
  }
  return total;
}

const unreadable = (written: string): Error =>
  sqlError('22007', `invalid input syntax for type interval: "${written}"`);

/** `P1Y2M3DT4H5M6.7S` -> `1 y 2 mon 3 d 4 h 5 m 6.7 s`. */
function isoForm(text: string): string | null {
  const match = /^P((?:[+-]?\d+(?:\.\d+)?[YMWD])*)(?:T((?:[+-]?\d+(?:\.\d+)?[HMS])+))?$/i.exec(
    text,
  );
  if (match === null) return null;
  const date = (match[1] ?? '').replace(/[a-z]/gi, (unit) => ` ${unit === 'M' ? 'mon' : unit} `);
  return `${date}${(match[2] ?? '').replace(/[a-z]/gi, (unit) => ` ${unit} `)}`.trim();
}

type Part = {
  readonly value: Interval;
  /** The units that no other part may have. */
  readonly says: readonly string[];
  /** The unit of a number without one to the left of it. */
  readonly unnamed: string;
};

function readPart(
  match: RegExpExecArray,
  { name, written }: { readonly name: string; readonly written: string },
): Part {
  if (match[2] !== undefined) {
    return { value: readClock(match, written), says: CLOCK, unnamed: 'day' };
  }
  if (match[7] !== undefined) {
    return { value: readYears(match, written), says: ['months'], unnamed: 'month' };
  }
  const unit = UNITS.get(name);
  if (unit === undefined) throw unreadable(written);
  const isPart = unit.name === 'seconds' && /[1-9]/.test(match[11] ?? '');
  const says = isPart ? ['seconds', 'milliseconds', 'microseconds'] : [unit.name];
  return { value: readAmount(match, unit), says, unnamed: name };
}

function readAmount(match: RegExpExecArray, { field, size }: Unit): Interval {
  const sign = match[9] === '-' ? -1n : 1n;
  const digits = match[11] ?? '';
  const scale = 10n ** BigInt(digits.length);
  const amount = BigInt((match[10] ?? '0') + digits) * size * sign;
  const zero: Interval = { months: 0n, days: 0n, micros: 0n };
  if (field === 'micros') return { ...zero, micros: roundDivide(amount, scale) };
  if (field === 'days') {
    const micros = roundDivide((amount % scale) * MICROS_PER_DAY, scale);
    return { ...zero, days: amount / scale, micros };
  }
  const days = (amount % scale) * 30n;
  // Parts of years are whole months in PostgreSQL, parts of months are days.
  if (size > 1n) return { ...zero, months: roundDivide(amount, scale) };
  return {
    months: amount / scale,
    days: days / scale,
    micros: roundDivide((days % scale) * MICROS_PER_DAY, scale),
  };
}

/** `1-2`: years and months. */
function readYears(match: RegExpExecArray, written: string): Interval {
  if (BigInt(match[8] ?? 0) >= 12n) throw unreadable(written);
  const months = BigInt(match[7] ?? 0) * 12n + BigInt(match[8] ?? 0);
  return { months: match[6] === '-' ? -months : months, days: 0n, micros: 0n };
}

function readClock(match: RegExpExecArray, written: string): Interval {
  const [hours, minutes, seconds] = [match[2], match[3], match[4]].map((text) => BigInt(text ?? 0));
  if (hours === undefined || minutes === undefined || seconds === undefined) {
    throw unreadable(written);
  }
  if (minutes > 59n || seconds > 60n) throw unreadable(written);
  const fraction = BigInt(roundHalfEven(Number(`0.${match[5] ?? ''}0`) * 1e6));
  const micros = (hours * 3600n + minutes * 60n + seconds) * 1_000_000n + fraction;
  return { months: 0n, days: 0n, micros: match[1] === '-' ? -micros : micros };
}

function roundDivide(a: bigint, b: bigint): bigint {
  const half = a < 0n ? -b : b;
  return (a * 2n + half) / (b * 2n);
}

export function checkInterval(value: Interval): Interval {
  const fits = (number: bigint, bits: bigint): boolean =>
    number >= -(2n ** (bits - 1n)) && number < 2n ** (bits - 1n);
  if (fits(value.months, 32n) && fits(value.days, 32n) && fits(value.micros, 64n)) return value;
  throw sqlError('22008', 'interval out of range');
}

export const negateInterval = ({ months, days, micros }: Interval): Interval => ({
  months: -months,
  days: -days,
  micros: -micros,
});

export const addInterval = (a: Interval, b: Interval): Interval => ({
  months: a.months + b.months,
  days: a.days + b.days,
  micros: a.micros + b.micros,
});

/** PostgreSQL's own form: `1 year 2 mons -3 days +04:05:06.7`. */
export function formatInterval({ months, days, micros }: Interval): string {
  const parts: string[] = [];
  let isNegativeBefore = false;
  const push = (value: bigint, unit: string): void => {
    if (value === 0n) return;
    const sign = isNegativeBefore && value > 0n ? '+' : '';
    parts.push(`${sign}${value} ${unit}${value === 1n ? '' : 's'}`);
    isNegativeBefore = value < 0n;
  };
  push(months / 12n, 'year');
  push(months % 12n, 'mon');
  push(days, 'day');
  if (micros !== 0n || parts.length === 0) {
    const sign = micros < 0n ? '-' : isNegativeBefore ? '+' : '';
    parts.push(sign + formatTime(micros < 0n ? -micros : micros));
  }
  return parts.join(' ');
}

/** Its length when a month has 30 days and a day 24 hours: what intervals are compared by. In microseconds. */
export function intervalLength({ months, days, micros }: Interval): bigint {
  return (months * 30n + days) * MICROS_PER_DAY + micros;
}

/** Multiplies as PostgreSQL: parts of months become days, parts of days microseconds. */
export function scaleInterval({ months, days, micros }: Interval, factor: number): Interval {
  const [exactMonths, exactDays] = [Number(months) * factor, Number(days) * factor];
  if (!Number.isFinite(exactMonths + exactDays)) throw sqlError('22008', 'interval out of range');
  const [wholeMonths, wholeDays] = [Math.trunc(exactMonths), Math.trunc(exactDays)];
  const monthRest = roundMicro((exactMonths - wholeMonths) * 30);
  let restSeconds = roundMicro(
    (exactDays - wholeDays + monthRest - Math.trunc(monthRest)) * 86_400,
  );
  let extraDays = 0;
  if (Math.abs(restSeconds) >= 86_400) {
    extraDays = Math.trunc(restSeconds / 86_400);
    restSeconds -= extraDays * 86_400;
  }
  const total = Number(micros) * factor + restSeconds * 1e6;
  if (!Number.isFinite(total)) throw sqlError('22008', 'interval out of range');
  return checkInterval({
    months: BigInt(wholeMonths),
    days: BigInt(wholeDays + Math.trunc(monthRest) + extraDays),
    micros: BigInt(roundHalfEven(total)),
  });
}

const roundMicro = (value: number): number => roundHalfEven(value * 1e6) / 1e6;

/** C's `rint`. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
