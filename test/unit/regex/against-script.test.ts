/** Our regular expressions against JavaScript's own, on expressions and texts made at random. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { findByTrying } from '../../../src/regex/backtracking.ts';
import { LinearRegex, matchOf } from '../../../src/regex/linear.ts';
import { regexOf } from '../../../src/regex/regex.ts';
import { readScript } from '../../../src/regex/script-syntax.ts';

const RUNS = { numRuns: 1500 };
/** More than any of these small texts needs, unless the expression is a catastrophe. */
const STEPS_MAX = 200_000;
const STATES_MAX = 3000;

const ATOMS = fc.constantFrom(
  ...['a', 'b', 'c', 'A', '.', '\\d', '\\w', '\\s', '\\W', '\\S', '\\b', '\\B', '^', '$', 'é', 'ß'],
  ...['[ab]', '[^a]', '[a-c]', '[^]', '[\\d-z]', '[\\W_]', '[^\\s]', '[ſk]', '\\x61', '\\u0062'],
  ...['\\n', '\\cJ', '\\-', ']', '}', '{', 'x{1', '\\0', '[\\b]', '\u212a', 'İ'],
);
const QUANTIFIERS = fc.constantFrom(
  '*',
  '+',
  '?',
  '{2}',
  '{0,2}',
  '{1,}',
  '{1,3}',
  '{0}',
  '*?',
  '+?',
  '??',
  '{0,2}?',
);

const sources = (others: readonly string[]): fc.Arbitrary<string> =>
  fc.letrec<{ readonly any: string }>((tie) => ({
    any: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      ATOMS,
      fc.array(tie('any'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
      fc.array(tie('any'), { minLength: 2, maxLength: 3 }).map((parts) => `(?:${parts.join('|')})`),
      fc.tuple(tie('any'), QUANTIFIERS).map(([part, quantifier]) => `(?:${part})${quantifier}`),
      fc.tuple(tie('any'), QUANTIFIERS).map(([part, quantifier]) => `(${part})${quantifier}`),
      tie('any').map((part) => `(${part}|)`),
      ...others.map((other) => tie('any').map((part) => other.replace('X', () => part))),
    ),
  })).any;

const TEXTS = fc
  .array(
    fc.constantFrom(
      ...[
        'a',
        'b',
        'c',
        'A',
        'B',
        ' ',
        '\n',
        '1',
        '_',
        'é',
        'É',
        'ß',
        'ſ',
        'K',
        'k',
        's',
        '-',
        '{',
        ']',
      ],
    ),
    { maxLength: 14 },
  )
  .map((characters) => characters.join(''));

const FLAGS = fc.constantFrom('', 'i', 's', 'is');

type Shown = readonly (string | number | null)[] | null;

const shown = (
  match: (readonly (string | undefined)[] & { readonly index: number }) | null,
): Shown => (match === null ? null : [match.index, ...[...match].map((text) => text ?? null)]);

/** The expression as JavaScript has it and as we read it; null for what is none. */
function both(source: string, flags: string) {
  let native: RegExp;
  try {
    native = new RegExp(source, flags);
  } catch {
    return null;
  }
  const options = { ignoresCase: flags.includes('i'), isDotAll: flags.includes('s') };
  const read = readScript(source, options);
  if (read === null) throw new Error(`not understood: /${source}/${flags}`);
  return { native, read, options };
}

test('an automaton finds what JavaScript finds, groups and all', () => {
  fc.assert(
    fc.property(sources([]), FLAGS, TEXTS, (source, flags, text) => {
      const pair = both(source, flags);
      if (pair === null) return;
      const { native, read } = pair;
      const linear = LinearRegex.of(read.node, read.groups, STATES_MAX);
      fc.pre(linear !== null);
      expect(shown(linear?.exec(text) ?? null)).toEqual(shown(native.exec(text)));
      expect(linear?.test(text)).toBe(native.test(text));
    }),
    RUNS,
  );
});

test('trying finds what JavaScript finds, references and looks too', () => {
  const others = ['(?=X)', '(?!X)', '(?<=X)', '(?<!X)', '(X)\\1', '(?:X)\\2', '(?<n>X)'];
  fc.assert(
    fc.property(sources(others), FLAGS, TEXTS, (source, flags, text) => {
      const pair = both(source, flags);
      if (pair === null) return;
      const found = findByTrying(pair.read, text, STEPS_MAX);
      fc.pre(found.kind !== 'tooLong');
      const match = found.kind === 'match' ? matchOf(text, found.places) : null;
      expect(shown(match)).toEqual(shown(pair.native.exec(text)));
    }),
    RUNS,
  );
});

test('whichever way is taken, the answer is that of JavaScript', () => {
  fc.assert(
    fc.property(sources(['(?=X)', '(X)\\1']), FLAGS, TEXTS, (source, flags, text) => {
      const pair = both(source, flags);
      if (pair === null) return;
      const regex = regexOf(source, { ...pair.options, triesOthers: true });
      fc.pre('exec' in regex);
      const answer = 'exec' in regex ? regex.exec(text) : null;
      if (answer === 'undecided') return;
      expect(shown(answer)).toEqual(shown(pair.native.exec(text)));
    }),
    RUNS,
  );
});
