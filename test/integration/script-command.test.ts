/** `tidelock script` as a user runs it: what it prints, and its exit codes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Command } from '../support/command.ts';

const SCRIPT = `#: world=timestamps

frontiers
a since=10 upper=20
----

oracle time=15
----

determine isolation=strict
----
14
`;

function script(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-script-test-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'a.test');
  writeFileSync(file, SCRIPT);
  return file;
}

const run = async (args: readonly string[], environment: Record<string, string> = {}) => {
  const command = new Command(['script', ...args], { CI: '', ...environment });
  const code = await command.exit();
  return { code, stdout: command.stdout, stderr: command.stderr };
};

test('a difference is exit code 1, shown with file and line; a rewrite mends it', async () => {
  const file = script();
  const before = await run([file]);
  expect(before.code).toBe(1);
  expect(before.stdout).toContain(`${file}:10:1: determine shows something else`);
  expect(before.stdout).toContain('-14\n+15\n');
  const rewrite = await run([file, '--rewrite']);
  expect(rewrite).toMatchObject({ code: 0, stderr: '' });
  expect(rewrite.stdout).toContain('-14\n+15\n');
  expect(readFileSync(file, 'utf8')).toBe(SCRIPT.replace('14', '15'));
  const after = await run([file, '--json']);
  expect(after.code).toBe(0);
  expect(JSON.parse(after.stdout)).toMatchObject({ file, cases: 3, verdict: 'ok' });
});

test('through a line only the cases up to it are run', async () => {
  const file = script();
  const { code, stdout } = await run([`${file}:7`]);
  expect(code).toBe(0);
  expect(stdout).toContain('2 of 3 cases, 1 not run');
});

test('a rewrite is refused in CI, and a script that is not there is wrong usage', async () => {
  const file = script();
  const refused = await run([file, '--rewrite'], { CI: 'true' });
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('refused in CI');
  expect(readFileSync(file, 'utf8')).toBe(SCRIPT);
  expect(await run(['nowhere.test'])).toMatchObject({ code: 2, stdout: '' });
});
