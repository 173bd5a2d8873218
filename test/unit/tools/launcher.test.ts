/** bin/tidelock in folders that look like a clone and like a published package. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const repository = join(import.meta.dirname, '../../..');

/** Arguments are printed, both experimental features used, and the exit code is the last argument. */
const MAIN = `
  import { DatabaseSync } from 'node:sqlite';
  new DatabaseSync(':memory:').close();
  const rest = process.argv.slice(2);
  console.log(JSON.stringify(rest));
  process.exitCode = Number(rest.at(-1));`;

function place(files: Readonly<Record<string, string>>): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'tidelock-launcher-')));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  cpSync(join(repository, 'bin/tidelock'), join(root, 'bin/tidelock'));
  for (const [path, text] of Object.entries({ 'package.json': '{"type":"module"}', ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

function launch(file: string, ...rest: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...rest], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test.each([
  ['a clone runs its sources', 'src/cli/main.ts', `type A = string;${MAIN}`],
  ['a published package runs its compiled form', 'dist/cli/main.js', MAIN],
])('%s, without warnings', (_, path, text) => {
  const root = place({ [path]: text });
  expect(launch(join(root, 'bin/tidelock'), 'a b', '3')).toEqual({
    status: 3,
    stdout: '["a b","3"]\n',
    stderr: '',
  });
});

test('other warnings stay visible', () => {
  const root = place({ 'src/cli/main.ts': "process.emitWarning('careful');" });
  expect(launch(join(root, 'bin/tidelock')).stderr).toContain('Warning: careful');
});

test('it is found through a link, as npm installs it', () => {
  const root = place({ 'dist/cli/main.js': MAIN });
  symlinkSync(join(root, 'bin/tidelock'), join(root, 'link'));
  expect(launch(join(root, 'link'), '0').status).toBe(0);
});

test('a missing dependency is named with the command that brings it', () => {
  const root = place({ 'src/cli/main.ts': "import 'not-installed';" });
  expect(launch(join(root, 'bin/tidelock'))).toEqual({
    status: 1,
    stdout: '',
    stderr: `tidelock: a dependency is missing (not-installed)\n  what to do: cd ${root} && npm ci\n`,
  });
});

test('an error of the command itself is shown as it is', () => {
  const root = place({ 'src/cli/main.ts': "throw new Error('broken');" });
  expect(launch(join(root, 'bin/tidelock'))).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('Error: broken'),
  });
});
