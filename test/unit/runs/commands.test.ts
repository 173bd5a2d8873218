import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Command, runCommand, runCommandNow } from '../../../src/runs/processes/commands.ts';
import { pidStartOf } from '../../../src/runs/processes/host.ts';
import { until } from '../../support/stack.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidelock-commands-'));
afterAll(() => rmSync(folder, { recursive: true }));

const plain = (command: string): Command => {
  return {
    command,
    cwd: folder,
    env: { PATH: '/usr/bin:/bin' },
    timeoutMs: 60_000,
    outputBytesMax: 1000,
  };
};

const isGone = (pid: number): boolean => pidStartOf(pid) === '';

describe.each([
  ['later', runCommand],
  ['now', async (command: Command) => runCommandNow(command)],
])('a command that is waited for, %s', (way, run) => {
  test('gives its output and exit code', async () => {
    const end = await run({ ...plain('pwd; echo "$1"; exit 3'), words: ['a b'] });
    expect(end).toEqual({ exitCode: 3, output: `${folder}\na b\n`, isTimedOut: false });
  });

  test('is killed when its time is over', async () => {
    const end = await run({ ...plain('sleep 1000'), timeoutMs: 100 });
    expect(end).toMatchObject({ isTimedOut: true, exitCode: 124 });
  });

  test('is killed when it prints without end, with all that it has started', async () => {
    const pids = join(folder, `pids-${way}`);
    const end = await run(plain(`sleep 1000 & echo $! $$ > ${pids}; yes`));
    expect(end).toMatchObject({ isTimedOut: false, exitCode: 124 });
    const all = readFileSync(pids, 'utf8').trim().split(' ').map(Number);
    expect(all).toHaveLength(2);
    await until('its processes are gone', () => all.every(isGone));
  });
});

test('output and errors go to a file where one is named', async () => {
  const output = join(folder, 'output');
  const end = await runCommand({ ...plain('echo a; echo b >&2'), output, withErrors: true });
  expect(end.output).toBe('');
  expect(readFileSync(output, 'utf8')).toBe('a\nb\n');
});

test('is ended by a signal, with all that it has started; after it nothing begins', async () => {
  const pids = join(folder, 'pids-signal');
  const ending = new AbortController();
  const { signal } = ending;
  const running = runCommand({ ...plain(`sleep 1000 & echo $! $$ > ${pids}; wait`), signal });
  await until('it runs', () => existsSync(pids) && readFileSync(pids, 'utf8').endsWith('\n'));
  ending.abort();
  expect(await running).toMatchObject({ isTimedOut: false, exitCode: 124 });
  const all = readFileSync(pids, 'utf8').trim().split(' ').map(Number);
  await until('its processes are gone', () => all.every(isGone));
  const late = await runCommand({ ...plain('echo late'), signal });
  expect(late).toEqual({ isTimedOut: false, exitCode: 124, output: '' });
});
