/** Files of the Go and the Rust datadriven library are read as those read them; where they lose text, we say so. */
import { describe, expect, test } from 'vitest';
import { parseScript } from '../../../src/script/parse.ts';
import { rewriteScript } from '../../../src/script/rewrite.ts';
import { runAtOnce } from '../../../src/script/run.ts';
import type { Dialect } from '../../../src/script/types.ts';

const read = (dialect: Dialect) => (text: string) => parseScript(text, { file: 'a.ct', dialect });
const go = read('go');
const rust = read('rust');

function rewritten(dialect: Dialect, text: string, output: string): string {
  const script = read(dialect)(text);
  return rewriteScript(
    script,
    runAtOnce(script, () => output, { goOn: true }),
  );
}

describe('go', () => {
  test('trims the input, and lets it have blank lines', () => {
    expect(go('a\n\n  one\n\ntwo\n\n----\nok\n').cases[0]?.input).toBe('one\n\ntwo');
  });

  test('runs a last case without separator', () => {
    expect(go('a\ninput\n').cases[0]).toMatchObject({ input: 'input', expected: '' });
  });

  test('has commas in bare values, empty values and nested lists', () => {
    expect(go('a v=b,c e= n=() l=(x, y ,(p, q),)\n----\n').cases[0]?.args).toEqual([
      { kind: 'value', key: 'v', value: 'b,c' },
      { kind: 'value', key: 'e', value: '' },
      { kind: 'list', key: 'n', values: [''] },
      { kind: 'list', key: 'l', values: ['x', 'y ', '(p, q)', ''] },
    ]);
  });

  test('takes the first of two equal keys, and "#" as an argument', () => {
    expect(go('a v=1 v=2 #x\n----\n').cases[0]?.args).toEqual([
      { kind: 'value', key: 'v', value: '1' },
      { kind: 'flag', key: '#x' },
    ]);
  });

  test('refuses unbalanced parentheses and a space before "="', () => {
    expect(() => go('a l=(b\n----\n')).toThrow('unbalanced parentheses');
    expect(() => go('a l =b\n----\n')).toThrow('a space before "="');
  });

  test('continues a directive line after a backslash', () => {
    const [first] = go('a one \\\n  two=2\ninput\n----\n').cases;
    expect(first).toMatchObject({ command: 'a', input: 'input' });
    expect(first?.args.map(({ key }) => key)).toEqual(['one', 'two']);
  });

  test('has nested subtests, which must be named and closed', () => {
    const { items } = go('subtest x\n\nsubtest x/y\n\nsubtest end x/y\n\nsubtest end\n');
    expect(items.filter(({ kind }) => kind === 'subtest')).toHaveLength(4);
    expect(() => go('subtest x\n\nsubtest y\n')).toThrow('subtest y is inside of x');
    expect(() => go('subtest x\n\nsubtest end y\n')).toThrow('y ends, but x is open');
    expect(() => go('subtest x\n')).toThrow('subtest x has no end');
    expect(() => go('subtest end\n')).toThrow('did not begin');
  });

  test('does not say two separators in an output', () => {
    expect(rewritten('go', 'a\n----\n', '----\nx\n')).toBe('a\n----\n----\n----\nx\n----\n----\n');
    expect(() => rewritten('go', 'a\n----\n', '----\n----\nx\n')).toThrow('cannot express');
    expect(() => rewritten('go', 'a\n----\n', 'x\n\n----\n')).toThrow('cannot express');
  });
});

describe('rust', () => {
  test('keeps the input with its newlines', () => {
    expect(rust('a\n\n  one\n\n----\nok\n').cases[0]?.input).toBe('\n  one\n\n');
  });

  test('has words, lists of words, and comments after them', () => {
    expect(rust('a f v=b.c-d_e l=(x,y) n=() # why\n----\n').cases[0]?.args).toEqual([
      { kind: 'flag', key: 'f' },
      { kind: 'value', key: 'v', value: 'b.c-d_e' },
      { kind: 'list', key: 'l', values: ['x', 'y'] },
      { kind: 'list', key: 'n', values: [] },
    ]);
    expect(rust('  # only a comment\n').cases).toEqual([]);
  });

  test('refuses other characters, nested lists and equal keys', () => {
    expect(() => rust('a v=b/c\n----\n')).toThrow('expected an argument name, found "/"');
    expect(() => rust('a l=(b,(c))\n----\n')).toThrow('expected an argument value, found "("');
    expect(() => rust('a v=1 v=2\n----\n')).toThrow('argument v is there twice');
  });

  test('says that a text has no final newline, and compares it', () => {
    const script = rust('a\n----\n----\nx\n----\n---- (no newline)\n\nb\n----\ny\n');
    expect(script.cases.map(({ expected }) => expected)).toEqual(['x', 'y\n']);
    const kinds = runAtOnce(script, () => 'x').map(({ kind }) => kind);
    expect(kinds).toEqual(['passed', 'differs']);
    expect(rewritten('rust', 'a\n----\n', 'x')).toBe('a\n----\n----\nx\n----\n---- (no newline)\n');
  });

  test('a directive right after a closing pair is not lost, but an error', () => {
    expect(() => rust('a\n----\n----\nok\n----\n----\nb\n----\n')).toThrow(
      'next line is not blank',
    );
  });

  test('output that starts with a newline or has white space only is written in a fence', () => {
    expect(rewritten('rust', 'a\n----\n', '\nx\n')).toBe('a\n----\n----\n\nx\n----\n----\n');
    expect(rewritten('rust', 'a\n----\n', 'x\n \n')).toBe('a\n----\n----\nx\n \n----\n----\n');
  });

  test('does not look for arguments that nobody asked for', () => {
    const [result] = runAtOnce(rust('a unknown\n----\nok\n'), () => 'ok\n');
    expect(result?.kind).toBe('passed');
  });
});

test('the header names the dialect, which goes before the one that was asked for', () => {
  expect(parseScript('#: dialect=rust\na\n', { file: 'a' }).dialect).toBe('rust');
  expect(parseScript('#: dialect=strict\n', { file: 'a', dialect: 'go' }).dialect).toBe('strict');
});
