/**
 * How a row's selector is computed. A selector is the key of a subset: a tenant, a device, a country.
 * A row has at most one; a row without one (NULL) reaches nobody.
 *
 * Expressions are deliberately few, so that Postgres (snapshots), this program (the stream) and SQLite
 * (full scans of a replica) agree to the byte: column names, 'literals', `||` and coalesce(a, b, ...).
 */
import { TidelockError } from './errors.ts';

export type SelectorExpression =
  | { readonly kind: 'column'; readonly name: string }
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'concat'; readonly parts: readonly SelectorExpression[] }
  | { readonly kind: 'coalesce'; readonly parts: readonly SelectorExpression[] };

export type SelectorRule =
  | { readonly kind: 'everyone' }
  | { readonly kind: 'expression'; readonly text: string; readonly expression: SelectorExpression };

/** The selector under which rows of `everyone` tables are filed. Clients never name it. */
export const EVERYONE = '*';

export const SELECTOR_LENGTH_MAX = 200;

/** Checks a selector that a client named. Throws `BAD_SELECTOR`. */
export function parseSelector(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  const isClean = !/[\u0000-\u001f\u007f]/.test(text);
  if (isClean && text.length > 0 && text.length <= SELECTOR_LENGTH_MAX && text !== EVERYONE)
    return text;
  throw new TidelockError({
    code: 'BAD_SELECTOR',
    message: `selector ${JSON.stringify(text.slice(0, 40))} is *, empty, over ${SELECTOR_LENGTH_MAX} characters or has control characters`,
    hint: 'name the subset as its rows do, for example selector=FR',
  });
}

/** The columns that an expression reads, each once. */
export function columnsOf(rule: SelectorRule): readonly string[] {
  if (rule.kind === 'everyone') return [];
  const names = new Set<string>();
  const visit = (node: SelectorExpression): void => {
    if (node.kind === 'column') names.add(node.name);
    else if (node.kind !== 'literal') node.parts.forEach(visit);
  };
  visit(rule.expression);
  return [...names];
}

/** The selector of a row, or null when the row reaches nobody. `column` gives a column's canonical text. */
export function evaluateSelector(
  node: SelectorExpression,
  column: (name: string) => string | null,
): string | null {
  switch (node.kind) {
    case 'column':
      return column(node.name);
    case 'literal':
      return node.text;
    case 'concat': {
      let text = '';
      for (const part of node.parts) {
        const value = evaluateSelector(part, column);
        if (value === null) return null;
        text += value;
      }
      return text;
    }
    default: {
      for (const part of node.parts) {
        const value = evaluateSelector(part, column);
        if (value !== null) return value;
      }
      return null;
    }
  }
}

/** The same expression as SQL text. `column` renders a column reference as text (Postgres needs a cast). */
export function selectorSql(node: SelectorExpression, column: (name: string) => string): string {
  switch (node.kind) {
    case 'column':
      return column(node.name);
    case 'literal':
      return `'${node.text.replaceAll("'", "''")}'`;
    case 'concat':
      return `(${node.parts.map((part) => selectorSql(part, column)).join(' || ')})`;
    default:
      return `coalesce(${node.parts.map((part) => selectorSql(part, column)).join(', ')})`;
  }
}

/** Parses a rule as written in the configuration: `*` for everyone, else an expression. Throws `BAD_CONFIG`. */
export function parseSelectorRule(text: string): SelectorRule {
  if (text.trim() === EVERYONE) return { kind: 'everyone' };
  const parser = new Parser(text);
  return { kind: 'expression', text, expression: parser.parse() };
}

const TOKEN = /\s*(?:("(?:[^"]|"")+")|('(?:[^']|'')*')|([A-Za-z_][\w$]*)|(\|\||[(),])|(\S))/gy;

class Parser {
  readonly #text: string;
  readonly #tokens: string[] = [];
  #next = 0;

  constructor(text: string) {
    this.#text = text;
    for (const match of text.matchAll(TOKEN)) {
      if (match[5] !== undefined) throw this.#error(`unexpected ${JSON.stringify(match[5])}`);
      this.#tokens.push(match[0].trim());
    }
  }

  parse(): SelectorExpression {
    const node = this.#concat();
    if (this.#next < this.#tokens.length)
      throw this.#error(`unexpected ${this.#tokens[this.#next]}`);
    return node;
  }

  #concat(): SelectorExpression {
    const parts = [this.#operand()];
    while (this.#accept('||')) parts.push(this.#operand());
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : { kind: 'concat', parts };
  }

  #operand(): SelectorExpression {
    const token = this.#tokens[this.#next++];
    if (token === undefined) throw this.#error('it ends too early');
    if (token === '(') return this.#closed(this.#concat());
    if (token.startsWith("'")) {
      return { kind: 'literal', text: token.slice(1, -1).replaceAll("''", "'") };
    }
    if (token.startsWith('"')) {
      return { kind: 'column', name: token.slice(1, -1).replaceAll('""', '"') };
    }
    if (/^[(),|]/.test(token)) throw this.#error(`unexpected ${token}`);
    if (this.#tokens[this.#next] !== '(') return { kind: 'column', name: token };
    if (token.toLowerCase() !== 'coalesce') throw this.#error(`function ${token} is not supported`);
    this.#next += 1;
    const parts = [this.#concat()];
    while (this.#accept(',')) parts.push(this.#concat());
    return this.#closed({ kind: 'coalesce', parts });
  }

  #closed(node: SelectorExpression): SelectorExpression {
    if (!this.#accept(')')) throw this.#error('a ) is missing');
    return node;
  }

  #accept(token: string): boolean {
    if (this.#tokens[this.#next] !== token) return false;
    this.#next += 1;
    return true;
  }

  #error(what: string): TidelockError {
    return new TidelockError({
      code: 'BAD_CONFIG',
      message: `selector expression ${JSON.stringify(this.#text)}: ${what}`,
      hint: "use column names, 'literals', || and coalesce(a, b); or * for everyone",
    });
  }
}
