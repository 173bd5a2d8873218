/** Functions that read nothing but what they are given, and that clients ask the catalog with. */
import { sqlError } from '../errors.ts';
import { longName } from '../type-names.ts';
import type { SqlType } from '../types.ts';
import { formatArray, parseArray, type TextArray } from '../values/array.ts';
import { define, type SqlFunction } from './definition.ts';

/** Source: `pg_type.dat` of PostgreSQL. */
const NAMES: ReadonlyMap<bigint, string> = new Map<bigint, string>([
  ...Object.entries({
    ...{ 16: 'bool', 17: 'bytea', 20: 'int8', 21: 'int2', 23: 'int4', 25: 'text', 26: 'oid' },
    ...{ 700: 'float4', 701: 'float8', 1009: '_text', 1082: 'date', 1114: 'timestamp' },
    ...{ 1184: 'timestamptz', 1186: 'interval', 1700: 'numeric', 2950: 'uuid', 3802: 'jsonb' },
  }).map(([oid, type]) => [BigInt(oid), longName(type as SqlType)] as const),
  [18n, '"char"'],
  [19n, 'name'],
  [1042n, 'character'],
  [1043n, 'character varying'],
]);

const NUMERIC = 1700n;

function formatType(oid: bigint, modifier: bigint): string {
  const name = NAMES.get(oid) ?? (oid === 0n ? '-' : '???');
  if (modifier < 4n) return name;
  const own = modifier - 4n;
  if (oid === NUMERIC) return `${name}(${own >> 16n},${own & 65_535n})`;
  return oid === 1043n || oid === 1042n ? `${name}(${own})` : name;
}

const join = (elements: TextArray, by: string, forNull: string | null): string =>
  elements.flatMap((one) => one ?? forNull ?? []).join(by);

/** Rounded to the next unit from 10240 on. */
function prettySize(size: bigint): string {
  const magnitude = (value: bigint): bigint => (value < 0n ? -value : value);
  if (magnitude(size) < 10_240n) return `${size} bytes`;
  let halves = size >> 9n;
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  while (magnitude(halves) >= 20_479n && units.length > 1) {
    halves >>= 10n;
    units.shift();
  }
  const rounded = halves < 0n ? -((-halves + 1n) / 2n) : (halves + 1n) / 2n;
  return `${rounded} ${units[0]}`;
}

const KEYWORDS = new Set(
  `all and any array as asc both case cast check collate column constraint create current_date current_user default
  desc distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral
  leading limit not null offset on only or order placing primary references returning select session_user some table
  then to true union unique user using variadic when where window with`.split(/\s+/),
);

const quoteIdent = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) && !KEYWORDS.has(name) ? name : `"${name.replaceAll('"', '""')}"`;

function quoteLiteral(value: string): string {
  const quoted = `'${value.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return value.includes('\\') ? `E${quoted}` : quoted;
}

const ENCODING_UTF8 = 6n;

function lengthOf(array: string, dimension: bigint): bigint | null {
  const { length } = parseArray(array);
  return dimension === 1n && length > 0 ? BigInt(length) : null;
}

function splitText(text: string, by: string): string {
  if (by === '') return formatArray(text === '' ? [] : [text]);
  return formatArray(text === '' ? [] : text.split(by));
}

export const catalogFunctions: readonly SqlFunction[] = [
  define('format_type(oid, int4) text', formatType),
  define('pg_encoding_to_char(int4) text', (a) => (a === ENCODING_UTF8 ? 'UTF8' : '')),
  define('pg_size_pretty(int8) text', prettySize),
  define('quote_ident(text) text', quoteIdent),
  define('quote_literal(text) text', quoteLiteral),
  define('array_to_string(_text, text) text', (a, by) => join(parseArray(a), by, null)),
  define('array_to_string(_text, text, text) text', (a, by, no) => join(parseArray(a), by, no)),
  define('array_length(_text, int4) int4', lengthOf),
  define('array_upper(_text, int4) int4', lengthOf),
  define('cardinality(_text) int4', (a) => BigInt(parseArray(a).length)),
  define('string_to_array(text, text) _text', splitText),
  define('||(_text, _text) _text', (a, b) => formatArray([...parseArray(a), ...parseArray(b)])),
  define('after_using(text, text) text', (statement, head) => {
    const place = statement.indexOf(' USING btree ');
    if (place < 0) throw sqlError('22023', 'no index');
    return head + statement.slice(place + ' USING btree '.length);
  }),
];
