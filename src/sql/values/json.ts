/** PostgreSQL's `jsonb`: read, written in its one form (short keys first), looked into. Numbers keep all digits. */
import { sqlError } from '../errors.ts';
import { formatNumeric, numericKey, toNumeric } from './numeric.ts';

export type Json =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  /** The text of a numeric. */
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'array'; readonly items: readonly Json[] }
  /** In the order of keys: by bytes of length, then by bytes. */
  | { readonly kind: 'object'; readonly entries: readonly (readonly [string, Json])[] };

const DEPTH_MAX = 1000;

/** Throws 22P02. */
export function parseJson(text: string): Json {
  const reader = new JsonReader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): Json {
    if (depth > DEPTH_MAX) throw sqlError('54001', `JSON is nested more than ${DEPTH_MAX} deep`);
    this.#space();
    const character = this.#text[this.#at];
    if (character === '{') return this.#object(depth);
    if (character === '[') return this.#array(depth);
    if (character === '"') return { kind: 'string', text: this.#string() };
    const token = this.#match(/true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (token === 'null') return { kind: 'null' };
    if (token === 'true' || token === 'false') return { kind: 'boolean', value: token === 'true' };
    return { kind: 'number', text: formatNumeric(toNumeric(token)) };
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) throw this.#failure();
  }

  #array(depth: number): Json {
    this.#at++;
    const items: Json[] = [];
    if (this.#takes(']')) return { kind: 'array', items };
    do items.push(this.value(depth + 1));
    while (this.#takes(','));
    if (!this.#takes(']')) throw this.#failure();
    return { kind: 'array', items };
  }

  #object(depth: number): Json {
    this.#at++;
    const entries = new Map<string, Json>();
    if (this.#takes('}')) return { kind: 'object', entries: [] };
    do {
      this.#space();
      const key = this.#string();
      if (!this.#takes(':')) throw this.#failure();
      entries.set(key, this.value(depth + 1));
    } while (this.#takes(','));
    if (!this.#takes('}')) throw this.#failure();
    return { kind: 'object', entries: [...entries].sort(([a], [b]) => compareKeys(a, b)) };
  }

  #string(): string {
    const token = this.#match(
      /"(?:[^"\\\p{Cc}]|[\x7f-\x9f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy,
    );
    const text: unknown = JSON.parse(token);
    if (typeof text !== 'string' || !text.isWellFormed()) throw this.#failure();
    if (text.includes('\0')) throw sqlError('22P02', 'unsupported Unicode escape sequence');
    return text;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) throw this.#failure();
    this.#at += match[0].length;
    return match[0];
  }

  #takes(character: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? 'x')) this.#at++;
  }

  #failure(): Error {
    return sqlError('22P02', 'invalid input syntax for type json');
  }
}

const lengthOf = (text: string): number => {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
};

const compareKeys = (a: string, b: string): number =>
  lengthOf(a) - lengthOf(b) || compareText(a, b);

/** By code points, which is the order of the UTF-8 bytes. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (left !== right) return orderOf(left) - orderOf(right);
  }
  return a.length - b.length;
}

/** Halves of pairs stand for code points above all others. */
const orderOf = (unit: number): number =>
  unit >= 0xd800 && unit <= 0xdfff ? unit + 0x2000 : unit >= 0xe000 ? unit - 0x800 : unit;

/** As PostgreSQL prints jsonb. */
export function formatJson(value: Json): string {
  switch (value.kind) {
    case 'null':
      return 'null';
    case 'boolean':
      return String(value.value);
    case 'number':
      return value.text;
    case 'string':
      return JSON.stringify(value.text);
    case 'array':
      return `[${value.items.map(formatJson).join(', ')}]`;
    case 'object':
      return `{${value.entries.map(([key, one]) => `${JSON.stringify(key)}: ${formatJson(one)}`).join(', ')}}`;
  }
}

/** One text for all values that are equal: 1.0 and 1.00 are. */
export function jsonKey(value: Json): string {
  return formatJson(shortNumbers(value));
}

function shortNumbers(value: Json): Json {
  switch (value.kind) {
    case 'number':
      return { kind: 'number', text: numericKey(toNumeric(value.text)) };
    case 'array':
      return { kind: 'array', items: value.items.map(shortNumbers) };
    case 'object':
      return {
        kind: 'object',
        entries: value.entries.map(([key, one]) => [key, shortNumbers(one)] as const),
      };
    default:
      return value;
  }
}

/** `value -> 'key'`; undefined when there is none. */
export function memberOf(value: Json, key: string): Json | undefined {
  if (value.kind !== 'object') return undefined;
  return value.entries.find(([name]) => name === key)?.[1];
}

/** `value -> 2`, `value -> -1`. */
export function itemOf(value: Json, index: bigint): Json | undefined {
  if (value.kind === 'array') return value.items.at(Number(index));
  // PostgreSQL takes a scalar for a list of one.
  return value.kind !== 'object' && (index === 0n || index === -1n) ? value : undefined;
}

/** `->>`: a string as it is, JSON's null as NULL, others as they print. */
export function jsonToText(value: Json | undefined): string | null {
  if (value === undefined || value.kind === 'null') return null;
  return value.kind === 'string' ? value.text : formatJson(value);
}
