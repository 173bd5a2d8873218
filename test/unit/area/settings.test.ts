import { describe, expect, test } from 'vitest';
import { launcherFor } from '../../../src/area/launchers.ts';
import { STANDARD_SETTINGS } from '../../../src/area/settings.ts';
import type { AreaSettings } from '../../../src/area/types.ts';
import { areaOf, testOf } from '../../support/memory-area.ts';

const settingsOf = (...lines: readonly string[]): AreaSettings =>
  areaOf(lines.join('\n')).area.settings;

describe('A3: how tests are executed', () => {
  test('has standards where nothing is said', () => {
    expect(settingsOf('')).toEqual(STANDARD_SETTINGS);
  });

  test('is what an area says', () => {
    const settings = settingsOf(
      ...['[setup]', 'deadtime 2h', 'minspace 10000', 'dbdir-space-required 2G', 'reruns 3'],
      ...['free-space-script tools/free', 'testcopycmd cp -R TEST_SRC_PATH TEST_TARG_PATH'],
      ...['waivercommentpatt ^bug', '[runs]', 'pre-hook make', '[testrollup]', 't page.sh x'],
      ...['[refareas]', 'old ../old', '[validvalues]', 'state start end', 'status 0 1'],
    );
    expect(settings).toMatchObject({
      ...{ deadTimeS: 7200, minSpaceBytes: 10_240_000, areaSpaceBytes: 2 * 2 ** 30 },
      ...{ rerunsMax: 3, freeSpaceCommand: 'tools/free', waiverComment: '^bug', preHook: 'make' },
      copyCommand: 'cp -R TEST_SRC_PATH TEST_TARG_PATH',
      ...{ validStates: ['start', 'end'], validStatuses: ['0', '1'] },
      referenceAreas: [{ name: 'old', path: '/old' }],
    });
    expect([...settings.rollUpScripts]).toEqual([['t', 'page.sh x']]);
  });

  test.each([
    ['reruns 1000', 'no whole number from 0 to 100'],
    ['minspace much', 'minspace is no size: much'],
    ['testcopycmd cp x y', 'does not name TEST_TARG_PATH'],
    ['waivercommentpatt (', 'this is no regular expression'],
    ['deadtime soon', 'no length of time'],
  ])('%s is refused with its line', (line, message) => {
    expect(() => settingsOf('[setup]', line)).toThrow('area.config:5: ');
    expect(() => settingsOf('[setup]', line)).toThrow(message);
  });

  test('a reference area that is not there is told', () => {
    const { config } = areaOf('[refareas]\nold /gone').area;
    expect(config.findings.map(({ message }) => message)).toEqual([
      'the reference area /gone is not there',
    ]);
  });
});

describe('A4: what starts the steps of a test', () => {
  const BY_PATTERN = [
    ...['[jobtools]', 'launcher plain', 'flexi-launcher yes', '[launchers]', 'a/%/x far'],
    ...['a near', 'b,c near', '[host-types]', 'near ssh here', 'far ssh $TIDELOCK_HOST'],
    ...['[hosts]', 'far one two'],
  ];
  const of = (lines: readonly string[], test: string, itemPath: string, turn = 0) =>
    launcherFor(settingsOf(...lines).launchers, { test, itemPath, turn });

  test.each([
    ['a', '1/x', 0, { command: 'ssh $TIDELOCK_HOST', host: 'one' }],
    ['a', '1/x', 1, { command: 'ssh $TIDELOCK_HOST', host: 'two' }],
    ['a', '1/x', 2, { command: 'ssh $TIDELOCK_HOST', host: 'one' }],
    ['a', '1/y', 0, { command: 'ssh here', host: null }],
    ['c', '', 0, { command: 'ssh here', host: null }],
    ['d', '', 0, { command: 'plain', host: null }],
  ])('%s/%s, the %ith: %j', (name, itemPath, turn, expected) => {
    expect(of(BY_PATTERN, name, itemPath, turn)).toEqual(expected);
  });

  test('is the runner itself where nothing is said, flexi-launcher is no, or with nbfake', () => {
    expect(of([], 'a', '')).toBeNull();
    const none = ['[jobtools]', 'flexi-launcher no', '[launchers]', 'a gone'];
    expect(of(none, 'a', '')).toBeNull();
    const background = [
      '[jobtools]',
      'launcher nbfake',
      'flexi-launcher yes',
      '[launchers]',
      'a x',
    ];
    expect(of([...background, '[host-types]', 'x nbfake JOBCOMMAND'], 'a', '')).toBeNull();
    expect(of([...background, '[host-types]', 'x y'], 'b', '')).toBeNull();
  });

  test.each([
    ['a nowhere', 'nowhere is no host type with a command'],
    ['a( near', 'the pattern a( cannot be used'],
  ])('%s is refused with its line', (line, message) => {
    const lines = [
      '[jobtools]',
      'flexi-launcher yes',
      '[host-types]',
      'near x',
      '[launchers]',
      line,
    ];
    expect(() => settingsOf(...lines)).toThrow('area.config:9: ');
    expect(() => settingsOf(...lines)).toThrow(message);
  });
});

describe('W1: waivers of a target', () => {
  const waiversOf = (target: string) => {
    const files = {
      '/area/tests/x/waivers.config':
        '[default]\na diff d\n[linux/1]\nb diff l\n[linux/%]\na diff any\n[solaris/1]\nz diff s',
    };
    const text = '[waivers]\na diff t\nc diff t\n[ezsteps]\nrun true';
    const { result } = testOf(text, { files, environment: { MT_TARGET: target } });
    return result.test.waivers.map(({ name, glob }) => `${name} ${glob}`);
  };

  test('stand above those of the test and of default', () => {
    expect(waiversOf('linux/1')).toEqual(['a any', 'c t', 'b l']);
    expect(waiversOf('linux/2')).toEqual(['a any', 'c t']);
    expect(waiversOf('other/1')).toEqual(['a d', 'c t']);
  });
});
