/**
 * Reads PostgreSQL's advanced regular expressions, as far as they say which texts match: alternatives, groups, quantifiers,
 * brackets, classes, anchors. References to groups, looks ahead and behind, word boundaries and options are refused.
 */
import type { CharacterSet, Range, RegexNode } from '../../regex/tree.ts';
import { notSupported, sqlError } from '../errors.ts';

/** Of a pattern, in characters. */
const PATTERN_MAX = 10_000;
const DEPTH_MAX = 200;
/** PostgreSQL's own bound of a quantifier in braces. */
const REPEAT_MAX = 255;

const DIGITS: readonly Range[] = [[48, 57]];
/** Unicode's white space. */
const SPACES: readonly Range[] = [
  ...([
    [9, 13],
    [32, 32],
    [0x85, 0x85],
    [0xa0, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200a],
  ] as const),
  ...([
    [0x2028, 0x2029],
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
  ] as const),
];

const setOf = (ranges: readonly Range[], ...tests: readonly RegExp[]): CharacterSet => ({
  ranges,
  tests,
});

export const LETTER = /\p{Alphabetic}/u;
const WORDS = setOf([...DIGITS, [95, 95]], LETTER);

const CLASSES: ReadonlyMap<string, CharacterSet> = new Map([
  ['digit', setOf(DIGITS)],
  ['space', setOf(SPACES)],
  ['alpha', setOf([], LETTER)],
  ['alnum', setOf(DIGITS, LETTER)],
  ['upper', setOf([], /\p{Uppercase}/u)],
  ['lower', setOf([], /\p{Lowercase}/u)],
  ['xdigit', setOf([...DIGITS, [65, 70], [97, 102]])],
]);

const invalid = (why: string): Error => sqlError('2201B', `invalid regular expression: ${why}`);

/** Throws 2201B for what is none, and 0A000 for what is none of ours. */
export function readRegex(pattern: string): RegexNode {
  if (pattern.startsWith('***')) throw notSupported('a director (***) of a regular expression');
  const reader = new Reader([...pattern]);
  const node = reader.choice(0);
  reader.end();
  return node;
}

class Reader {
  readonly #characters: readonly string[];
  #at = 0;

  constructor(characters: readonly string[]) {
    if (characters.length > PATTERN_MAX)
      throw sqlError('54000', 'the regular expression is too long');
    this.#characters = characters;
  }

