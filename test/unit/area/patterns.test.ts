import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileItemMap } from '../../../src/area/item-map.ts';
import {
  compilePatterns,
  extendPatterns,
  matches,
  patternOfTest,
} from '../../../src/area/patterns.ts';
import type { ItemMap } from '../../../src/area/types.ts';

const HERE = { file: 'testconfig', line: 1 };

function mapOf(...lines: readonly (readonly [string, string])[]): ItemMap {
  return lines.map(([pattern, replacement]) => ({ pattern, replacement }));
}

describe('a selection', () => {
  test.each([
    ['%', 't1', 'a/b', true],
    ['t1', 't1', 'a', true],
    ['t1/', 't1', '', true],
    ['t1/', 't1', 'a', false],
    ['t1/%', 't1', '', true],
    ['T1', 't1', '', false],
    ['T%', 't1', '', true],
    ['', 't1', '', false],
    ['%/,%/ai', 'sq', '', true],
    ['%/,%/ai', 'sq', 'ai', true],
    ['%/,%/ai', 'sq', 'ab', false],
    ['runfirst/%2', 'runfirst', 'b/2', true],
    ['runfirst/%2', 'runfirst', 'a/1', false],
    ['runfirst/%2', 'runfirst', '', false],
    ['~t1', 't2', '', true],
    ['~t1', 't1', '', false],
    ['t*', 't1', '', true],
    ['t1, t2', 't2', 'x', true],
    ['t[12]', 't2', '', true],
    ['t', 't1', '', false],
  ])('%j of %s/%s: %s', (pattern, name, item, expected) => {
    expect(matches(compilePatterns(pattern), name, item)).toBe(expected);
  });

  test('names a test whose items are not known yet', () => {
    expect(patternOfTest(compilePatterns('a/1,~b/2'), 'a')).toBe('a/1');
    expect(patternOfTest(compilePatterns('~b/2'), 'b')).toBe('~b/2');
    expect(patternOfTest(compilePatterns('~b'), 'b')).toBeNull();
  });

  test('that cannot be compiled says so', () => {
    expect(() => compilePatterns('t(')).toThrow('the pattern t( cannot be used');
  });
});

test('a pattern with nothing but % selects what the expression would, however many there are', () => {
  const letters = (max: number) =>
    fc.string({ unit: fc.constantFrom('a', 'b', 'A'), maxLength: max });
  const pattern = fc.array(letters(2), { minLength: 2, maxLength: 5 });
  const property = fc.property(pattern, letters(8), (parts, name) => {
    const expression = new RegExp(`^${parts.join('.*')}$`, 'i');
    const text = parts.join('%');
    expect(matches(compilePatterns(text), name, '')).toBe(expression.test(name));
  });
  fc.assert(property, { numRuns: 500 });
  const many = compilePatterns(`${'%a'.repeat(500)}b`);
  expect(matches(many, 'a'.repeat(1000), '')).toBe(false);
});

describe('an item map', () => {
  test.each([
    [mapOf(['.*/', '']), 'a/b/c', 'c'],
    [mapOf(['foo/', 'bar/']), 'foo/foo/x', 'bar/foo/x'],
    [mapOf(['/.*', '']), 'layout/ntran', 'layout'],
    [mapOf(['(a\\d+)(b\\d+)', '\\2foo\\1'], ['b(.*)', '\\1p']), 'a123b321', '321fooa123p'],
    [mapOf(['(\\d+)/res', '\\1/aa']), '1/res', '1/aa'],
    [mapOf(['x', '$&']), 'x', '$&'],
    [mapOf(['x(y)?', '[\\1\\2]']), 'x', '[]'],
  ])('%j of %s is %s', (map, path, expected) => {
    expect(compileItemMap(map, HERE)(path)).toBe(expected);
  });
});

describe('a selection of a dependent asks of its prerequisite', () => {
  test.each([
    ['test2/%/ptran', 'test2', 'test1', mapOf(), ['test1/%/ptran']],
    ['test1/%/ptran', 'test1', 'setup', mapOf(['/.*', '']), ['setup/%']],
    ['D/1/res', 'D', 'C', mapOf(['(\\d+)/res', '\\1/aa']), ['C/1/aa']],
    ['a', 'a', 'b', mapOf(), ['b/%']],
    ['a/1,a', 'a', 'b', mapOf(), ['b/1', 'b/%']],
    ['%', 'a', 'b', mapOf(), ['b/%']],
  ])('%s of %s for %s', (pattern, name, prerequisite, map, expected) => {
    const asked = extendPatterns(
      compilePatterns(pattern),
      ...([name, prerequisite, compileItemMap(map, HERE)] as const),
    );
    expect(asked).toEqual(expected);
  });
});
