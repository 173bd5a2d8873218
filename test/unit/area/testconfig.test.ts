import { describe, expect, test } from 'vitest';
import type { ItemMap, TestDef } from '../../../src/area/types.ts';
import { type TestExtra, testOf } from '../../support/memory-area.ts';

function defOf(text: string, extra?: TestExtra): TestDef {
  return testOf(text, extra).result.test;
}

function tellings(text: string, extra?: TestExtra): readonly string[] {
  return defOf(text, extra).findings.map(({ message, origin }) => `${origin.line}: ${message}`);
}

const DOES = '[ezsteps]\nrun true\n';

describe('R1: requirements', () => {
  const others = ['a', 'b', 'c'];
  const needs = (text: string): readonly (readonly string[])[] =>
    defOf(`[requirements]\n${text}`, { others }).prerequisites.map(({ test: name, mode }) => [
      name,
      mode,
    ]);

  test.each([
    [
      'waiton a b',
      [
        ['a', 'normal'],
        ['b', 'normal'],
      ],
    ],
    [
      'waiton a, b',
      [
        ['a', 'normal'],
        ['b', 'normal'],
      ],
    ],
    [
      'waiton a\n  b',
      [
        ['a', 'normal'],
        ['b', 'normal'],
      ],
    ],
    ['waiton a a', [['a', 'normal']]],
    ['waiton #f', []],
    ['waiton', []],
    ['waiton a\nmode normal', [['a', 'normal']]],
    ['waiton a\nmode toplevel', [['a', 'toplevel']]],
    ['waiton a\nmode itemwait', [['a', 'itemwait']]],
    ['waiton a\nmode itemmatch', [['a', 'itemwait']]],
    ['waiton a\nmode toplevel itemwait', [['a', 'itemwait-toplevel']]],
    [
      'waiton a\nwaitor b a\nmode itemwait',
      [
        ['a', 'itemwait'],
        ['b', 'normal'],
        ['a', 'normal'],
      ],
    ],
    [
      'waitor a, b\nmode toplevel',
      [
        ['a', 'toplevel'],
        ['b', 'toplevel'],
      ],
    ],
    ['waiton a\nmode exclusive', [['a', 'normal']]],
  ])('%j', (text, expected) => {
    expect(needs(text)).toEqual(expected);
  });

  test('of those in waitor one is enough', () => {
    const { prerequisites } = defOf('[requirements]\nwaiton a\nwaitor b', { others });
    expect(prerequisites.map(({ isEither }) => isEither)).toEqual([false, true]);
  });

  test('exclusive is told from the other modes', () => {
    expect(defOf('[requirements]\nmode toplevel exclusive').isExclusive).toBe(true);
    expect(defOf('[requirements]\nmode toplevel').isExclusive).toBe(false);
  });

  test.each([
    ['waiton x', '2: x waits for itself: left out'],
    ['waiton nowhere', '2: x waits for nowhere, which is no test: left out'],
    ['mode loud', '2: loud is no mode: left out'],
    ['waitor nobody', '2: x waits for nobody, which is no test: left out'],
  ])('%s is told', (text, finding) => {
    expect(tellings(`[requirements]\n${text}\n${DOES}`, { others })).toEqual([finding]);
  });

  const maps = (text: string): readonly ItemMap[] =>
    defOf(text, { others }).prerequisites.map(({ map }) => map);

  test.each<[string, string, readonly ItemMap[]]>([
    [
      'for all',
      '[requirements]\nwaiton a b\nitemmap /.* x',
      [[{ pattern: '/.*', replacement: 'x' }], [{ pattern: '/.*', replacement: 'x' }]],
    ],
    [
      'without replacement',
      '[requirements]\nwaiton a\nitemmap .*/',
      [[{ pattern: '.*/', replacement: '' }]],
    ],
    [
      'of several lines',
      '[requirements]\nwaiton a\nitemmap (a)(b) \\2\\1\n  b c',
      [
        [
          { pattern: '(a)(b)', replacement: '\\2\\1' },
          { pattern: 'b', replacement: 'c' },
        ],
      ],
    ],
    [
      'for one',
      '[requirements]\nwaiton a b\n[itemmap]\nb x y',
      [[], [{ pattern: 'x', replacement: 'y' }]],
    ],
    [
      'for some',
      '[requirements]\nwaiton a b\n[itemmap]\n% x y\nb z',
      [[{ pattern: 'x', replacement: 'y' }], [{ pattern: 'x', replacement: 'y' }]],
    ],
    [
      'the general one first',
      '[requirements]\nwaiton a\nitemmap x y\n[itemmap]\na z w',
      [[{ pattern: 'x', replacement: 'y' }]],
    ],
  ])('item maps: %s', (_what, text, expected) => {
    expect(maps(text)).toEqual(expected);
  });

  test('a map that is no expression is an error with its line', () => {
    expect(() => maps('[requirements]\nwaiton a\nitemmap ( x')).toThrow('testconfig:3');
  });

  test.each([
    ['priority 5', 5],
    ['priority -2', -2],
    ['', 0],
  ])('priority: %j is %i', (text, priority) => {
    expect(defOf(`[requirements]\n${text}`).priority).toBe(priority);
    expect(() => defOf('[requirements]\npriority high')).toThrow(
      'testconfig:2: priority is no number',
    );
  });

  test.each([
    ['90', 90],
    ['90s', 90],
    ['15m 15s', 915],
    ['2h30m', 9000],
    ['1d', 86_400],
    ['01:30:00', 5400],
    ['0:45', 2700],
  ])('runtimelim %s is %i seconds', (text, seconds) => {
    expect(defOf(`[requirements]\nruntimelim ${text}`).runTimeLimitS).toBe(seconds);
  });

  test.each(['soon', '1x', '-5', '5 m m', '1e99'])('runtimelim %s is an error', (text) => {
    expect(() => defOf(`[requirements]\nruntimelim ${text}`)).toThrow('no length of time');
  });

  test.each([
    ['[test_meta]\njobgroup g', 'g'],
    ['[requirements]\njobgroup g', 'g'],
    ['[requirements]\njobgroup h\n[test_meta]\njobgroup g', 'g'],
    ['', null],
  ])('jobgroup: %j', (text, group) => {
    expect(defOf(text).jobGroup).toBe(group);
  });

  const area = '[resources]\nport 2\ncpu 4\n';
  test('resources are taken by name and number', () => {
    const { resources } = defOf('[requirements]\nresources port cpu=3', { area });
    expect([...resources]).toEqual([
      ['port', 1],
      ['cpu', 3],
    ]);
  });

  test.each(['port=3', 'disk', 'port=0', '=2'])('resources %s is an error', (text) => {
    expect(() => defOf(`[requirements]\nresources ${text}`, { area })).toThrow('testconfig:2');
  });
});

