import { describe, expect, test } from 'vitest';
import { matchesTags } from '../../../src/area/tags.ts';
import {
  expandTargets,
  patternOfTarget,
  readTarget,
  requireDeclared,
  type TargetReading,
  targetEnvironment,
  targetsOf,
} from '../../../src/area/targets.ts';
import { areaOf, HOME, run } from '../../support/memory-area.ts';

const { area } = areaOf('[setup]\nlinktree /lt');

function targetOf(text: string, target = 'linux/1'): TargetReading {
  const files = { [`${HOME}/runconfigs.config`]: text };
  return run(readTarget(area, target, { HOME: '/h' }), files).result;
}

function valuesOf(reading: TargetReading): readonly string[] {
  return reading.entries.map(({ key, value }) => `${key}=${value}`);
}

describe('T1: the environment of a target', () => {
  test.each([
    ['default alone', '[default]\nA 1', ['A=1']],
    ['default, then its own', '[default]\nA 1\nB 2\n[linux/1]\nA 3', ['B=2', 'A=3']],
    ['no other target', '[linux/2]\nA 1', []],
    ['wildcards', '[linux/%]\nA 1\n[%/2]\nA 2', ['A=1']],
    ['lines before a section', 'A 1', ['A=1']],
    ['its fields', '[default]\nA $SYSTEM-#{getenv RELEASE}', ['A=linux-1']],
    ['values above', '[default]\nA 1\nB $A$A\nC #{rget B}', ['A=1', 'B=11', 'C=11']],
    ['rget prefers the target', '[default]\nA 1\n[linux/1]\nA 2\nB #{rget A}', ['A=2', 'B=2']],
    ['no file', '', []],
  ])('%s', (_what, text, expected) => {
    expect(valuesOf(targetOf(text))).toEqual(expected);
  });

  test('with the area and the fields', () => {
    expect(targetEnvironment(area, 'linux/1')).toEqual({
      ...{ MT_RUN_AREA_HOME: '/area', MT_TESTSUITENAME: 'area', MT_LINKTREE: '/lt' },
      ...{ MT_TARGET: 'linux/1', SYSTEM: 'linux', RELEASE: '1' },
    });
  });

  test('its tests: TESTPATT, or the key of --modepatt', () => {
    const reading = targetOf('[linux/1]\nTESTPATT a/%\nQUICK b\nEMPTY');
    expect(
      ['TESTPATT', 'QUICK', 'EMPTY', 'NONE'].map((key) => patternOfTarget(reading, key)),
    ).toEqual([...['a/%', 'b', null, null]]);
  });

  test('may be required to have a section of its own; a wildcard is none', () => {
    expect(() => requireDeclared(area, targetOf('[linux/1]'))).not.toThrow();
    expect(() => requireDeclared(area, targetOf('[linux/%]\n[linux/2]'))).toThrow(
      'target linux/1: runconfigs.config has no section for it',
    );
  });

  test('targets that have a section, sorted', () => {
    const { reading } = targetOf('[default]\n[windows/1]\n[linux/%]\n[linux/1]\n[other]');
    expect(targetsOf(area, reading)).toEqual(['linux/1', 'windows/1']);
  });
});

describe('T2: a text that stands for targets', () => {
  const three = { fields: ['A', 'B', 'C'] };
  test.each([
    [area, 'a/b', ['a/b']],
    [area, 'a/b,c/d', ['a/b', 'c/d']],
    [area, 'a/b c/d', ['a/b', 'c/d']],
    [area, ' a/b ,\tc/d ', ['a/b', 'c/d']],
    [area, 'a,b/c,d', ['a/c', 'a/d', 'b/c', 'b/d']],
    [area, 'a/b,c', ['a/b', 'a/c']],
    [three, 'a/b,c/d', ['a/b/d', 'a/c/d']],
    [three, 'a/b c/d', ['a/b/d', 'a/c/d']],
    [{ fields: ['A'] }, 'a,b', ['a', 'b']],
    [area, 'a/b,a/b', ['a/b']],
  ])('%o %j', (of, text, expected) => {
    expect(expandTargets(of, text)).toEqual(expected);
  });

  test.each([
    ['a', 'a target has 2 values'],
    ['a/b/c', 'a target has 2 values'],
    ['', 'a target has 2 values'],
    ['a/', '"" cannot be a value'],
    ['a,b/', 'a target has 2 values'],
    ['../b', '".." cannot be a value'],
    ['a/\u0007', 'cannot be a value'],
    [`${'a,'.repeat(200)}/${'b,'.repeat(200)}`, 'it stands for 40000 targets'],
  ])('%j is an error', (text, message) => {
    expect(() => expandTargets(area, text)).toThrow(message);
  });
});

test.each([
  ['a', ['a', 'b'], true],
  ['c', ['a', 'b'], false],
  ['c,b', ['a', 'b'], true],
  ['~a', ['a', 'b'], false],
  ['~c', ['a', 'b'], true],
  ['~c', [], true],
  ['a', [], false],
  ['QU%', ['quick'], true],
  ['quick', ['QUICK'], false],
  ['', ['a'], false],
])('T3: the tags %j of %j: %s', (expression, tags, expected) => {
  expect(matchesTags(expression, tags)).toBe(expected);
});
