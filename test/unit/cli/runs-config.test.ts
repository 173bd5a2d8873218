import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, expect, test, vi } from 'vitest';
import { register as registerConfig } from '../../../src/cli/runs/config.ts';
import { register as registerInit } from '../../../src/cli/runs/init.ts';
import { TidelockError } from '../../../src/core/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidelock-area-'));
const home = join(folder, 'demo');
afterAll(() => rmSync(folder, { recursive: true }));

type Said = { readonly stdout: string; readonly stderr: string; readonly refusal: string };

/** The command as a user gives it, in this process. */
function runs(...args: readonly string[]): Said {
  const program = new Command().exitOverride();
  registerInit(program);
  registerConfig(program);
  const out = vi.spyOn(console, 'log').mockReturnValue();
  const err = vi.spyOn(console, 'error').mockReturnValue();
  const said = (spy: typeof out): string => spy.mock.calls.map(([line]) => `${line}\n`).join('');
  let refusal = '';
  try {
    program.parse(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof TidelockError)) throw error;
    refusal = `${error.code}: ${error.message}. ${error.hint}`;
  }
  const all = { stdout: said(out), stderr: said(err), refusal };
  vi.restoreAllMocks();
  return all;
}

test('an area is made, added to, and says what it holds and where', () => {
  const clean = { stderr: '', refusal: '' };
  expect(runs('init', home)).toMatchObject(clean);
  expect(runs('new', 'test', 'more', '--area', home)).toMatchObject(clean);

  const area = runs('config', 'show', '--origin', '--area', home);
  expect(area.stdout).toContain('# tests: build, check, more');
  expect(area.stdout).toMatch(/^max_concurrent_jobs 4 {4}<- .*area\.config:9$/m);
  const target = runs('config', 'show', '--area', home, '--target', 'linux/1');
  expect(target.stdout).toContain('GREETING hello from linux');
  const check = runs('config', 'show', '--area', home, '--test', 'check', '--json');
  expect(JSON.parse(check.stdout)).toMatchObject({
    items: ['small/first', 'small/second', 'large/first', 'large/second'],
    sections: { requirements: [{ key: 'waiton', value: 'build', line: 3 }] },
    findings: [],
  });
  expect(JSON.parse(runs('targets', '--json', '--area', home).stdout)).toEqual(['linux/1']);
  expect(runs('targets', '--area', home).stdout).toBe('linux/1\n  GREETING hello from linux\n');
});

test.each([
  [['init', home], 'area.config is there already. take another folder'],
  [['new', 'test', 'build', '--area', home], 'testconfig is there already'],
  [['new', 'test', '../x', '--area', home], '"../x" cannot be the name of a test'],
  [['targets', '--area', folder], 'AREA_NOT_FOUND'],
  [['config', 'show', '--area', home, '--test', 'nothing'], 'it has: build, check, more'],
  [['config', 'show', '--area', home, '--target', 'linux'], 'a target has 2 values'],
  [['config', 'show', '--area', home, '--target', 'a,b/c'], 'a,b/c stands for 2 targets'],
])('%j is refused with a remedy', (args, message) => {
  expect(runs(...args).refusal).toContain(message);
});

test('what is wrong in a file is told with its place', () => {
  appendFileSync(join(home, 'tests', 'more', 'testconfig'), '\n[s]\na #{scheme (define x 1)}\n');
  appendFileSync(join(home, 'tests', 'build', 'testconfig'), '\n[s]\na #{getenv IS_NOT_SET}\n');
  const wrong = runs('config', 'show', '--area', home, '--test', 'more');
  expect(wrong.refusal).toMatch(/more\/testconfig:8: unsupported expression: \(define x 1\)/);
  const unset = runs('config', 'show', '--area', home, '--test', 'build');
  expect(unset.refusal).toBe('');
  expect(unset.stderr).toMatch(/warning: .*build\/testconfig:\d+: #\{getenv IS_NOT_SET\} has no/);
});

test('what has no effect says so beside its place', () => {
  const other = join(folder, 'other');
  runs('init', other);
  appendFileSync(join(other, 'area.config'), '\n[jobtools]\nuseshell yes\n');
  const area = runs('config', 'show', '--origin', '--area', other);
  expect(area.stderr).toMatch(/area\.config:\d+: useshell in \[jobtools\] has no effect/);
  expect(area.stdout).toMatch(
    /^useshell yes {4}<- .*area\.config:\d+, useshell in \[jobtools\] has/m,
  );
  expect(area.stdout).toContain('# launcher: none');
});
