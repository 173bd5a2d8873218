/** Reads the text of a selector rule, and writes it: what is written is read back as the same expression. */
import { TidelockError } from './errors.ts';
import type { Comparison, Condition, Constant } from './selector-condition.ts';
import { type SelectorExpression, selectorSql } from './selector-expression.ts';

/** Characters of a rule; a policy of a few hundred conditions stays below. */
const RULE_LENGTH_MAX = 50_000;
/** How deep parentheses, CASE and NOT may be in each other. */
const DEPTH_MAX = 100;

const COMPARISONS: readonly string[] = ['=', '<>', '<', '<=', '>', '>='];
const BIGINT_MIN = -(2n ** 63n);
const BIGINT_MAX = 2n ** 63n - 1n;

/** Throws `BAD_CONFIG`. */
export function parseExpression(text: string): SelectorExpression {
  return new Parser(text).parse();
}

/** The text of an expression: names are quoted, so that none is taken for a word of the grammar. */
export function formatExpression(expression: SelectorExpression): string {
  return selectorSql(expression, { text: quoted, plain: quoted, flag: quoted });
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const TOKEN =
  /\s*(?:("(?:[^"]|"")+")|('(?:[^']|'')*')|([A-Za-z_][\w$]*)|(-?\d+)|(\|\||<>|<=|>=|!=|[(),=<>])|(\S))/gy;

class Parser {
  readonly #text: string;
  readonly #tokens: string[] = [];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.length > RULE_LENGTH_MAX) {
      throw this.#error(`it has more than ${RULE_LENGTH_MAX} characters`);
    }
    for (const match of text.matchAll(TOKEN)) {
      if (match[6] !== undefined) throw this.#error(`unexpected ${JSON.stringify(match[6])}`);
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
    const token = this.#take();
    if (token === '(') return this.#inside(() => this.#closed(this.#concat()));
    if (token.startsWith("'")) return { kind: 'literal', text: unquoted(token) };
    if (token.startsWith('"')) return { kind: 'column', name: unquoted(token) };
    if (!isWord(token)) throw this.#error(`unexpected ${token}`);
    if (token.toUpperCase() === 'CASE' && this.#acceptWord('WHEN')) {
      return this.#inside(() => this.#case());
    }
    if (!this.#accept('(')) return { kind: 'column', name: token };
    return this.#inside(() => this.#call(token.toLowerCase()));
  }

  #call(name: string): SelectorExpression {
    if (name === 'coalesce') {
      const parts = [this.#concat()];
      while (this.#accept(',')) parts.push(this.#concat());
      return this.#closed({ kind: 'coalesce', parts });
    }
    if (name !== 'replace') throw this.#error(`function ${name} is not supported`);
    const of = this.#concat();
    this.#expect(',');
    const from = this.#literal();
    this.#expect(',');
    const to = this.#literal();
    if (from === '') throw this.#error('replace needs something to replace');
    return this.#closed({ kind: 'replace', of, from, to });
  }

  /** Behind CASE WHEN. */
  #case(): SelectorExpression {
    const branches = [this.#branch()];
    while (this.#acceptWord('WHEN')) branches.push(this.#branch());
    const otherwise = this.#acceptWord('ELSE') ? this.#concat() : null;
    this.#expectWord('END');
    return { kind: 'case', branches, otherwise };
  }

  #branch(): { when: Condition; value: SelectorExpression } {
    const when = this.#or();
    this.#expectWord('THEN');
    return { when, value: this.#concat() };
  }

  #or(): Condition {
    const parts = [this.#and()];
    while (this.#acceptWord('OR')) parts.push(this.#and());
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : { kind: 'or', parts };
  }

  #and(): Condition {
    const parts = [this.#not()];
    while (this.#acceptWord('AND')) parts.push(this.#not());
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : { kind: 'and', parts };
  }

  #not(): Condition {
    if (!this.#acceptWord('NOT')) return this.#predicate();
    return this.#inside(() => ({ kind: 'not', of: this.#not() }));
  }

  #predicate(): Condition {
    const token = this.#take();
    if (token === '(') return this.#inside(() => this.#parenthesised());
    const isQuoted = token.startsWith('"');
    if (!isQuoted && !isWord(token)) throw this.#error(`unexpected ${token}`);
    const word = isQuoted ? '' : token.toUpperCase();
    if (word === 'TRUE' || word === 'FALSE') return { kind: 'constant', value: word === 'TRUE' };
    return this.#about(isQuoted ? unquoted(token) : token);
  }

  #parenthesised(): Condition {
    if (this.#peek() === 'NULL') return this.#null();
    const of = this.#or();
    this.#expect(')');
    return this.#acceptWord('IS') ? this.#is(of) : of;
  }

  /** `(NULL = 0)`: the way to write what is neither true nor false. */
  #null(): Condition {
    for (const token of ['NULL', '=', '0', ')']) this.#expectWord(token);
    return { kind: 'constant', value: null };
  }

  #is(of: Condition): Condition {
    const isNegated = this.#acceptWord('NOT');
    const word = this.#take().toUpperCase();
    const value = { TRUE: true, FALSE: false, NULL: null, UNKNOWN: null }[word];
    if (value === undefined) throw this.#error(`unexpected ${word}`);
    return negated({ kind: 'is', of, value }, isNegated);
  }

  /** What is said about a column. */
  #about(column: string): Condition {
    const token = this.#peek();
    if (token !== undefined && (COMPARISONS.includes(token) || token === '!=')) {
      this.#next += 1;
      return this.#comparison(column, token === '!=' ? '<>' : (token as Comparison));
    }
    if (this.#acceptWord('IN')) return this.#in(column);
    if (this.#peek() === 'NOT' && this.#tokens[this.#next + 1]?.toUpperCase() === 'IN') {
      this.#next += 2;
      return { kind: 'not', of: this.#in(column) };
    }
    if (!this.#acceptWord('IS')) return { kind: 'flag', column };
    const is = this.#is({ kind: 'flag', column });
    return withNullTest(is, column);
  }

  #comparison(column: string, operator: Comparison): Condition {
    const word = this.#peek();
    if (word === 'TRUE' || word === 'FALSE') {
      this.#next += 1;
      if (operator !== '=' && operator !== '<>') throw this.#error(`unexpected ${operator}`);
      return negated({ kind: 'flag', column }, (operator === '=') !== (word === 'TRUE'));
    }
    const constant = this.#constant();
    if (constant.type === 'text' && operator !== '=' && operator !== '<>') {
      throw this.#error('texts have no order that is the same everywhere: compare with = or <>');
    }
    return { kind: 'compare', column, operator, constant };
  }

  #in(column: string): Condition {
    this.#expect('(');
    const constants = [this.#constant()];
    while (this.#accept(',')) constants.push(this.#constant());
    this.#expect(')');
    const [first] = constants;
    if (constants.some(({ type }) => type !== first?.type)) {
      throw this.#error('texts and numbers are mixed in one list');
    }
    return { kind: 'in', column, constants };
  }

  #constant(): Constant {
    const token = this.#take();
    if (token.startsWith("'")) return { type: 'text', text: unquoted(token) };
    if (!/^-?\d+$/.test(token)) throw this.#error(`a constant is missing before ${token}`);
    const value = BigInt(token);
    if (value < BIGINT_MIN || value > BIGINT_MAX) throw this.#error(`${token} is no bigint`);
    return { type: 'integer', text: String(value) };
  }

  #literal(): string {
    const token = this.#take();
    if (!token.startsWith("'")) throw this.#error(`a 'literal' is missing before ${token}`);
    return unquoted(token);
  }

  #inside<Node>(parse: () => Node): Node {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw this.#error(`it is nested more than ${DEPTH_MAX} deep`);
    const node = parse();
    this.#depth -= 1;
    return node;
  }

  #closed(node: SelectorExpression): SelectorExpression {
    if (!this.#accept(')')) throw this.#error('a ) is missing');
    return node;
  }

  /** The next token; words in upper case. */
  #peek(): string | undefined {
    const token = this.#tokens[this.#next];
    return token !== undefined && isWord(token) ? token.toUpperCase() : token;
  }

  #take(): string {
    const token = this.#tokens[this.#next++];
    if (token === undefined) throw this.#error('it ends too early');
    return token;
  }

  #accept(token: string): boolean {
    if (this.#tokens[this.#next] !== token) return false;
    this.#next += 1;
    return true;
  }

  #acceptWord(word: string): boolean {
    if (this.#peek() !== word) return false;
    this.#next += 1;
    return true;
  }

  #expect(token: string): void {
    if (!this.#accept(token)) throw this.#error(`a ${token} is missing`);
  }

  #expectWord(word: string): void {
    if (!this.#acceptWord(word)) throw this.#error(`${word} is missing`);
  }

  #error(what: string): TidelockError {
    return new TidelockError({
      code: 'BAD_CONFIG',
      message: `selector expression ${JSON.stringify(this.#text.slice(0, 200))}: ${what}`,
      hint: "use column names, 'literals', ||, coalesce(a, b) and CASE WHEN; or * for everyone",
    });
  }
}

function isWord(token: string): boolean {
  return /^[A-Za-z_]/.test(token);
}

function unquoted(token: string): string {
  const quote = token[0] ?? '';
  return token.slice(1, -1).replaceAll(quote + quote, quote);
}

function negated(condition: Condition, isNegated: boolean): Condition {
  return isNegated ? { kind: 'not', of: condition } : condition;
}

/** `a IS NULL` asks about a column of any type, `a IS TRUE` about a boolean one. */
function withNullTest(is: Condition, column: string): Condition {
  const test = is.kind === 'not' ? is.of : is;
  if (test.kind !== 'is' || test.value !== null) return is;
  return negated({ kind: 'isNull', column }, is.kind === 'not');
}
