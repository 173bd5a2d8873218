/**
 * `tidelock demo` as a user starts it, with fewer places. The tests are one story in one folder: a first
 * start, and later ones that go on with what it left.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { DemoResult } from '../../src/bench/demo/demo.ts';
import { until } from '../support/stack.ts';

const RUN_MS_MAX = 90_000;
const PLACES = '5000';

type Run = {
  readonly child: ChildProcess;
  readonly out: { stdout: string; stderr: string };
  /** Exit code, or the signal. */
  readonly exit: Promise<number | NodeJS.Signals | null>;
};

let dir = '';
const runs: Run[] = [];

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tidelock-demo-'));
});

afterEach(async () => {
  for (const { child, exit } of runs.splice(0)) {
    if (child.exitCode === null) child.kill('SIGKILL');
    await exit;
  }
});

afterAll(async () => {
  await nothingIsLeft();
  rmSync(dir, { recursive: true, force: true });
});

function demo(...args: readonly string[]): Run {
  const common = ['demo', '--data', dir, '--port', '0', '--places', PLACES];
  const child = spawn(process.execPath, ['bin/tidelock', ...common, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    out.stdout += text;
  });
  child.stderr.on('data', (text) => {
    out.stderr += text;
  });
  const exit = once(child, 'close').then(([code, signal]) => code ?? signal);
  const run = { child, out, exit };
  runs.push(run);
  return run;
}

/** Waits until no process has the demo's folder in its command line. */
async function nothingIsLeft(): Promise<void> {
  if (!existsSync('/proc/self/cmdline')) return;
  await until('every process of the demo has ended', () => commandsNaming(dir).length === 0);
}

function commandsNaming(text: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== `${process.pid}`)
    .map(commandOf)
    .filter((command) => command.includes(text));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // it has ended meanwhile
  }
}

/** The lines of a feed up to the first `progress`. */
async function feedLines(url: string): Promise<readonly string[]> {
  const response = await fetch(`${url}&follow=0`);
  return (await response.text()).trimEnd().split('\n');
}

test('a first start loads places, meets its faults, passes, serves, and ends with code 0', async () => {
  const run = demo('--json');
  await until('the verdict is there', () => run.out.stdout.endsWith('\n'), RUN_MS_MAX);
  const result = JSON.parse(run.out.stdout) as DemoResult;

  expect(result.problems).toEqual([]);
  expect(result).toMatchObject({ verdict: 'PASS', lost: 0, places: { isNew: true } });
  expect(result.places.rows).toBeGreaterThan(4000);
  expect(result.transactions).toBe(510);
  expect(result.changes).toBeGreaterThan(1000);
  expect(result.opened.every(({ copiedBytes }) => copiedBytes > 0)).toBe(true);
  expect(result.replicas.map(({ selector }) => selector)).toEqual(['FR', 'DE', 'IT', 'JP']);
  expect(result.faults.map(({ planned }) => planned.fault)).toEqual([
    ...['cut-walsender', 'kill-receiver'],
  ]);
  const [cut, kill] = result.faults;
  expect(cut?.effects[0]).toMatch(/^walsender \d+ ended, \d+ has the slot after \d+ ms$/);
  expect(kill?.planned.target).toBe('IT');
  // Continued where its file stood, not copied anew.
  expect(kill?.effects).toEqual([
    expect.stringMatching(/^process \d+ is gone; it had told of 0\//),
    expect.stringMatching(/^life 2 resumed at 0\//),
  ]);
  const failed = result.properties.filter(({ verdict }) => verdict === 'fail');
  expect(failed).toEqual([]);
  for (const { isDigestEqual, comparison } of result.replicas) {
    expect({ isDigestEqual, differences: comparison.differences }).toEqual({
      ...{ isDigestEqual: true, differences: [] },
    });
  }
  expect(result.latency.p50).toBeGreaterThan(0);

  const lines = await feedLines(`${result.server}/v1/feed?selector=FR&since=${result.recent}`);
  expect(lines.some((line) => line.includes('"table":"public.city","selector":"FR"'))).toBe(true);

  const second = demo('--once');
  expect(await second.exit).toBe(1);
  expect(second.out.stderr).toContain('EMBEDDED_IN_USE: another demo is running here');
  expect(second.out.stderr).toContain('--data <dir>');

  run.child.kill('SIGINT');
  expect(await run.exit).toBe(0);
  await nothingIsLeft();
}, 120_000);

test('a second start goes on with what is there, and a row that was made wrong fails it', async () => {
  const run = demo('--once', '--plant', 'wrong-row');
  expect(await run.exit).toBe(1);
  const { stdout } = run.out;
  expect(stdout).toContain('from an earlier start');
  expect(stdout.match(/rows found, continued/g)).toHaveLength(4);
  expect(stdout).toMatch(
    /replica FR: 1 row differs from Postgres \(.*FR\.db\)\n +public\.city \["\d+"\]: /,
  );
  expect(stdout).toContain("replica FR: its digest differs from Postgres'");
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^FAIL {2}at 0\//);
  await nothingIsLeft();
}, 120_000);

test('a fault that did not happen is not exercised, and no pass', async () => {
  const run = demo('--once', '--json', '--plant', 'no-cut');
  expect(await run.exit).toBe(1);
  const { verdict, problems } = JSON.parse(run.out.stdout) as DemoResult;
  expect(verdict).toBe('FAIL');
  expect(problems).toContain('NOT EXERCISED: no effect of cut-walsender was seen');
}, 120_000);

test('Ctrl-C in the middle of the writing stops everything', async () => {
  const run = demo('--once');
  await until('it writes', () => run.out.stderr.includes('writing'), RUN_MS_MAX);
  run.child.kill('SIGINT');
  expect(await run.exit).toBe(130);
  expect(run.out.stderr).toContain('interrupted; everything is stopped');
  await nothingIsLeft();
}, 120_000);