describe('R2: steps', () => {
  const steps = (text: string, extra?: TestExtra) =>
    defOf(text, extra).steps.map(({ name, command, ignoresExit, rules }) => [
      name,
      command,
      ignoresExit,
      rules?.rules.length ?? null,
    ]);

  test.each([
    [
      'in order',
      'b echo 1\na echo 2',
      [
        ['b', 'echo 1', false, null],
        ['a', 'echo 2', false, null],
      ],
    ],
    [
      'a step that is written again comes last',
      'a 1\nb 2\na 3',
      [
        ['b', '2', false, null],
        ['a', '3', false, null],
      ],
    ],
    ['several lines', 'a x=1\n  echo $x', [['a', 'x=1\necho $x', false, null]]],
    ['a prefix for later', 'a {N=1,2,3} echo', [['a', 'echo', false, null]]],
    ['a group of the shell is no prefix', 'a { echo; }', [['a', '{ echo; }', false, null]]],
    ['ignore-exit', 'a {ignore-exit} false', [['a', 'false', true, null]]],
    ['no command', 'a', [['a', '', false, null]]],
  ])('%s', (_what, text, expected) => {
    expect(steps(`[ezsteps]\n${text}`)).toEqual(expected);
  });

  test('are judged by [rules], [logpro], or a file of their name', () => {
    const rule = '(expect:error in "LogFileBody" = 0 "errors" #/error/)';
    const text = `[ezsteps]\na 1\nb 2\nc 3\n[rules]\na\n  error "e" /x/\n  check "c" /y/\n[logpro]\nb\n  ${rule}`;
    const files = { '/area/tests/x/c.logpro': `${rule}\n${rule}\n${rule}` };
    expect(steps(text, { files }).map((step) => step[3])).toEqual([2, 1, 3]);
  });

  test('of imported areas leave the exit code to the rules', () => {
    const text =
      '[ezsteps]\na {ignore-exit} 1\nb 2\n[logpro]\nb\n  (expect:ignore in "LogFileBody" >= 0 "i" #/x/)';
    expect(steps(text, { isCompatible: true }).map((step) => step[2])).toEqual([false, true]);
  });

  test('rules of no step are told', () => {
    expect(tellings(`${DOES}[rules]\nbuild\n  error "e" /x/`)).toEqual([
      '4: no step has the name build: its rules judge nothing',
    ]);
  });

  test('an expression that is tried is told, in imported areas', () => {
    const rules = `${DOES}[rules]\nrun\n  error "e" /(a+)+b/\n  error "e" /(a)\\1/`;
    expect(tellings(rules, { isCompatible: true })).toContain(
      '6: references and looks are tried; a line that takes more than 200 steps for each character is to be checked',
    );
  });

  test('a script, and nothing at all', () => {
    expect(defOf('[setup]\nrunscript main.sh').runScript).toBe('main.sh');
    expect(tellings('[test_meta]\nowner me')).toEqual([
      '1: the test has no step and no script: it does nothing, and passes',
    ]);
  });
});

