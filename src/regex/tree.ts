/** What regular expressions are made of, whatever syntax they were written in. */

/** Codes from and to, both included. */
export type Range = readonly [from: number, to: number];

/** What is in one of the ranges, or passes one of the tests. */
export type CharacterSet = { readonly ranges: readonly Range[]; readonly tests: readonly RegExp[] };

export type SetNode = CharacterSet & { readonly kind: 'set'; readonly isNegated: boolean };

/** Holds between two characters: at the ends of the text, or where words begin and end. */
export type AssertionKind = 'start' | 'end' | 'boundary' | 'noBoundary';

export type RegexNode =
  | SetNode
  | { readonly kind: AssertionKind }
  | { readonly kind: 'empty' }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly RegexNode[] }
  | {
      readonly kind: 'repeat';
      readonly part: RegexNode;
      readonly min: number;
      readonly max: number;
      /** Takes as little as it can. */
      readonly isLazy: boolean;
    }
  /** What it matches is kept; they count from 1. */
  | { readonly kind: 'group'; readonly number: number; readonly part: RegexNode }
  /** What a group matched once more: no automaton can do it. */
  | { readonly kind: 'reference'; readonly group: number; readonly ignoresCase: boolean }
  /** Whether something stands before or behind, without taking it: no automaton of ours does it. */
  | {
      readonly kind: 'look';
      readonly isBehind: boolean;
      readonly isNegated: boolean;
      readonly part: RegexNode;
    };

export function holds({ ranges, tests, isNegated }: SetNode, code: number): boolean {
  const isIn =
    ranges.some(([from, to]) => code >= from && code <= to) ||
    (tests.length > 0 && tests.some((test) => test.test(String.fromCodePoint(code))));
  return isIn !== isNegated;
}

/** Those inside of it. */
export function groupsOf(node: RegexNode): readonly number[] {
  switch (node.kind) {
    case 'sequence':
    case 'choice':
      return node.parts.flatMap(groupsOf);
    case 'repeat':
    case 'look':
      return groupsOf(node.part);
    case 'group':
      return [node.number, ...groupsOf(node.part)];
    default:
      return [];
  }
}

/** Letters, digits and `_` of ASCII: what `\b` counts as a word. */
export function isWord(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 95
  );
}
