/**
 * Reads regular expressions of JavaScript, without its flags u and v, into their parts: what `new RegExp` takes means
 * the same here. Characters are UTF-16 units.
 */
import { caseless, DIGITS, LINE_ENDS, SPACES, WORDS } from './script-sets.ts';
import type { Range, RegexNode, SetNode } from './tree.ts';

export type ScriptFlags = {
  readonly ignoresCase: boolean;
  /** `.` takes ends of lines too. */
  readonly isDotAll: boolean;
};

export type ScriptRegex = {
  readonly node: RegexNode;
  readonly groups: number;
  /** It has references or looks, which no automaton does. */
  readonly needsTrying: boolean;
  /** `(?i:`: V8 (Node 24) forgets the option in some alternatives, so it is not asked. */
  readonly hasOptions: boolean;
  /** What the whole is a sequence of, and where each is written; null when it has alternatives. */
  readonly parts: readonly WrittenPart[] | null;
};

export type WrittenPart = { readonly node: RegexNode; readonly from: number; readonly to: number };

/** Groups inside one another. */
const DEPTH_MAX = 200;
const CODE_MAX = 0xffff;

/** Null for what is JavaScript's and not understood here: `(?m:`, several groups of one name, groups too deep in one another. */
export function readScript(source: string, flags: ScriptFlags): ScriptRegex | null {
  const reader = new Reader(source, flags);
  try {
    const node = reader.choice(0);
    if (!reader.isAtEnd) return null;
    const parts = node.kind === 'choice' ? null : reader.written;
    const { groups, needsTrying, hasOptions } = reader;
    return { node, groups, needsTrying, hasOptions, parts };
  } catch (error) {
    if (error === UNKNOWN) return null;
    throw error;
  }
}

const UNKNOWN = new Error('not understood');

const QUANTIFIER = /[*+?]|\{(\d+)(,?)(\d*)\}/y;
const GROUP = /\((?:\?(:|=|!|<=|<!|<([^>]+)>|([is]*)(-[is]+)?:))?/y;
const ESCAPED = /c([A-Za-z])|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|([0-3][0-7]{0,2}|[4-7][0-7]?)/y;
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 };
const CLASSES: Readonly<Record<string, readonly Range[]>> = { d: DIGITS, s: SPACES, w: WORDS };

class Reader {
  groups = 0;
  needsTrying = false;
  hasOptions = false;
  /** Parts outside of all groups. */
  readonly written: WrittenPart[] = [];
  readonly #source: string;
  /** Groups may change them for themselves. */
  #flags: ScriptFlags;
  /** Groups of the whole expression: `\2` is a reference only when there is a second one. */
  readonly #groupsInAll: number;
  readonly #names: readonly string[];
  #at = 0;

  constructor(source: string, flags: ScriptFlags) {
    this.#source = source;
    this.#flags = flags;
    const opened = openedGroups(source);
    this.#groupsInAll = opened.length;
    this.#names = opened;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#source.length;
  }

