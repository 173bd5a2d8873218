/**
 * Whether a text matches a regular expression. All ways are walked at once, so the time is at most text times pattern: no
 * pattern can stop the server.
 */
import { notSupported, sqlError } from '../errors.ts';
import { type CharacterSet, LETTER, type Range, type RegexNode, readRegex } from './regex-tree.ts';

/** Of one pattern: repeats in braces are written out. */
const STATES_MAX = 20_000;
/** Of patterns that are kept as they were read. */
const PATTERNS_MAX = 100;

type State =
  | ({ readonly kind: 'set'; readonly isNegated: boolean; next: number } & CharacterSet)
  | { readonly kind: 'start' | 'end'; next: number }
  | { readonly kind: 'split'; readonly next: number[] }
  | { readonly kind: 'match' };

type Program = { readonly states: readonly State[]; readonly first: number };

const programs = new Map<string, Program>();

export function isMatch(text: string, pattern: string, ignoresCase: boolean): boolean {
  const key = `${ignoresCase ? 'i' : 'c'}${pattern}`;
  const program = programs.get(key) ?? compile(readRegex(pattern), ignoresCase);
  if (programs.size >= PATTERNS_MAX) programs.clear();
  programs.set(key, program);
  return run(program, text);
}

/** Written from the end: each part knows what comes behind it. */
function compile(node: RegexNode, ignoresCase: boolean): Program {
  const states: State[] = [{ kind: 'match' }];
  const add = (state: State): number => {
    if (states.length >= STATES_MAX) throw sqlError('54000', 'the regular expression is too large');
    return states.push(state) - 1;
  };
  const write = (part: RegexNode, next: number): number => {
    switch (part.kind) {
      case 'empty':
        return next;
      case 'set': {
        const set = ignoresCase ? caseless(part) : part;
        return add({ ...set, kind: 'set', isNegated: part.isNegated, next });
      }
      case 'start':
      case 'end':
        return add({ kind: part.kind, next });
      case 'sequence':
        return part.parts.reduceRight((behind, one) => write(one, behind), next);
      case 'choice':
        return add({ kind: 'split', next: part.parts.map((one) => write(one, next)) });
      case 'repeat':
        return repeat(part, next);
    }
  };
  const repeat = ({ part, min, max }: RegexNode & { kind: 'repeat' }, next: number): number => {
    let behind = next;
    if (max === Number.POSITIVE_INFINITY) {
      const ways: number[] = [next];
      behind = add({ kind: 'split', next: ways });
      ways.push(write(part, behind));
    } else {
      for (let count = min; count < max; count++) {
        behind = add({ kind: 'split', next: [write(part, behind), next] });
      }
    }
    for (let count = 0; count < min; count++) behind = write(part, behind);
    return behind;
  };
  const first = write(node, 0);
  return { states, first };
}

const caseless = ({ ranges, tests }: CharacterSet): CharacterSet => ({
  ranges: ranges.flatMap(bothCases),
  tests: tests.length === 0 ? tests : [LETTER],
});

/** Of characters whose other case is looked for. */
const CASED_RANGE_MAX = 2000;

function bothCases([from, to]: Range): readonly Range[] {
  const others: Range[] = [[from, to]];
  if (to - from > CASED_RANGE_MAX) {
    throw notSupported('a range of so many characters in a regular expression without case');
  }
  for (let code = from; code <= to; code++) {
    const character = String.fromCodePoint(code);
    for (const other of [character.toLowerCase(), character.toUpperCase()]) {
      const one = other.codePointAt(0) ?? code;
      if (other !== character && [...other].length === 1) others.push([one, one]);
    }
  }
  return others;
}

function run({ states, first }: Program, text: string): boolean {
  const characters = [...text];
  let current = new Set<number>();
  for (let at = 0; at <= characters.length; at++) {
    // A match may begin anywhere.
    if (follow(states, first, current, at, characters.length)) return true;
    const code = characters[at]?.codePointAt(0);
    if (code === undefined) return false;
    const next = new Set<number>();
    for (const number of current) {
      const state = states[number];
      if (state?.kind !== 'set' || !holds(state, code)) continue;
      if (follow(states, state.next, next, at + 1, characters.length)) return true;
    }
    current = next;
  }
  return false;
}

/** Adds the state and all that are reached without a character. True when the match is there. */
function follow(
  states: readonly State[],
  from: number,
  into: Set<number>,
  at: number,
  end: number,
): boolean {
  const open = [from];
  for (let number = open.pop(); number !== undefined; number = open.pop()) {
    if (into.has(number)) continue;
    into.add(number);
    const state = states[number];
    if (state === undefined) continue;
    if (state.kind === 'match') return true;
    if (state.kind === 'split') open.push(...state.next);
    else if ((state.kind === 'start' && at === 0) || (state.kind === 'end' && at === end)) {
      open.push(state.next);
    }
  }
  return false;
}

function holds(
  { ranges, tests, isNegated }: CharacterSet & { readonly isNegated: boolean },
  code: number,
): boolean {
  const isIn =
    ranges.some(([from, to]) => code >= from && code <= to) ||
    (tests.length > 0 && tests.some((test) => test.test(String.fromCodePoint(code))));
  return isIn !== isNegated;
}