describe('R3: skip, waivers, triggers and the rest', () => {
  test.each([
    ['prevrunning x', { kind: 'running' }],
    ['fileexists /a/b', { kind: 'fileExists', path: '/a/b' }],
    ['rundelay 15m 15s', { kind: 'delay', seconds: 915 }],
    ['rundelay 1m\nfileexists /a\nprevrunning x', { kind: 'running' }],
    ['rundelay 1m\nfileexists /a', { kind: 'fileExists', path: '/a' }],
    ['', null],
  ])('skip: %j', (text, expected) => {
    expect(defOf(`[skip]\n${text}`).skip).toEqual(expected);
  });

  test('waivers by difference, by rules, by a command', () => {
    const text =
      '[waivers]\na diff *.log\nb logpro out.log\nc mine x\n[waiver_rules]\nmine cmp %file1% %file2%';
    const files = { '/area/tests/x/b.logpro': '(expect:error in "LogFileBody" = 0 "e" #/x/)' };
    const found = defOf(text, { files }).waivers.map(({ name, glob, rules, command }) => [
      name,
      glob,
      rules?.rules.length ?? null,
      command,
    ]);
    expect(found).toEqual([
      ['a', '*.log', null, null],
      ['b', 'out.log', 1, null],
      ['c', 'x', null, 'cmp %file1% %file2%'],
    ]);
  });

  test.each([
    ['a', 'a waiver needs a rule and a file'],
    ['a unknown f', 'unknown is no rule of waivers'],
    ['a logpro f', 'a.logpro is missing'],
  ])('the waiver %j is an error', (text, message) => {
    expect(() => defOf(`[waivers]\n${text}`)).toThrow(message);
  });

  test.each([
    ['COMPLETED/PASS cmd a', { state: 'COMPLETED', status: 'PASS', command: 'cmd a' }],
    ['COMPLETED/ cmd', { state: 'COMPLETED', status: null, command: 'cmd' }],
    ['/PASS cmd', { state: null, status: 'PASS', command: 'cmd' }],
    ['PASS/ cmd', { state: null, status: 'PASS', command: 'cmd' }],
    ['/n/a cmd', { state: null, status: 'n/a', command: 'cmd' }],
  ])('trigger %s', (text, expected) => {
    expect(defOf(`[triggers]\n${text}`).triggers).toEqual([expected]);
  });

  test('what is no trigger is told', () => {
    expect(tellings(`${DOES}[triggers]\nPASS cmd\nCOMPLETED/PASS`).length).toBe(2);
    expect(defOf('[triggers]\nPASS cmd').triggers).toEqual([]);
  });

  test('meta, tags, disks, launch environment', () => {
    const found = defOf(
      '[test_meta]\nowner me\ntags a, b c\n[disks]\nd0 /big 5\nd1 rel\n[pre-launch-env-vars]\nA 1\nB $A',
    );
    expect([...found.meta]).toEqual([
      ['owner', 'me'],
      ['tags', 'a, b c'],
    ]);
    expect(found.tags).toEqual(['a', 'b', 'c']);
    expect(found.disks).toEqual([
      { name: 'd0', path: '/big' },
      { name: 'd1', path: '/area/rel' },
    ]);
    expect(found.launchEnvironment.map(({ key, value }) => [key, value])).toEqual([
      ['A', '1'],
      ['B', '1'],
    ]);
    expect(defOf('').disks).toBeNull();
  });

  test('rget reads what the target says, not the testconfig itself', () => {
    const origin = { file: 'r', line: 1 };
    const target = [{ key: 'NEEDS', value: 'a', origin }];
    const text = '[requirements]\nwaiton #{rget NEEDS}\n[default]\nNEEDS b';
    expect(defOf(text, { others: ['a', 'b'], target }).prerequisites[0]?.test).toBe('a');
  });
});
