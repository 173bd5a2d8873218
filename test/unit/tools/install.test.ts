/** The install guard, run in a folder of its own with an npm that only pretends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';

const repository = join(import.meta.dirname, '../../..');

/** Counts its runs in `runs`, and makes what the guard looks for. */
const GOOD_NPM = `#!/bin/sh
echo "$@" >> runs
sleep 0.3
mkdir -p node_modules/node/bin && : > node_modules/node/bin/node`;

const BAD_NPM = `#!/bin/sh
echo "npm error network down" >&2
exit 7`;

const SLOW_NPM = `#!/bin/sh
echo "$@" >> runs
exec sleep 30`;

function project(npm: string): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'tidelock-install-')));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, 'bin'));
  cpSync(join(repository, 'tools/install.mjs'), join(root, 'tools/install.mjs'));
  writeFileSync(join(root, 'package-lock.json'), '{}');
  setNpm(root, npm);
  return root;
}

function setNpm(root: string, script: string): void {
  writeFileSync(join(root, 'bin/npm'), script);
  chmodSync(join(root, 'bin/npm'), 0o755);
}

function startGuard(root: string) {
  const PATH = `${join(root, 'bin')}${delimiter}/usr/bin${delimiter}/bin`;
  const guard = spawn(process.execPath, [join(root, 'tools/install.mjs')], { env: { PATH } });
  let said = '';
  guard.stderr.on('data', (text) => {
    said += text;
  });
  const ended = once(guard, 'close').then(([code]) => ({ code, said }));
  return { guard, ended };
}

const run = (root: string) => startGuard(root).ended;
const runsOf = (root: string) => readFileSync(join(root, 'runs'), 'utf8').trim().split('\n');

test('installs once, says so in one line, and then has nothing to do', async () => {
  const root = project(GOOD_NPM);
  expect(await run(root)).toEqual({
    code: 0,
    said: 'tidelock: installing dependencies (npm ci), about half a minute\n',
  });
  expect(await run(root)).toEqual({ code: 0, said: '' });
  expect(runsOf(root)).toEqual([expect.stringMatching(/^ci /)]);
});

test('a changed lock file, or a missing pinned Node, installs again', async () => {
  const root = project(GOOD_NPM);
  await run(root);
  writeFileSync(join(root, 'package-lock.json'), '{"a":1}');
  await run(root);
  rmSync(join(root, 'node_modules/node'), { recursive: true });
  await run(root);
  expect(runsOf(root)).toHaveLength(3);
});

test('of two at once, one installs and the other waits for it', async () => {
  const root = project(GOOD_NPM);
  const ends = await Promise.all([run(root), run(root)]);
  expect(ends.map(({ code }) => code)).toEqual([0, 0]);
  expect(runsOf(root)).toHaveLength(1);
  expect(existsSync(join(root, '.tidelock/install.lock'))).toBe(false);
});

test('the lock of a process that is gone holds nobody up', async () => {
  const root = project(GOOD_NPM);
  mkdirSync(join(root, '.tidelock'));
  writeFileSync(join(root, '.tidelock/install.lock'), `999999999 ${hostname()}`);
  expect((await run(root)).code).toBe(0);
  expect(runsOf(root)).toHaveLength(1);
});

test('a failure shows what npm said and what to do, and is tried again the next time', async () => {
  const root = project(BAD_NPM);
  const { code, said } = await run(root);
  expect(code).toBe(7);
  expect(said).toContain('npm error network down');
  expect(said).toContain(
    `what to do: check the network (npm ping) and the disk, then run: cd ${root}`,
  );
  setNpm(root, GOOD_NPM);
  expect((await run(root)).code).toBe(0);
});

test('scripts that are switched off leave no pinned Node, which is said', async () => {
  const { code, said } = await run(project('#!/bin/sh\nmkdir node_modules'));
  expect(code).toBe(1);
  expect(said).toContain('npm ci --ignore-scripts=false');
});

test('an interrupted install leaves no lock and no stamp', async () => {
  const root = project(SLOW_NPM);
  const { guard, ended } = startGuard(root);
  await vi.waitFor(() => expect(existsSync(join(root, 'runs'))).toBe(true));
  guard.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 130, said: expect.stringContaining('interrupted') });
  expect(existsSync(join(root, '.tidelock/install.lock'))).toBe(false);
  setNpm(root, GOOD_NPM);
  expect((await run(root)).code).toBe(0);
});
