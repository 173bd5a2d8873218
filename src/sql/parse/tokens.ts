/** Tokens of a batch, and a reader that walks over those of one statement. Places are characters of the batch. */
import { type SqlError, sqlError } from '../errors.ts';
import { type PgToken, parsePg, pgErrorDetails, scanPg } from '../pg-parser.ts';

/** `word`: a keyword or unquoted name, folded to lower case in `value`. `name`: a quoted one. */
export type Token = {
  readonly kind: 'word' | 'name' | 'string' | 'number' | 'symbol';
  readonly value: string;
  readonly start: number;
  readonly end: number;
};

/** Of a batch, in characters. */
export const BATCH_LENGTH_MAX = 1_000_000;

/** Throws 42601 where the text cannot be cut into tokens. Comments are left out. */
export function tokensOf(sql: string): readonly Token[] {
  if (sql.length > BATCH_LENGTH_MAX) {
    throw sqlError('54000', `a batch has at most ${BATCH_LENGTH_MAX} characters`);
  }
  if (sql === '') return []; // the parser's scanner refuses it
  const place = characterPlaces(sql);
  return guard({ text: sql, offset: 0 }, scanPg)
    .filter(({ tokenName }) => tokenName !== 'SQL_COMMENT' && tokenName !== 'C_COMMENT')
    .map((token) => readToken(token, sql.slice(place(token.start), place(token.end)), place));
}

function readToken(token: PgToken, text: string, place: (byte: number) => number): Token {
  const places = { start: place(token.start), end: place(token.end) };
  if (token.keywordKind !== 0) return { kind: 'word', value: text.toLowerCase(), ...places };
  switch (token.tokenName) {
    case 'IDENT':
      return text.startsWith('"')
        ? { kind: 'name', value: text.slice(1, -1).replaceAll('""', '"'), ...places }
        : { kind: 'word', value: text.toLowerCase(), ...places };
    case 'SCONST':
      return { kind: 'string', value: text, ...places };
    case 'ICONST':
    case 'FCONST':
      return { kind: 'number', value: text, ...places };
    default:
      return { kind: 'symbol', value: text, ...places };
  }
}

/** Maps a place in UTF-8 bytes to one in characters. */
export function characterPlaces(text: string): (byte: number) => number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the question is whether all is ASCII
  if (/^[\x00-\x7f]*$/.test(text)) return (byte) => byte;
  const places: number[] = [];
  let at = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (let byte = 0; byte < bytes; byte++) places.push(at);
    at += character.length;
  }
  return (byte) => places[byte] ?? text.length;
}

/** What the parser is given: text that begins at `offset` of the batch. */
export type Given = { readonly text: string; readonly offset: number };

/** Runs the parser; its errors become ours, with their place in the batch. */
export function guard<T>({ text, offset }: Given, run: (text: string) => T): T {
  try {
    return run(text);
  } catch (error) {
    const details = pgErrorDetails(error);
    if (details === null) throw error;
    // It counts code points.
    const before = [...text].slice(0, Math.max(0, details.cursorPosition)).join('');
    throw sqlError('42601', details.message, { offset: offset + before.length, cause: error });
  }
}

/** Walks over the tokens of one statement. */
export class TokenReader {
  readonly #sql: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(sql: string, tokens: readonly Token[]) {
    this.#sql = sql;
    this.#tokens = tokens;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  get next(): Token | undefined {
    return this.#tokens[this.#at];
  }

  /** Of the next token; the statement's end after the last one. */
  get offset(): number {
    return this.next?.start ?? this.#tokens.at(-1)?.end ?? 0;
  }

  /** The tokens that are still to be read. */
  get rest(): readonly Token[] {
    return this.#tokens.slice(this.#at);
  }

  /** True when the next tokens are these words or symbols. */
  sees(...values: readonly string[]): boolean {
    return values.every((value, ahead) => {
      const token = this.#tokens[this.#at + ahead];
      return token?.value === value && (token.kind === 'word' || token.kind === 'symbol');
    });
  }

  /** Takes the next tokens when they are these. */
  takes(...values: readonly string[]): boolean {
    if (!this.sees(...values)) return false;
    this.#at += values.length;
    return true;
  }

  expect(...values: readonly string[]): void {
    for (const value of values) if (!this.takes(value)) throw this.failure();
  }

  /** One of the words, which is taken. */
  expectOneOf<T extends string>(values: readonly T[]): T {
    const found = values.find((value) => this.takes(value));
    if (found === undefined) throw this.failure();
    return found;
  }

  name(): string {
    const token = this.next;
    if (token === undefined || (token.kind !== 'word' && token.kind !== 'name')) {
      throw this.failure();
    }
    this.#at++;
    return token.value;
  }

  text(): string {
    const token = this.next;
    if (token?.kind !== 'string') throw this.failure();
    this.#at++;
    return textOf(this.#sql.slice(token.start, token.end), token.start);
  }

  /** A whole number, not negative. */
  count(): number {
    const token = this.next;
    if (token?.kind !== 'number' || !/^\d{1,15}$/.test(token.value)) throw this.failure();
    this.#at++;
    return Number(token.value);
  }

  /** Takes whatever is next, as it was written. */
  take(): Token {
    const token = this.next;
    if (token === undefined) throw this.failure();
    this.#at++;
    return token;
  }

  /** Takes tokens up to `end` (not with it), a place among those that are left. */
  skipTo(end: number): void {
    while (this.next !== undefined && this.next.start < end) this.#at++;
  }

  end(): void {
    if (!this.isAtEnd) throw this.failure();
  }

  failure(): SqlError {
    const token = this.next;
    const near = token === undefined ? 'at end of input' : `at or near "${this.#slice(token)}"`;
    return sqlError('42601', `syntax error ${near}`, { offset: this.offset });
  }

  #slice(token: Token): string {
    return this.#sql.slice(token.start, token.end);
  }
}

/** The value of a string as it is written: doubled quotes, `E'...'` and dollar quotes are PostgreSQL's business. */
function textOf(written: string, offset: number): string {
  const tree = guard({ text: `SELECT ${written}`, offset: offset - 'SELECT '.length }, parsePg);
  const select = tree.stmts?.[0]?.stmt;
  const target = select && 'SelectStmt' in select ? select.SelectStmt.targetList?.[0] : undefined;
  const value = target && 'ResTarget' in target ? target.ResTarget.val : undefined;
  if (value && 'A_Const' in value && value.A_Const.sval) return value.A_Const.sval.sval ?? '';
  throw sqlError('42601', 'a string is expected', { offset });
}
