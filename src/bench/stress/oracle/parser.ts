/**
 * Reads the text of Postgres' `test_decoding` plugin. Shares nothing with the product's decoder, so that a
 * mistake of one is not made by the other.
 *
 *   table public."T": UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 note[text]:'it''s'
 */
import { TidelockError } from '../../../core/errors.ts';

/** A column as the plugin prints it. `unchanged`: a large value that the update did not touch. */
export type PluginValue =
  | { readonly kind: 'null' }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'text'; readonly text: string };

export type PluginTuple = ReadonlyMap<string, PluginValue>;

export type PluginLine =
  | { readonly kind: 'begin'; readonly xid: number }
  /** `micros`: commit time, microseconds since 1970; null when the slot was not asked for it. */
  | { readonly kind: 'commit'; readonly xid: number; readonly micros: number | null }
  | {
      readonly kind: 'row';
      /** `schema.table`, unquoted. */
      readonly table: string;
      readonly op: 'insert' | 'update' | 'delete';
      readonly old: PluginTuple | null;
      readonly row: PluginTuple | null;
    }
  | { readonly kind: 'truncate'; readonly tables: readonly string[] }
  /** A logical message: changes no rows. */
  | { readonly kind: 'message' };

const END = /^(BEGIN|COMMIT) (\d+)(?: \(at (.+)\))?$/;
const NO_TUPLE = '(no-tuple-data)';
const UNCHANGED = 'unchanged-toast-datum';

/** Throws `PROTOCOL` for a text that the plugin does not print. */
export function parsePluginLine(text: string): PluginLine {
  const end = END.exec(text);
  if (end !== null) {
    const xid = Number(end[2]);
    if (end[1] === 'BEGIN') return { kind: 'begin', xid };
    return { kind: 'commit', xid, micros: end[3] === undefined ? null : microsOf(end[3]) };
  }
  if (text.startsWith('message: ')) return { kind: 'message' };
  const reader = new Reader(text);
  reader.expect('table ');
  const tables = [reader.tableName()];
  while (reader.take(', ')) tables.push(reader.tableName());
  reader.expect(': ');
  return changeOf(reader, tables);
}

function changeOf(reader: Reader, tables: readonly string[]): PluginLine {
  const [table = ''] = tables;
  if (reader.take('TRUNCATE: ')) return { kind: 'truncate', tables };
  if (reader.take('INSERT: ')) {
    return { kind: 'row', table, op: 'insert', old: null, row: reader.tuple() };
  }
  if (reader.take('DELETE: ')) {
    return { kind: 'row', table, op: 'delete', old: reader.tuple(), row: null };
  }
  reader.expect('UPDATE: ');
  let old: PluginTuple | null = null;
  if (reader.take('old-key: ')) {
    old = reader.tuple();
    reader.expect(' new-tuple: ');
  }
  return { kind: 'row', table, op: 'update', old, row: reader.tuple() };
}

/** `2026-11-22 06:50:00.123456+00` */
function microsOf(text: string): number {
  const [date = '', fraction = ''] = text.replace(/\+00$/, '').split('.');
  const ms = Date.parse(`${date.replace(' ', 'T')}Z`);
  return ms * 1000 + Number(fraction.padEnd(6, '0'));
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  take(part: string): boolean {
    if (!this.#text.startsWith(part, this.#at)) return false;
    this.#at += part.length;
    return true;
  }

  expect(part: string): void {
    if (!this.take(part)) throw this.#wrong(`${JSON.stringify(part)} is expected`);
  }

  tableName(): string {
    const schema = this.#identifier(':.,');
    if (!this.take('.')) return schema;
    return `${schema}.${this.#identifier(':,')}`;
  }

  /** Columns until the end of the text or until ` new-tuple: `. Null for a tuple that was not logged. */
  tuple(): PluginTuple | null {
    if (this.take(NO_TUPLE)) return null;
    const columns = new Map<string, PluginValue>();
    // Bounded by the text: every turn moves on by a column.
    for (;;) {
      const name = this.#identifier('[');
      this.#type();
      columns.set(name, this.#value());
      const isEnd = this.#at >= this.#text.length;
      if (isEnd || this.#text.startsWith(' new-tuple: ', this.#at)) return columns;
      this.expect(' ');
    }
  }

  /** A name, quoted or up to one of `ends`. */
  #identifier(ends: string): string {
    if (this.take('"')) return this.#quoted('"');
    const start = this.#at;
    while (this.#at < this.#text.length && !ends.includes(this.#text.charAt(this.#at)))
      this.#at += 1;
    if (this.#at === start) throw this.#wrong('a name is expected');
    return this.#text.slice(start, this.#at);
  }

  /** What stands up to the closing quote; doubled quotes count as one. */
  #quoted(quote: string): string {
    let text = '';
    for (;;) {
      const end = this.#text.indexOf(quote, this.#at);
      if (end < 0) throw this.#wrong(`the closing ${quote} is missing`);
      text += this.#text.slice(this.#at, end);
      this.#at = end + 1;
      if (!this.take(quote)) return text;
      text += quote;
    }
  }

  /** `[integer[]]:`, `[public."odd ] type"]:`; ends at the bracket that closes the first. */
  #type(): void {
    this.expect('[');
    for (let depth = 1; depth > 0; ) {
      const character = this.#text.charAt(this.#at);
      if (character === '') throw this.#wrong('the type does not end');
      this.#at += 1;
      if (character === '"') this.#quoted('"');
      else if (character === '[') depth += 1;
      else if (character === ']') depth -= 1;
    }
    this.expect(':');
  }

  #value(): PluginValue {
    if (this.take("B'") || this.take("'")) return { kind: 'text', text: this.#quoted("'") };
    const start = this.#at;
    const space = this.#text.indexOf(' ', start);
    this.#at = space < 0 ? this.#text.length : space;
    const text = this.#text.slice(start, this.#at);
    if (text === '') throw this.#wrong('a value is expected');
    if (text === 'null') return { kind: 'null' };
    if (text === UNCHANGED) return { kind: 'unchanged' };
    return { kind: 'text', text };
  }

  #wrong(reason: string): TidelockError {
    const around = this.#text.slice(Math.max(0, this.#at - 40), this.#at + 40);
    return new TidelockError({
      code: 'PROTOCOL',
      message: `test_decoding's text cannot be read at character ${this.#at} (…${around}…): ${reason}`,
    });
  }
}
