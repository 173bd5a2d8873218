import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Command } from '../support/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidelock-area-'));
const home = join(folder, 'demo');
afterAll(() => rmSync(folder, { recursive: true }));

async function runs(...args: readonly string[]): Promise<Command & { readonly code: unknown }> {
  const command = new Command(['runs', ...args]);
  return Object.assign(command, { code: await command.exit() });
}

test('an area is made, added to, and says what it holds and where', async () => {
  const made = await runs('init', home);
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(await runs('new', 'test', 'more', '--area', home)).toMatchObject({ code: 0 });

  const [area, target, check, targets] = await Promise.all([
    runs('config', 'show', '--origin', '--area', home),
    runs('config', 'show', '--area', home, '--target', 'linux/1'),
    runs('config', 'show', '--area', home, '--target', 'linux/1', '--test', 'check', '--json'),
    runs('targets', '--json', '--area', home),
  ]);
  expect(area.stdout).toContain('# tests: build, check, more');
  expect(area.stdout).toMatch(/^max_concurrent_jobs 4 {4}<- .*area\.config:9$/m);
  expect(target.stdout).toContain('GREETING hello from linux');
  expect(JSON.parse(check.stdout)).toMatchObject({
    items: ['small/first', 'small/second', 'large/first', 'large/second'],
    sections: { requirements: [{ key: 'waiton', value: 'build', line: 3 }] },
    findings: [],
  });
  expect(JSON.parse(targets.stdout)).toEqual(['linux/1']);
});

test('what is wrong is told with its place and a remedy', async () => {
  appendFileSync(join(home, 'tests', 'more', 'testconfig'), '\n[s]\na #{scheme (define x 1)}\n');
  appendFileSync(join(home, 'tests', 'build', 'testconfig'), '\n[s]\na #{getenv IS_NOT_SET}\n');
  const [again, none, noTest, wrong, unset] = await Promise.all([
    runs('init', home),
    runs('targets', '--area', folder),
    runs('config', 'show', '--area', home, '--test', 'nothing'),
    runs('config', 'show', '--area', home, '--test', 'more'),
    runs('config', 'show', '--area', home, '--test', 'build'),
  ]);
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') });
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('runs init DIR') });
  expect(noTest).toMatchObject({ code: 2, stderr: expect.stringContaining('build, check, more') });
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toMatch(/more\/testconfig:8: unsupported expression: \(define x 1\)/);
  expect(unset.code).toBe(0);
  expect(unset.stderr).toMatch(
    /warning: .*build\/testconfig:\d+: #\{getenv IS_NOT_SET\} has no value/,
  );
});