  choice(depth: number): RegexNode {
    if (depth > DEPTH_MAX) throw UNKNOWN;
    const parts = [this.#sequence(depth)];
    while (this.#takes('|')) parts.push(this.#sequence(depth));
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'choice', parts };
  }

  #sequence(depth: number): RegexNode {
    const parts: RegexNode[] = [];
    while (!this.isAtEnd && this.#next !== '|' && this.#next !== ')') {
      const from = this.#at;
      const node = this.#quantified(this.#atom(depth));
      parts.push(node);
      if (depth === 0) this.written.push({ node, from, to: this.#at });
    }
    return parts.length === 0 ? { kind: 'empty' } : { kind: 'sequence', parts };
  }

  #atom(depth: number): RegexNode {
    if (this.#next === '(') return this.#group(depth);
    const one = this.#take();
    switch (one) {
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '.':
        return this.#flags.isDotAll ? setOf([], true) : setOf(LINE_ENDS, true);
      case '[':
        return this.#class();
      case '\\':
        return this.#escape();
      default:
        return this.#literal(one.charCodeAt(0));
    }
  }

  #group(depth: number): RegexNode {
    const [whole, kind = '', name, on, off = ''] = this.#match(GROUP) ?? [];
    if (whole === undefined || (kind === '' && this.#next === '?')) throw UNKNOWN;
    const isKept = kind === '' || name !== undefined;
    if (isKept) this.groups += 1;
    const number = this.groups;
    const outer = this.#flags;
    if (on !== undefined) this.hasOptions = true;
    this.#flags = changed(outer, on ?? '', off);
    const part = this.choice(depth + 1);
    this.#flags = outer;
    if (!this.#takes(')')) throw UNKNOWN;
    if (isKept) return { kind: 'group', number, part };
    if (kind === ':' || on !== undefined) return part;
    this.needsTrying = true;
    const isNegated = kind.endsWith('!');
    return { kind: 'look', isBehind: kind.startsWith('<'), isNegated, part };
  }

  #quantified(part: RegexNode): RegexNode {
    const [sign, from, comma, to] = this.#match(QUANTIFIER) ?? [];
    if (sign === undefined) return part;
    const isLazy = this.#takes('?');
    if (from === undefined) {
      const max = sign === '?' ? 1 : Number.POSITIVE_INFINITY;
      return { kind: 'repeat', part, min: sign === '+' ? 1 : 0, max, isLazy };
    }
    const open = to === '' ? Number.POSITIVE_INFINITY : Number(to);
    const max = comma === '' ? Number(from) : open;
    return { kind: 'repeat', part, min: Number(from), max, isLazy };
  }

  #escape(): RegexNode {
    const one = this.#next ?? '';
    if (one === 'b' || one === 'B') {
      this.#at += 1;
      return { kind: one === 'b' ? 'boundary' : 'noBoundary' };
    }
    const ranges = CLASSES[one.toLowerCase()];
    if (ranges !== undefined) {
      this.#at += 1;
      return setOf(ranges, one !== one.toLowerCase());
    }
    return this.#reference() ?? this.#literal(this.#character());
  }

  #referenceTo(group: number): RegexNode {
    this.needsTrying = true;
    return { kind: 'reference', group, ignoresCase: this.#flags.ignoresCase };
  }

  #reference(): RegexNode | null {
    const digits = this.#match(/[1-9]\d*/y)?.[0];
    if (digits !== undefined) {
      const group = Number(digits);
      if (group <= this.#groupsInAll) return this.#referenceTo(group);
      this.#at -= digits.length;
    }
    if (this.#next !== 'k' || this.#names.every((name) => name === '')) return null;
    const name = this.#match(/k<([^>]+)>/y)?.[1] ?? '';
    const places = [...this.#names.keys()].filter((at) => this.#names[at] === name);
    // Several groups may have one name, in alternatives of one another.
    if (places.length !== 1 || places[0] === undefined) throw UNKNOWN;
    return this.#referenceTo(places[0] + 1);
  }

  /** The code behind a backslash. */
  #character(): number {
    const [whole, control, byte, unit, octal] = this.#match(ESCAPED) ?? [];
    if (control !== undefined) return control.charCodeAt(0) % 32;
    if (byte !== undefined || unit !== undefined) return Number.parseInt(byte ?? unit ?? '', 16);
    if (octal !== undefined) return Number.parseInt(octal, 8);
    if (whole === undefined && this.#next === 'c') return '\\'.charCodeAt(0);
    const one = this.#take();
    return CONTROLS[one] ?? one.charCodeAt(0);
  }

  #class(): RegexNode {
    const isNegated = this.#takes('^');
    const ranges: Range[] = [];
    while (this.#next !== ']') {
      const from = this.#member();
      if (this.#next !== '-' || this.#source[this.#at + 1] === ']') ranges.push(...from);
      else {
        this.#at += 1;
        ranges.push(...spanned(from, this.#member()));
      }
    }
    this.#at += 1;
    return setOf(this.#flags.ignoresCase ? caseless(ranges) : ranges, isNegated);
  }

  /** One character, or a class. */
  #member(): readonly Range[] {
    const one = this.#take();
    if (one !== '\\') return [[one.charCodeAt(0), one.charCodeAt(0)]];
    const next = this.#next ?? '';
    const ranges = CLASSES[next.toLowerCase()];
    if (ranges !== undefined) {
      this.#at += 1;
      return next === next.toLowerCase() ? ranges : outside(ranges);
    }
    const code = this.#takes('b') ? 8 : this.#characterInClass();
    return [[code, code]];
  }

  /** In a class also digits and `_` are control letters. */
  #characterInClass(): number {
    const control = this.#match(/c([\d_])/y)?.[1];
    return control === undefined ? this.#character() : control.charCodeAt(0) % 32;
  }

  #literal(code: number): RegexNode {
    const ranges: readonly Range[] = [[code, code]];
    return setOf(this.#flags.ignoresCase ? caseless(ranges) : ranges, false);
  }

  get #next(): string | undefined {
    return this.#source[this.#at];
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#source);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  #take(): string {
    const one = this.#source[this.#at];
    if (one === undefined) throw UNKNOWN;
    this.#at += 1;
    return one;
  }

  #takes(one: string): boolean {
    if (this.#next !== one) return false;
    this.#at += 1;
    return true;
  }
}

function changed({ ignoresCase, isDotAll }: ScriptFlags, on: string, off: string): ScriptFlags {
  return {
    ignoresCase: (ignoresCase || on.includes('i')) && !off.includes('i'),
    isDotAll: (isDotAll || on.includes('s')) && !off.includes('s'),
  };
}

/** The name of each group that is kept, '' for those without. */
function openedGroups(source: string): readonly string[] {
  const pieces = /\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]|\((?!\?)|\(\?<(?![=!])([^>]+)>/g;
  return [...source.matchAll(pieces)]
    .filter(([piece]) => piece.startsWith('('))
    .map(([, name]) => name ?? '');
}

const setOf = (ranges: readonly Range[], isNegated: boolean): SetNode => ({
  kind: 'set',
  ...{ ranges, tests: [], isNegated },
});

/** Where an end is a class, the `-` is one more character. */
function spanned(from: readonly Range[], to: readonly Range[]): readonly Range[] {
  const [first, last] = [only(from), only(to)];
  if (first !== null && last !== null) return [[first, last]];
  const dash = '-'.charCodeAt(0);
  return [...from, ...to, [dash, dash]];
}

function only(ranges: readonly Range[]): number | null {
  const [range] = ranges;
  return ranges.length === 1 && range !== undefined && range[0] === range[1] ? range[0] : null;
}

function outside(ranges: readonly Range[]): readonly Range[] {
  const others: Range[] = [];
  let from = 0;
  for (const [first, last] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (first > from) others.push([from, first - 1]);
    from = last + 1;
  }
  return from > CODE_MAX ? others : [...others, [from, CODE_MAX]];
}
