/** Directive lines as the Go and the Rust library read them. */
import type { Directive } from './directive.ts';
import { type Place, ScriptError } from './errors.ts';
import type { Argument } from './types.ts';

/**
 * Go: the command runs to the first space; a bare value to the next one, commas included; lists are split at commas
 * outside of inner parentheses, and blanks after a comma are dropped. The first of two equal keys wins.
 */
export function goDirective(line: string, start: Place): Directive {
  const [command = '', ...rest] = line.split(' ');
  const from = command.length + 1;
  const args: Argument[] = [];
  const argPlaces: Place[] = [];
  for (const { text, offset } of goArguments(rest.join(' '), {
    ...start,
    column: start.column + from,
  })) {
    const argument = goArgument(text);
    if (args.some(({ key }) => key === argument.key)) continue;
    args.push(argument);
    argPlaces.push({ ...start, column: start.column + from + offset });
  }
  return { command, args, argPlaces };
}

type Piece = { readonly text: string; readonly offset: number };

/** Pieces between spaces that are outside of parentheses. */
function goArguments(text: string, start: Place): Piece[] {
  const pieces: Piece[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at <= text.length; at += 1) {
    const char = text[at] ?? ' ';
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    const isUnbalanced = depth < 0 || (at === text.length && depth > 0);
    if (isUnbalanced) {
      const place = { ...start, column: start.column + at };
      throw new ScriptError(place, 'unbalanced parentheses', 'close each parenthesis once');
    }
    if (char !== ' ' || depth > 0) continue;
    if (text[from] === '=') {
      const place = { ...start, column: start.column + from };
      throw new ScriptError(place, 'a space before "="', 'write key=value without spaces');
    }
    if (at > from) pieces.push({ text: text.slice(from, at), offset: from });
    from = at + 1;
  }
  return pieces;
}

function goArgument(text: string): Argument {
  const equals = text.indexOf('=');
  if (equals < 0) return { kind: 'flag', key: text };
  const key = text.slice(0, equals);
  const value = text.slice(equals + 1);
  if (!value.startsWith('(') || !value.endsWith(')')) return { kind: 'value', key, value };
  return { kind: 'list', key, values: splitAtCommas(value.slice(1, -1)) };
}

function splitAtCommas(text: string): string[] {
  const values: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at <= text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (at < text.length && (text[at] !== ',' || depth > 0)) continue;
    values.push(text.slice(from, at).trimStart());
    from = at + 1;
  }
  return values;
}

const RUST_TOKEN = /\s+|[\p{L}\p{N}_.-]+|./uy;

/** Rust: words of letters, digits, `-`, `_`, `.`; `#` begins a comment; a key twice is an error. */
export function rustDirective(line: string, start: Place): Directive {
  const tokens = rustTokens(line.split('#')[0] ?? '', start);
  const command = tokens.word('a directive');
  const args: Argument[] = [];
  const argPlaces: Place[] = [];
  while (!tokens.isAtEnd()) {
    const place = tokens.place();
    const key = tokens.word('an argument name');
    if (args.some((argument) => argument.key === key)) {
      throw new ScriptError(place, `argument ${key} is there twice`, 'name each argument once');
    }
    args.push(rustArgument(key, tokens));
    argPlaces.push(place);
  }
  return { command, args, argPlaces };
}

type Tokens = {
  word(what: string): string;
  eat(text: string): boolean;
  isAtEnd(): boolean;
  place(): Place;
};

function rustTokens(line: string, start: Place): Tokens {
  const all: Piece[] = [];
  for (let at = 0; at < line.length; at += all.at(-1)?.text.length ?? 1) {
    RUST_TOKEN.lastIndex = at;
    all.push({ text: RUST_TOKEN.exec(line)?.[0] ?? '', offset: at });
  }
  const pieces = all.filter(({ text }) => text.trim() !== '');
  let next = 0;
  const place = (): Place => ({
    ...start,
    column: start.column + (pieces[next]?.offset ?? line.length),
  });
  return {
    place,
    isAtEnd: () => next >= pieces.length,
    eat: (text) => {
      if (pieces[next]?.text !== text) return false;
      next += 1;
      return true;
    },
    word: (what) => {
      const text = pieces[next]?.text ?? '';
      if (!/^[\p{L}\p{N}_.-]+$/u.test(text)) {
        const found = text === '' ? 'the line ends' : `found ${JSON.stringify(text)}`;
        const remedy = 'a word has letters, digits, "-", "_" and "."';
        throw new ScriptError(place(), `expected ${what}, ${found}`, remedy);
      }
      next += 1;
      return text;
    },
  };
}

function rustArgument(key: string, tokens: Tokens): Argument {
  if (!tokens.eat('=')) return { kind: 'flag', key };
  if (!tokens.eat('(')) return { kind: 'value', key, value: tokens.word('an argument value') };
  const values: string[] = [];
  while (!tokens.eat(')')) {
    values.push(tokens.word('an argument value'));
    if (tokens.eat(',')) continue;
    if (tokens.eat(')')) break;
    throw new ScriptError(tokens.place(), 'expected "," or ")"', 'close the list');
  }
  return { kind: 'list', key, values };
}
