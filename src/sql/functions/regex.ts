/**
 * Whether a text matches a regular expression of PostgreSQL. All ways are walked at once, so the time is at most text times
 * pattern: no pattern can stop the server.
 */
import { Matcher } from '../../regex/matcher.ts';
import { programOf } from '../../regex/program.ts';
import type { CharacterSet, Range, RegexNode } from '../../regex/tree.ts';
import { notSupported, sqlError } from '../errors.ts';
import { LETTER, readRegex } from './regex-tree.ts';

/** Of one pattern: repeats in braces are written out. */
const STATES_MAX = 20_000;
/** Of patterns that are kept as they were read. */
const PATTERNS_MAX = 100;
/** Of characters whose other case is looked for. */
const CASED_RANGE_MAX = 2000;

const matchers = new Map<string, Matcher>();

export function isMatch(text: string, pattern: string, ignoresCase: boolean): boolean {
  const key = `${ignoresCase ? 'i' : 'c'}${pattern}`;
  const matcher = matchers.get(key) ?? compile(readRegex(pattern), ignoresCase);
  if (matchers.size >= PATTERNS_MAX) matchers.clear();
  matchers.set(key, matcher);
  return matcher.test(text, CODE_POINTS);
}

const CODE_POINTS = true;

function compile(node: RegexNode, ignoresCase: boolean): Matcher {
  const program = programOf(ignoresCase ? withoutCase(node) : node, {
    statesMax: STATES_MAX,
    keepsCaptures: false,
  });
  if (program === null) throw sqlError('54000', 'the regular expression is too large');
  return new Matcher(program);
}

function withoutCase(node: RegexNode): RegexNode {
  switch (node.kind) {
    case 'set':
      return { ...node, ...caseless(node) };
    case 'sequence':
    case 'choice':
      return { ...node, parts: node.parts.map(withoutCase) };
    case 'repeat':
      return { ...node, part: withoutCase(node.part) };
    default:
      return node;
  }
}

const caseless = ({ ranges, tests }: CharacterSet): CharacterSet => ({
  ranges: ranges.flatMap(bothCases),
  tests: tests.length === 0 ? tests : [LETTER],
});

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
