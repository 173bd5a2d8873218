/** Directive lines: `command key key=value key=(a, b)`, in the strict dialect. */
import { type Place, ScriptError } from './errors.ts';
import type { Argument } from './types.ts';

export type Directive = {
  readonly command: string;
  readonly args: readonly Argument[];
  readonly argPlaces: readonly Place[];
};

const WORD = /[\p{L}\p{N}_.-]+/uy;
const BARE = /[^\s"(),]+/y;
const QUOTED = /"(?:[^"\\]|\\.)*"/y;
const SPACE = /\s+/y;
const QUOTING = 'put the value into double quotes, as in JSON: key="a value"';

/** True for a text that stands in a directive line without quotes. */
export function isBareValue(text: string): boolean {
  return /^[^\s"(),]+$/.test(text);
}

export function isWord(text: string): boolean {
  return /^[\p{L}\p{N}_.-]+$/u.test(text);
}

/** Reads one line left to right. Throws `ScriptError` with the column. */
export class DirectiveReader {
  readonly #text: string;
  readonly #start: Place;
  #at = 0;

  constructor(text: string, start: Place) {
    this.#text = text;
    this.#start = start;
  }

  directive(): Directive {
    const command = this.#take(WORD);
    if (command === null) throw this.#commandError();
    if (this.#peek() !== '' && this.#take(SPACE) === null) throw this.#commandError();
    return { command, ...this.arguments() };
  }

  /** All arguments up to the end of the line. */
  arguments(): Omit<Directive, 'command'> {
    const args: Argument[] = [];
    const argPlaces: Place[] = [];
    this.#take(SPACE);
    while (this.#peek() !== '') {
      const place = this.#place();
      const argument = this.#argument();
      if (args.some(({ key }) => key === argument.key)) {
        const remedy = 'name each argument once; several values are a list: key=(a, b)';
        throw new ScriptError(place, `argument ${argument.key} is there twice`, remedy);
      }
      args.push(argument);
      argPlaces.push(place);
      this.#expectGap();
    }
    return { args, argPlaces };
  }

  #argument(): Argument {
    const key = this.#take(WORD);
    if (key === null) throw this.#keyError();
    if (this.#peek() !== '=') return { kind: 'flag', key };
    this.#at += 1;
    if (this.#peek() === '(') return { kind: 'list', key, values: this.#list() };
    return { kind: 'value', key, value: this.#value() ?? '' };
  }

  #value(): string | null {
    if (this.#peek() === '"') return this.#quoted();
    return this.#take(BARE);
  }

  #quoted(): string {
    const place = this.#place();
    const quoted = this.#take(QUOTED);
    if (quoted === null) throw new ScriptError(place, 'the quote is not closed', 'add a "');
    try {
      return String(JSON.parse(quoted));
    } catch {
      throw new ScriptError(
        place,
        `${quoted} is not a JSON string`,
        'escape as JSON does: \\" \\\\ \\n \\u0041',
      );
    }
  }

  /** `(a, "b c", (kept, as it is))`; `()` is the empty list. */
  #list(): string[] {
    const opened = this.#place();
    this.#at += 1;
    this.#take(SPACE);
    const values: string[] = [];
    if (this.#eat(')')) return values;
    for (;;) {
      values.push(this.#element(opened));
      this.#take(SPACE);
      if (this.#eat(')')) return values;
      if (!this.#eat(',')) throw this.#listError(opened);
      this.#take(SPACE);
    }
  }

  #element(opened: Place): string {
    if (this.#peek() === '"') return this.#quoted();
    const from = this.#at;
    for (let depth = 0; this.#peek() !== ''; this.#at += 1) {
      const char = this.#peek();
      if (depth === 0 && /[\s,)"]/.test(char)) break;
      if (char === '(') depth += 1;
      if (char === ')') depth -= 1;
    }
    const value = this.#text.slice(from, this.#at);
    if (this.#peek() === '') throw this.#listError(opened);
    if (value !== '') return value;
    const remedy = 'write "" for an empty value, () for an empty list';
    throw new ScriptError(this.#place(), 'the list has an empty value', remedy);
  }

  #expectGap(): void {
    const before = this.#take(SPACE);
    if (this.#peek() === '=') {
      throw new ScriptError(this.#place(), 'a space before "="', 'write key=value without spaces');
    }
    if (before !== null || this.#peek() === '') return;
    throw new ScriptError(this.#place(), `unexpected ${JSON.stringify(this.#peek())}`, QUOTING);
  }

  #commandError(): ScriptError {
    const char = this.#peek();
    if (char === ',') {
      const remedy = 'write one case for each command';
      return new ScriptError(this.#place(), 'a list of commands is not supported', remedy);
    }
    const remedy = 'a case begins with a command of letters, digits, "-", "_" and "."';
    return new ScriptError(
      this.#place(),
      `unexpected ${JSON.stringify(char)} in a command`,
      remedy,
    );
  }

  #keyError(): ScriptError {
    const char = this.#peek();
    if (char === '#') {
      const remedy = 'put the comment on a line of its own before the case';
      return new ScriptError(
        this.#place(),
        '"#" begins a comment only at the start of a line',
        remedy,
      );
    }
    if (char === '=') {
      return new ScriptError(this.#place(), 'a space before "="', 'write key=value without spaces');
    }
    return new ScriptError(this.#place(), `unexpected ${JSON.stringify(char)}`, QUOTING);
  }

  #listError(opened: Place): ScriptError {
    if (this.#peek() !== '') {
      return new ScriptError(this.#place(), 'expected "," or ")" in the list', QUOTING);
    }
    return new ScriptError(opened, 'the parenthesis is not closed', 'add a )');
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return null;
    this.#at += match[0].length;
    return match[0];
  }

  #eat(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at += 1;
    return true;
  }

  /** The next character; empty at the end of the line. */
  #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #place(): Place {
    return { ...this.#start, column: this.#start.column + this.#at };
  }
}
