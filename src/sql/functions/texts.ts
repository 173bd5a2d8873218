/** Functions of text and bytes. Characters are code points. */
import { sqlError } from '../errors.ts';
import { toHex } from '../values/bytes.ts';
import { define, refuseFunction, type SqlFunction } from './definition.ts';
import { isLike, withEscape } from './like.ts';
import { isMatch } from './regex.ts';

/** Of a text that a function makes. PostgreSQL's own limit is 1 GiB. */
const LENGTH_MAX = 64 * 1024 * 1024;

const lengthOf = (text: string): number => {
  let length = 0;
  for (const _ of text) length++;
  return length;
};

/** Characters from `start` (1 = first) on, `count` of them; what lies before the first is cut off. */
function substring(text: string, start: bigint, count: bigint | null): string {
  if (count !== null && count < 0n)
    throw sqlError('22011', 'negative substring length not allowed');
  const from = Number(start) - 1;
  const end = count === null ? Number.POSITIVE_INFINITY : from + Number(count);
  return [...text].slice(Math.max(from, 0), Math.max(end, 0)).join('');
}

function position(text: string, part: string): bigint {
  const at = text.indexOf(part);
  return at < 0 ? 0n : BigInt(lengthOf(text.slice(0, at)) + 1);
}

/** Negative counts leave that many out at the other end. */
function left(text: string, count: bigint): string {
  return [...text].slice(0, Number(count)).join('');
}

function right(text: string, count: bigint): string {
  const characters = [...text];
  const from = count >= 0n ? characters.length - Number(count) : -Number(count);
  return characters.slice(Math.max(from, 0)).join('');
}

function trimStart(text: string, characters: string): string {
  const set = new Set(characters);
  const all = [...text];
  const from = all.findIndex((character) => !set.has(character));
  return from < 0 ? '' : all.slice(from).join('');
}

function trimEnd(text: string, characters: string): string {
  const set = new Set(characters);
  const all = [...text];
  return all.slice(0, all.findLastIndex((character) => !set.has(character)) + 1).join('');
}

const trim = (text: string, characters: string): string =>
  trimEnd(trimStart(text, characters), characters);

function repeat(text: string, count: bigint): string {
  if (count <= 0n) return '';
  if (text.length * Number(count) > LENGTH_MAX) throw tooLong();
  return text.repeat(Number(count));
}

const tooLong = (): Error => sqlError('54000', `a text has at most ${LENGTH_MAX} characters`);

function pad(text: string, wanted: bigint, filler: string, side: 'left' | 'right'): string {
  const characters = [...text];
  const length = Math.max(Number(wanted), 0);
  if (length > LENGTH_MAX) throw tooLong();
  if (characters.length >= length || filler === '') return characters.slice(0, length).join('');
  const missing = length - characters.length;
  const fillers = [...filler];
  const padding = Array.from(
    { length: missing },
    (_, index) => fillers[index % fillers.length],
  ).join('');
  return side === 'left' ? padding + text : text + padding;
}

function splitPart(text: string, delimiter: string, wanted: bigint): string {
  if (wanted === 0n) throw sqlError('22023', 'field position must not be zero');
  const parts = delimiter === '' ? [text] : text.split(delimiter);
  return parts.at(Number(wanted > 0n ? wanted - 1n : wanted)) ?? '';
}

function translate(text: string, from: string, to: string): string {
  const targets = [...to];
  const table = new Map<string, string>();
  [...from].forEach((character, index) => {
    if (!table.has(character)) table.set(character, targets[index] ?? '');
  });
  return [...text].map((character) => table.get(character) ?? character).join('');
}

function character(code: bigint): string {
  if (code <= 0n) throw sqlError('54000', 'character number must be positive');
  if (code > 0x10ffffn || (code >= 0xd800n && code <= 0xdfffn)) {
    throw sqlError('54000', 'requested character not valid for encoding');
  }
  return String.fromCodePoint(Number(code));
}

/** Simple mapping of each character by itself: no `SS` for `ß`. */
const upper = (text: string): string =>
  mapCharacters(text, (one) => withIota(one) ?? one.toUpperCase());
const lower = (text: string): string =>
  mapCharacters(text, (one) => (one === 'İ' ? 'i' : one.toLowerCase()));

/** Greek letters with an iota below, whose full mapping is two letters and whose simple one is the title case. */
function withIota(one: string): string | null {
  const code = one.codePointAt(0) ?? 0;
  if ([0x1fb3, 0x1fc3, 0x1ff3].includes(code)) return String.fromCodePoint(code + 9);
  const isPlain = code >= 0x1f80 && code <= 0x1fa7 && (code & 15) < 8;
  return isPlain ? String.fromCodePoint(code + 8) : null;
}

