/**
 * The forms of a value in Transicator's messages. All start from the one canonical cell, so a snapshot equals what
 * the changes would have made of an empty replica.
 */
import type { TableDef } from '../../core/table.ts';
import type { Cell, ValueKind } from '../../core/value.ts';
import { TIMESTAMP_OID, TIMESTAMPTZ_OID, typeOidOf } from './types.ts';

/** What the encoders need of a column. */
export type Column = {
  readonly name: string;
  readonly kind: ValueKind;
  readonly oid: number;
};

const columns = new WeakMap<TableDef, readonly Column[]>();

/** The columns of a table, computed once for each definition. */
export function columnsOf(table: TableDef): readonly Column[] {
  const known = columns.get(table);
  if (known !== undefined) return known;
  const made = table.columns.map((column) => ({
    name: column.name,
    kind: column.kind,
    oid: typeOidOf(column),
  }));
  columns.set(table, made);
  return made;
}

export function isTimestamp({ oid }: Column): boolean {
  return oid === TIMESTAMP_OID || oid === TIMESTAMPTZ_OID;
}

/** The text of a value in JSON: Postgres' own, but `true`/`false`, floats as Go prints them, and UTC offsets in full. */
export function valueText(kind: ValueKind, cell: Exclude<Cell, null>): string {
  if (cell instanceof Uint8Array) return hexText(cell);
  if (typeof cell === 'string') return cell;
  if (kind === 'bool') return cell === 0 ? 'false' : 'true';
  return kind === 'float' ? floatText(Number(cell)) : String(cell);
}

/** From here on numbers are written with an exponent, as Go does. */
const FIXED_MIN = 1e-4;
const FIXED_MAX = 1e21;

/** Shortest text that reads back as the same double; the exponent has a capital E and two digits or more. */
export function floatText(value: number): string {
  if (Object.is(value, -0)) return '-0';
  const size = Math.abs(value);
  if (!Number.isFinite(value) || size === 0) return String(value);
  if (size < FIXED_MAX && size >= FIXED_MIN) return String(value);
  return value.toExponential().replace(/e([+-])(\d+)$/, (_all, sign: string, digits: string) => {
    return `E${sign}${digits.padStart(2, '0')}`;
  });
}

const HEX = Array.from({ length: 256 }, (_none, byte) => byte.toString(16).padStart(2, '0'));

/** Bytes as Postgres prints them: `\x` and hexadecimal digits. Exact, and self-describing. */
export function hexText(bytes: Uint8Array): string {
  let text = '\\x';
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** Postgres' own ends of time. */
const INFINITY_MICROS = 9223372036854775807n;
const EPOCH_DAYS = 10_957;
const TIMESTAMP =
  /^(\d+)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:\+00(?::00)?)?( BC)?$/;

/** Microseconds since 2000-01-01 UTC of a timestamp's text; null when it is none. */
export function timestampMicros(text: string): bigint | null {
  if (text === 'infinity') return INFINITY_MICROS;
  if (text === '-infinity') return -INFINITY_MICROS - 1n;
  const match = TIMESTAMP.exec(text);
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map(Number);
  const micros = Number((match[7] ?? '').padEnd(6, '0'));
  const days = daysSince1970(match[8] === undefined ? year : 1 - year, month, day) - EPOCH_DAYS;
  const seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
  return BigInt(seconds) * 1_000_000n + BigInt(micros);
}

/** Days of the proleptic Gregorian calendar; the year 0 is 1 BC. Counts from March, so that leap days come last. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const leapDays = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  return era * 146_097 + yearOfEra * 365 + leapDays + dayOfYear - 719_468;
}
