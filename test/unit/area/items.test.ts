import { describe, expect, test } from 'vitest';
import type { TestDef } from '../../../src/area/types.ts';
import { type TestExtra, testOf } from '../../support/memory-area.ts';

function defOf(text: string, extra?: TestExtra): TestDef {
  return testOf(text, extra).result.test;
}

function tellings(text: string, extra?: TestExtra): readonly string[] {
  return defOf(text, extra).findings.map(({ message, origin }) => `${origin.line}: ${message}`);
}

const DOES = '[ezsteps]\nrun true\n';

describe('I1: items', () => {
  test.each([
    ['the product, first key outermost', '[items]\nA 1 2\nB x y\nC p', '1/x/p 1/y/p 2/x/p 2/y/p'],
    ['columns of a table, padded', '[itemstable]\nA 1 2 3\nB x y', '1/x 2/y 3/-'],
    [
      'a list and then a table',
      '[items]\nS su wi fa sp\n[itemstable]\nL a b\nN 1 2',
      'su wi fa sp a/1 b/2',
    ],
    [
      'a value with slashes',
      '[items]\nS UNKNOWN/STUCK/DEAD X\nL 1 2',
      'UNKNOWN/STUCK/DEAD/1 UNKNOWN/STUCK/DEAD/2 X/1 X/2',
    ],
    ['a value over several lines', '[items]\nA 1\n  2', '1 2'],
    ['one that is there twice, once', '[items]\nA 1 2 1', '1 2'],
    ['a table with an empty column', '[itemstable]\nA 1 2\nB', '1/- 2/-'],
  ])('%s', (_what, text, paths) => {
    const { items } = defOf(text);
    expect(items.kind === 'known' ? items.items.map(({ path }) => path).join(' ') : items).toBe(
      paths,
    );
  });

  test('7 x 4 values are 28 items', () => {
    const { items } = defOf('[items]\nA 1 2 3 4 5 6 UNKNOWN/STUCK/DEAD\nB a b c d');
    expect(items.kind === 'known' && items.items.length).toBe(28);
  });

  test('the variables of an item, in order', () => {
    const { items } = defOf('[items]\nA 1\nB x');
    expect(items.kind === 'known' && items.items[0]?.variables).toEqual([
      ['A', '1'],
      ['B', 'x'],
    ]);
  });

  test.each([
    ['no section', '', 'none'],
    ['a section without keys', '[items]', 'none'],
    ['a key without value', '[items]\nA 1 2\nB', 'zero'],
    ['a key without value, and a table', '[items]\nA\n[itemstable]\nB 1', 'zero'],
    ['a table without any value', '[itemstable]\nA\nB', 'zero'],
  ])('%s: %s', (_what, text, kind) => {
    expect(defOf(text).items.kind).toBe(kind);
  });

  test('an empty key is named, and a section without keys is told', () => {
    expect(defOf('[items]\nA 1\nB').items).toEqual({ kind: 'zero', emptyKey: 'B' });
    expect(tellings(`${DOES}[items]`)).toEqual([
      '1: [items] has no key: the test runs without items',
    ]);
  });

  test.each(['..', 'a/../b', 'a//b', '/a', 'a/', `${'x'.repeat(1001)}`])(
    'what cannot be a folder cannot be an item: %s',
    (value) => {
      expect(() => defOf(`[items]\nA ${value}`)).toThrow('/area/tests/x/testconfig:2');
    },
  );

  test('too many are an error', () => {
    const many = Array.from({ length: 400 }, (_, at) => at).join(' ');
    expect(() => defOf(`[items]\nA ${many}\nB ${many}`)).toThrow('160000 items; 100000 at most');
  });
});

describe('I2: late items', () => {
  const text = '[items]\nA [system names]\n[ezsteps]\nrun #{shell step}';
  const commands = { names: 'a\nb\n', step: 'true' };

  test('are not asked for while a run is planned', () => {
    const { result, commands: ran } = testOf(text, { commands });
    expect([result.test.items.kind, ran]).toEqual(['late', ['step']]);
  });

  test('are asked for once, when the prerequisites are met', () => {
    const { result, commands: ran } = testOf(text, { commands, expandsLate: true });
    const { items } = result.test;
    expect(items.kind === 'known' && items.items.map(({ path }) => path)).toEqual(['a', 'b']);
    expect(ran).toEqual(['names', 'step']);
  });

  test('leave the hash as it is', () => {
    const early = defOf(text, { commands });
    expect(defOf(text, { commands, expandsLate: true }).hash).toBe(early.hash);
  });
});

describe('S1: the hash', () => {
  const entry = (value: string) => ({ key: 'K', value, origin: { file: 'r', line: 9 } });
  const base = defOf(DOES, { target: [entry('1')] }).hash;

  test.each<[string, string, TestExtra]>([
    ['the text of the testconfig', `${DOES}# more`, { target: [entry('1')] }],
    ['a value of the target', DOES, { target: [entry('2')] }],
    ['a rule file', DOES, { target: [entry('1')], files: { '/area/tests/x/run.logpro': '' } }],
    ['the environment of all tests', DOES, { target: [entry('1')], area: '[env-override]\nA 1' }],
  ])('changes with %s', (_what, text, extra) => {
    expect(defOf(text, extra).hash).not.toBe(base);
  });

  test('is of included files, too', () => {
    const included = (text: string) =>
      defOf('[include more]', { files: { '/area/tests/x/more': text } }).hash;
    expect(included('a 1')).not.toBe(included('a 2'));
  });

  test('does not change with what commands answer, nor with the environment', () => {
    const text = '[s]\na #{shell date} #{getenv NOW}';
    const at = (now: string) =>
      defOf(text, { commands: { date: now }, environment: { NOW: now } }).hash;
    expect(at('1')).toBe(at('2'));
  });
});
