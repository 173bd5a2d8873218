import { describe, expect, test } from 'vitest';
import { areaOf } from '../../support/memory-area.ts';

describe('A1: an area', () => {
  test('has the standards of the grammar', () => {
    const { area } = areaOf('');
    expect(area).toMatchObject({
      ...{ name: 'area', home: '/area', fields: ['SYSTEM', 'RELEASE'], isCompatible: false },
      ...{ linkTree: '/area/.tidelock/links', jobsMax: 1, loadMax: null, runTimeLimitS: null },
      ...{ waitDelayS: 0, launchDelayS: 0, autoRerun: [] },
      disks: [{ name: 'here', path: '/area/.tidelock/runs' }],
    });
  });

  test('says everything else itself', () => {
    const { area } = areaOf(
      [
        ...['[setup]', 'linktree #{getenv MT_RUN_AREA_HOME}/lt', 'max_concurrent_jobs 7'],
        ...[
          'area-name mine',
          'runtimelim 1h',
          'launch-delay 2',
          'allow-auto-rerun INCOMPLETE/FAIL KILLED/KILLED',
        ],
        ...['[jobtools]', 'maxload 1.5', 'waitdelay 30', '[jobgroups]', 'a 2', 'b'],
        ...['[disks]', 'd0 /x 10', '[resources]', 'port 3'],
      ].join('\n'),
      {},
      'megatest.config',
    );
    expect(area).toMatchObject({
      ...{ name: 'mine', isCompatible: true, linkTree: '/area/lt', jobsMax: 7, loadMax: 1.5 },
      ...{ runTimeLimitS: 3600, launchDelayS: 2, waitDelayS: 30 },
      autoRerun: [
        { state: 'INCOMPLETE', status: 'FAIL' },
        { state: 'KILLED', status: 'KILLED' },
      ],
      disks: [{ name: 'd0', path: '/x' }],
    });
    expect([...area.jobGroups]).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    expect([...area.resources]).toEqual([['port', 3]]);
  });

  test('finds tests in its paths, the first one that has a name', () => {
    const { area } = areaOf('[tests-paths]\nx /more\ny rel/', {
      '/more/a/testconfig': '',
      '/area/tests/a/testconfig': '',
      '/area/tests/b/testconfig': '',
      '/area/tests/none/readme': '',
      '/area/rel/c/testconfig': '',
    });
    expect([...area.tests]).toEqual([
      ['a', '/more/a'],
      ['c', '/area/rel/c'],
      ['b', '/area/tests/b'],
    ]);
  });

  test.each([
    ['[setup]\nmax_concurrent_jobs many', 'area.config:5: max_concurrent_jobs is no whole number'],
    ['[jobgroups]\na 0', 'area.config:5: a is no whole number from 1'],
    ['[fields]\n2x TEXT', 'area.config:5: 2x cannot be the name'],
    ['[jobtools]\nmaxload x', 'area.config:5: maxload is no number'],
  ])('%j is an error with its place', (text, message) => {
    expect(() => areaOf(text)).toThrow(message);
  });
});

describe('A2: what has no effect is told', () => {
  const told = (text: string): readonly string[] =>
    areaOf(text).area.config.findings.map(({ message, origin }) => `${origin.line}: ${message}`);

  test('keys that nothing reads, and those of the original that do nothing here', () => {
    const text = [
      ...['[setup]', 'max_concurent_jobs 3', 'use-wal yes', '[jobtools]', 'useshell yes'],
      ...['[views]', 'one 1', 'two 2', '[mine]', 'a b', '[server]', 'homehost here', 'port 8080'],
    ].join('\n');
    const found = told(text);
    expect(found.map((line) => line.replace(/: .*?(\S+ in \[|\[)/, ': $1'))).toEqual([
      expect.stringMatching(/: max_concurent_jobs in \[setup\] has no effect: nothing reads it$/),
      expect.stringMatching(/: use-wal in \[setup\] has no effect: the database/),
      expect.stringMatching(/: useshell in \[jobtools\] has no effect: launchers are given/),
      expect.stringMatching(/: \[views\] has no effect: the dashboard/),
      expect.stringMatching(/: \[mine\] has no effect: nothing reads it$/),
      expect.stringMatching(/: port in \[server\] has no effect: the server/),
    ]);
  });

  test('what counts only with something else', () => {
    expect(told('[launchers]\na b\n[testrollup]\nnobody x')).toEqual([
      '5: [launchers] has no effect without flexi-launcher',
      '7: nobody is no test: it has no page',
    ]);
  });

  test('not a section that the file itself looks up', () => {
    const text = '[mine]\na 3\n[setup]\nmax_concurrent_jobs #{get mine a}';
    expect(told(text)).toEqual([]);
    expect(areaOf(text).area.jobsMax).toBe(3);
  });
});