  end(): void {
    if (this.#at < this.#characters.length) throw invalid('parentheses () not balanced');
  }

  choice(depth: number): RegexNode {
    if (depth > DEPTH_MAX) throw sqlError('54001', 'the regular expression is nested too deeply');
    const parts = [this.#sequence(depth)];
    while (this.#takes('|')) parts.push(this.#sequence(depth));
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'choice', parts };
  }

  #sequence(depth: number): RegexNode {
    const parts: RegexNode[] = [];
    for (
      let next = this.#next;
      next !== undefined && next !== '|' && next !== ')';
      next = this.#next
    ) {
      parts.push(this.#quantified(this.#atom(depth)));
    }
    return parts.length === 0 ? { kind: 'empty' } : { kind: 'sequence', parts };
  }

  #atom(depth: number): RegexNode {
    const one = this.#take();
    switch (one) {
      case '(':
        return this.#group(depth);
      case '[':
        return this.#bracket();
      case '.':
        return { kind: 'set', ...setOf([]), isNegated: true };
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
        throw invalid('quantifier operand invalid');
      case '{':
        if (/\d/.test(this.#next ?? '')) throw invalid('quantifier operand invalid');
        return literal(one);
      default:
        return literal(one);
    }
  }

  #group(depth: number): RegexNode {
    if (this.#takes('?') && !this.#takes(':')) {
      throw notSupported('an option, or a look ahead or behind, in a regular expression');
    }
    const inner = this.choice(depth + 1);
    if (!this.#takes(')')) throw invalid('parentheses () not balanced');
    return inner;
  }

  /** Whether it takes much or little first makes no difference to what matches. */
  #quantified(part: RegexNode): RegexNode {
    const bounds = this.#bounds();
    if (bounds === null) return part;
    if (part.kind === 'start' || part.kind === 'end') throw invalid('quantifier operand invalid');
    this.#takes('?');
    if (/[*+?]/.test(this.#next ?? '')) throw invalid('quantifier operand invalid');
    return { kind: 'repeat', part, min: bounds[0], max: bounds[1], isLazy: false };
  }

  #bounds(): Range | null {
    if (this.#takes('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.#takes('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.#takes('?')) return [0, 1];
    if (this.#next !== '{' || !/\d/.test(this.#characters[this.#at + 1] ?? '')) return null;
    this.#at++;
    const min = this.#number();
    const isOpen = this.#takes(',');
    const max = isOpen ? this.#upperBound() : min;
    if (!this.#takes('}') || min > max) throw invalid('invalid repetition count(s)');
    return [min, max];
  }

  #upperBound(): number {
    return this.#next === '}' ? Number.POSITIVE_INFINITY : this.#number();
  }

  #number(): number {
    let digits = '';
    while (/\d/.test(this.#next ?? '') && digits.length < 4) digits += this.#take();
    if (digits === '' || Number(digits) > REPEAT_MAX) throw invalid('invalid repetition count(s)');
    return Number(digits);
  }

  #escape(): RegexNode {
    const one = this.#take();
    const set = classOf(one.toLowerCase());
    if (set !== null) return { kind: 'set', ...set, isNegated: one !== one.toLowerCase() };
    if (one === 'A') return { kind: 'start' };
    if (one === 'Z') return { kind: 'end' };
    return literal(escaped(one));
  }

  #bracket(): RegexNode {
    const isNegated = this.#takes('^');
    const sets: CharacterSet[] = [];
    for (let isFirst = true; isFirst || this.#next !== ']'; isFirst = false) {
      if (this.#next === undefined) throw invalid('brackets [] not balanced');
      sets.push(this.#member(isFirst));
    }
    this.#at++;
    const ranges = sets.flatMap((set) => set.ranges);
    const tests = sets.flatMap((set) => set.tests);
    return { kind: 'set', ranges, tests, isNegated };
  }

  #member(isFirst: boolean): CharacterSet {
    const one = this.#take();
    if (one === '[' && this.#next === ':') return this.#namedClass();
    if (one === '[' && /[.=]/.test(this.#next ?? '')) {
      throw notSupported('a collating element of a regular expression');
    }
    const set = one === '\\' ? classOf(this.#next ?? '') : null;
    if (set !== null) {
      this.#at++;
      return set;
    }
    if (one === ']' && !isFirst) throw invalid('brackets [] not balanced');
    const from = codeOf(one === '\\' ? escaped(this.#take()) : one);
    if (this.#next !== '-' || this.#characters[this.#at + 1] === ']') return setOf([[from, from]]);
    this.#at++;
    const last = this.#take();
    if (last === '[' && /[.:=]/.test(this.#next ?? '')) throw invalid('invalid character range');
    const to = codeOf(last === '\\' ? escaped(this.#take()) : last);
    if (to < from) throw invalid('invalid character range');
    return setOf([[from, to]]);
  }

  #namedClass(): CharacterSet {
    const rest = this.#characters.slice(this.#at, this.#at + 12).join('');
    const name = /^:(\w+):\]/.exec(rest)?.[1];
    if (name === undefined) throw invalid('invalid character class');
    this.#at += name.length + 3;
    const set = CLASSES.get(name);
    if (set !== undefined) return set;
    if (/^(?:blank|cntrl|punct|graph|print|word)$/.test(name)) {
      throw notSupported(`the class [:${name}:] of a regular expression`);
    }
    throw invalid('invalid character class');
  }

  get #next(): string | undefined {
    return this.#characters[this.#at];
  }

  #take(): string {
    const one = this.#characters[this.#at];
    if (one === undefined) throw invalid('it ends too early');
    this.#at++;
    return one;
  }

  #takes(one: string): boolean {
    if (this.#next !== one) return false;
    this.#at++;
    return true;
  }
}

const codeOf = (character: string): number => character.codePointAt(0) ?? 0;

const literal = (character: string): RegexNode => {
  const code = codeOf(character);
  return { kind: 'set', ...setOf([[code, code]]), isNegated: false };
};

function classOf(letter: string): CharacterSet | null {
  if (letter === 'd') return setOf(DIGITS);
  if (letter === 's') return setOf(SPACES);
  return letter === 'w' ? WORDS : null;
}

const CONTROLS: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['f', '\f'],
  ['v', '\v'],
  ['a', '\x07'],
  ['b', '\b'],
  ['e', '\x1b'],
]);

function escaped(one: string): string {
  const control = CONTROLS.get(one);
  if (control !== undefined) return control;
  if (/[a-zA-Z0-9]/.test(one)) throw notSupported(`\\${one} in a regular expression`);
  return one;
}
