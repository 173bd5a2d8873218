/** Which way an expression goes, and that no text makes any of them slow: steps are counted, not milliseconds. */
import { describe, expect, test } from 'vitest';
import { findByTrying } from '../../../src/regex/backtracking.ts';
import { isQuick, needleOf } from '../../../src/regex/bounds.ts';
import { LinearRegex } from '../../../src/regex/linear.ts';
import { type Regex, regexOf, STATES_MAX } from '../../../src/regex/regex.ts';
import { readScript, type ScriptRegex } from '../../../src/regex/script-syntax.ts';

const STEPS_MAX = 1_000_000;
const PLAIN = { ignoresCase: false, isDotAll: false };

function read(source: string): ScriptRegex {
  const regex = readScript(source, PLAIN);
  if (regex === null) throw new Error(`not understood: ${source}`);
  return regex;
}

function linear(source: string): LinearRegex {
  const { node, groups } = read(source);
  const regex = LinearRegex.of(node, groups, STATES_MAX);
  if (regex === null) throw new Error(`too large: ${source}`);
  return regex;
}

function compiled(source: string, triesOthers = false): Regex {
  const regex = regexOf(source, { ...PLAIN, triesOthers });
  if ('refusal' in regex) throw new Error(regex.refusal);
  return regex;
}

/** Ways that were followed on a text of so many characters, beyond those of the first text. */
function waysOn(regex: LinearRegex, text: string): number {
  const before = regex.ways;
  regex.exec(text);
  return regex.ways - before;
}

const CATASTROPHES = [
  ...['(a+)+b', '(a|a)*b', '(a*)*b', '(a|aa)*b', '(.*a){12}b', '(a?){20}a{20}b', '^(([a-z])+.)+b$'],
  ...['a*a*a*a*a*b', '(x+x+)+y', '(\\w+\\s?)*!', '((a+)*)*$b', '(?:a{1,9}){1,9}b'],
];

describe('an automaton', () => {
  test.each(CATASTROPHES)('/%s/ takes steps in proportion to the text', (source) => {
    const short = waysOn(linear(source), 'a'.repeat(1024));
    const long = waysOn(linear(source), 'a'.repeat(16_384));
    expect(long).toBeLessThanOrEqual(16 * short + 16);
  });

  test.each(CATASTROPHES)('/%s/ finds groups in steps in proportion to the text', (source) => {
    const matching = `(?:${source})|(a)$`;
    const short = waysOn(linear(matching), 'a'.repeat(512));
    const long = waysOn(linear(matching), 'a'.repeat(4096));
    expect(long).toBeLessThanOrEqual(9 * short);
  });

  test('of more states than are remembered takes few steps for each character', () => {
    const source = '(?:a|b)*a(?:a|b){14}c';
    let seed = 5;
    const text = Array.from({ length: 16_384 }, () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      return seed & 0x10000 ? 'a' : 'b';
    }).join('');
    // The expression has some 80 ways, each met once for a character.
    expect(waysOn(linear(source), text)).toBeLessThan(200 * text.length);
  });

  test('of more characters than are remembered still tells them apart', () => {
    const letters = Array.from({ length: 3000 }, (_, at) => String.fromCharCode(0x4e00 + at));
    const regex = linear(`(?:${letters.slice(0, 1500).join('|')})+$`);
    expect(regex.test(letters.join(''))).toBe(false);
    expect(regex.test(letters.toReversed().join(''))).toBe(true);
    expect(regex.test(`${letters[2999]}${letters[0]}`)).toBe(true);
  });

  test('has no more states than it may', () => {
    const { node, groups } = read('(?:a{100}){100}');
    expect(LinearRegex.of(node, groups, STATES_MAX)).toBeNull();
    expect(regexOf('x*(?:a{100}){100}', { ...PLAIN, triesOthers: true })).toMatchObject({
      refusal: `its repeats make it more than ${STATES_MAX} parts`,
    });
  });
});

describe('what is left to JavaScript', () => {
  test.each([
    ['error', true],
    ['^fatal: (\\w{1,8})$', true],
    ['a|b|c{3}', true],
    ['voltage: ([0-9.]+)', true],
    ['error.*', true],
    ['(?:error|warning).*', true],
    ['a*b', false],
    ['(a+)+', false],
    ['.*x', false],
    ['(a|b){9}', false],
    ['a{300}', false],
    ['(a)\\1', false],
    ['a(?=b)', false],
  ])('/%s/: %s', (source, expected) => {
    expect(isQuick(read(source).node)).toBe(expected);
  });

  test.each([
    ['warning: .*deprecated', 10, 20],
    ['took (\\d+) ms', 0, 5],
    ['\\S+\\s+failed\\b', 2, 8],
    ['.*', null, null],
    ['(?:a*b)*', null, null],
  ])('of /%s/ the parts %s to %s are in every match', (source, from, to) => {
    const { parts } = read(source);
    const needle = needleOf((parts ?? []).map(({ node }) => node));
    expect(needle === null ? [null, null] : [needle.from, needle.to]).toEqual([from, to]);
  });
});

describe('what no automaton does', () => {
  test('is refused where it is not tried', () => {
    const refused = { refusal: 'it has references to groups, or looks ahead or behind' };
    expect(regexOf('(a)\\1', { ...PLAIN, triesOthers: false })).toEqual(refused);
  });

  test('ends after its steps, and says so', () => {
    const regex = compiled('(?=a)(a+)+b', true);
    expect(regex.bound).toBe('steps');
    expect(regex.exec('a'.repeat(40))).toBe('undecided');
    expect([...(regex.exec('aab') ?? [])]).toEqual(['aab', 'aa']);
  });

  test('rounds inside one another end before the stack does', () => {
    const found = findByTrying(read('(?:ab|c)*(?!x)d'), 'ab'.repeat(100_000), STEPS_MAX);
    expect(found.kind).toBe('tooLong');
  });
});

test('an option of a group holds in all its alternatives', () => {
  const regex = compiled('(?i:x|[ab])c');
  const answers = ['Xc', 'Bc', 'bC', 'bc'].map((text) => regex.exec(text) !== null);
  expect(answers).toEqual([true, true, false, true]);
});