function mapCharacters(text: string, map: (character: string) => string): string {
  let mapped = '';
  for (const one of text) {
    const other = map(one);
    mapped += lengthOf(other) === 1 ? other : one;
  }
  return mapped;
}

function initialCapitals(text: string): string {
  return text.replace(/[\p{L}\p{N}]+/gu, (word) => {
    const [first = '', ...others] = [...word];
    return upper(first) + lower(others.join(''));
  });
}

/** Makes a value fit `varchar(n)`: spaces beyond it are cut off, anything else is an error. */
function fitText(text: string, length: bigint): string {
  const characters = [...text];
  if (characters.length <= Number(length)) return text;
  if (characters.slice(Number(length)).every((one) => one === ' ')) {
    return characters.slice(0, Number(length)).join('');
  }
  throw sqlError('22001', `value too long for type character varying(${length})`);
}

function encode(bytes: Uint8Array, format: string): string {
  if (format.toLowerCase() === 'hex') return toHex(bytes);
  throw sqlError('0A000', `the encoding "${format}" is not supported`);
}

const codeOf = (text: string): bigint => BigInt(text.codePointAt(0) ?? 0);
const byteLength = (text: string): bigint => BigInt(new TextEncoder().encode(text).length);

const lengths = ['length', 'char_length', 'character_length'] as const;
const substrings = ['substr', 'substring'] as const;

export const textFunctions: readonly SqlFunction[] = [
  ...lengths.map((name) => define(`${name}(text) int4`, (a) => BigInt(lengthOf(a)))),
  define('length(bytea) int4', (a) => BigInt(a.length)),
  define('octet_length(text) int4', byteLength),
  define('octet_length(bytea) int4', (a) => BigInt(a.length)),
  define('bit_length(text) int4', (a) => byteLength(a) * 8n),
  define('lower(text) text', lower),
  define('upper(text) text', upper),
  define('initcap(text) text', initialCapitals),
  ...substrings.map((name) => define(`${name}(text, int4) text`, (a, b) => substring(a, b, null))),
  ...substrings.map((name) => define(`${name}(text, int4, int4) text`, substring)),
  refuseFunction('substring(text, text) text'),
  refuseFunction('substring(bytea, int4) bytea'),
  refuseFunction('substring(bytea, int4, int4) bytea'),
  define('strpos(text, text) int4', position),
  define('position(text, text) int4', position),
  define('left(text, int4) text', left),
  define('right(text, int4) text', right),
  define('btrim(text) text', (a) => trim(a, ' ')),
  define('btrim(text, text) text', trim),
  define('ltrim(text) text', (a) => trimStart(a, ' ')),
  define('ltrim(text, text) text', trimStart),
  define('rtrim(text) text', (a) => trimEnd(a, ' ')),
  define('rtrim(text, text) text', trimEnd),
  define('replace(text, text, text) text', (a, b, c) => (b === '' ? a : a.replaceAll(b, () => c))),
  define('repeat(text, int4) text', repeat),
  define('reverse(text) text', (a) => [...a].reverse().join('')),
  define('lpad(text, int4) text', (a, b) => pad(a, b, ' ', 'left')),
  define('lpad(text, int4, text) text', (a, b, c) => pad(a, b, c, 'left')),
  define('rpad(text, int4) text', (a, b) => pad(a, b, ' ', 'right')),
  define('rpad(text, int4, text) text', (a, b, c) => pad(a, b, c, 'right')),
  define('split_part(text, text, int4) text', splitPart),
  define('translate(text, text, text) text', translate),
  define('starts_with(text, text) bool', (a, b) => a.startsWith(b)),
  define('^@(text, text) bool', (a, b) => a.startsWith(b)),
  define('ascii(text) int4', codeOf),
  define('chr(int4) text', character),
  define('encode(bytea, text) text', encode),
  define('||(text, text) text', (a, b) => a + b),
  define('||(bytea, bytea) bytea', (a, b) => Uint8Array.from([...a, ...b])),
  define('~~(text, text) bool', (a, b) => isLike(a, b)),
  define('!~~(text, text) bool', (a, b) => !isLike(a, b)),
  define('~~*(text, text) bool', (a, b) => isLike(lower(a), lower(b))),
  define('!~~*(text, text) bool', (a, b) => !isLike(lower(a), lower(b))),
  define('~(text, text) bool', (a, b) => isMatch(a, b, false)),
  define('!~(text, text) bool', (a, b) => !isMatch(a, b, false)),
  define('~*(text, text) bool', (a, b) => isMatch(a, b, true)),
  define('!~*(text, text) bool', (a, b) => !isMatch(a, b, true)),
  define('like_escape(text, text) text', withEscape),
  define('truncate_text(text, int4) text', left),
  define('fit_text(text, int4) text', fitText),
  refuseFunction('~~(bytea, bytea) bool'),
  refuseFunction('!~~(bytea, bytea) bool'),
];
