/** A step of the checks that is killed leaves nobody behind and says what it was at. */
import { spawn } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { readStat } from '../../../src/runs/processes/process-group.ts';
import { until } from '../../support/stack.ts';

type Tree = { readonly endTree: (pid: number) => number };
type Running = { readonly runningTests: (file: string) => readonly string[] };

const repository = join(import.meta.dirname, '../../..');
const tool = (name: string): string => join(repository, 'tools', name);
// The casts trust the files' own words: they have no types.
const { endTree } = (await import(pathToFileURL(tool('process-tree.mjs')).href)) as Tree;
const { runningTests } = (await import(pathToFileURL(tool('running-tests.mjs')).href)) as Running;

/** Of what starts a vitest of its own. */
const LONG_MS = 60_000;

/** A zombie is dead, whoever has not taken note of it yet. */
function isAlive(pid: number): boolean {
  const stat = readStat(pid);
  return stat !== null && stat.state !== 'Z';
}

test('those that were started are ended too, also in groups of their own and behind the dead', async () => {
  // The innermost one is nobody's child any more: it is known by the group of its parent's parent.
  const orphan = '(sleep 60 & echo $!) &';
  const command = `setsid sh -c '${orphan} sleep 60 & echo $!; wait' & sleep 60 & echo $!; wait`;
  const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'ignore'] });
  const pids: number[] = [child.pid ?? 0];
  createInterface(child.stdout).on('line', (line) => pids.push(Number(line)));
  await until('all have started', () => pids.length === 4);
  expect(endTree(child.pid ?? 0)).toBeGreaterThanOrEqual(4);
  await until('none is left', () => !pids.some(isAlive));
  expect(isAlive(process.pid)).toBe(true);
});

function folder(): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'tidelock-check-')));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('the tests that were running when a step was killed are known', {
  timeout: LONG_MS,
}, async () => {
  const dir = folder();
  const notes = join(dir, 'notes');
  // A test that ends at once is told as ended only; this one is to be seen while it runs, and is gone from the notes then.
  const pause = '() => new Promise((done) => setTimeout(done, 100))';
  const waits = "test('waits for ever', () => new Promise(() => {}), 1e9);";
  writeFileSync(join(dir, 'some.test.js'), `test('ends', ${pause}); ${waits}`);
  const vitest = join(repository, 'node_modules/vitest/vitest.mjs');
  const options = ['run', '--globals', '--root', dir, '--reporter', tool('running-tests.mjs')];
  const child = spawn(process.execPath, [vitest, ...options], {
    env: { ...process.env, TIDELOCK_RUNNING: notes },
    stdio: 'ignore',
  });
  onTestFinished(() => void endTree(child.pid ?? 0));
  const wanted = 'some.test.js > waits for ever';
  await until('the test runs', () => String(runningTests(notes)) === wanted, LONG_MS / 2);
});

test('of one that could not say that it began, the file is known and what was before it', () => {
  const notes = join(folder(), 'notes');
  expect(runningTests(notes)).toEqual([]);
  const lines = ['+a.js\t', '+a.js\tone', '-a.js\tone', '+b.js\t', '+c.js\t', '-c.js\t', ''];
  writeFileSync(notes, lines.join('\n'));
  expect(runningTests(notes)).toEqual(['a.js, after one', 'b.js']);
});
