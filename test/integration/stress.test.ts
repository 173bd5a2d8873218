/** `tidelock stress one-way` as a user runs it: short runs, judged by what they left behind. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type {
  FaultEvent,
  ProcEvent,
  RunFile,
  VerdictFile,
} from '../../src/bench/stress/evidence.ts';
import { Command } from '../support/command.ts';
import { until } from '../support/stack.ts';

const RUN_MS_MAX = 150_000;

let dir = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tidelock-stress-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

type Result = { readonly run: RunFile; readonly verdict: VerdictFile };

function stress(...args: readonly string[]): Command {
  return new Command(['stress', 'one-way', '--out', join(dir, 'run'), ...args]);
}

async function exitOf(command: Command): Promise<number | string | null> {
  await until(`it ends: ${command.stderr}`, () => !command.isAlive, RUN_MS_MAX);
  return command.exit();
}

function lines<T>(name: string): readonly T[] {
  const text = readFileSync(join(dir, 'run', name), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

function runFile(): RunFile {
  return JSON.parse(readFileSync(join(dir, 'run', 'run.json'), 'utf8')) as RunFile;
}

/** What failed, with its witnesses: empty when it passes. */
function failures({ properties }: VerdictFile): readonly string[] {
  return properties
    .filter(({ verdict }) => verdict === 'fail')
    .flatMap(({ property, witness }) => [property, ...witness]);
}

function verdictOf({ properties }: VerdictFile, property: string): string | undefined {
  return properties.find((one) => one.property === property)?.verdict;
}

/** Processes of the run that still exist. */
function leftOver(): readonly number[] {
  return lines<ProcEvent>('proc.jsonl')
    .filter(({ kind }) => kind === 'start')
    .map(({ pid }) => pid)
    .filter(isAlive);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a run without faults passes, and leaves what it needs to be judged again', async () => {
  const command = stress('--duration', '4s', '--senders', '2', '--seed', '1', '--json');
  expect(await exitOf(command), command.stderr).toBe(0);
  const { run, verdict } = JSON.parse(command.stdout) as Result;
  expect(failures(verdict)).toEqual([]);
  expect(verdict.verdict).toBe('PASS');
  expect(run.end?.how).toBe('quiet');
  expect(run).toEqual(runFile());
  for (const property of ['P1', 'P3', 'P4', 'P5', 'P6', 'P8', 'P11', 'P17', 'P22']) {
    expect(`${property} ${verdictOf(verdict, property)}`).toBe(`${property} pass`);
  }
  // What was not done is not called passed.
  expect(verdictOf(verdict, 'P18')).toBe('not exercised');
  expect(leftOver()).toEqual([]);
  expect(existsSync(join(dir, 'run', 'report.html'))).toBe(true);
  const again = new Command(['stress', 'check', join(dir, 'run'), '--json']);
  expect(await exitOf(again), again.stderr).toBe(0);
  expect(JSON.parse(again.stdout)).toEqual(verdict);
}, 200_000);

test('P18, P19: kills of Postgres, server and receiver, and a new copy, are seen and survived', async () => {
  const faults = 'kill-server,kill-postgres,kill-receiver,forget-receiver';
  const command = stress(
    ...['--duration', '14s', '--senders', '2', '--seed', '5', '--faults', faults, '--json'],
  );
  expect(await exitOf(command), command.stderr).toBe(0);
  const { verdict } = JSON.parse(command.stdout) as Result;
  expect(failures(verdict)).toEqual([]);
  const unseen = verdict.faults.filter(({ effects }) => effects === 0);
  expect(unseen).toEqual([]);
  expect(verdict.faults.map(({ fault }) => fault).sort()).toEqual(faults.split(',').sort());
  expect(verdictOf(verdict, 'P18')).toBe('pass');
  expect(verdictOf(verdict, 'P19')).toBe('pass');
  const events = lines<FaultEvent>('fault.jsonl');
  const ends = events.filter((event) => event.kind === 'end');
  expect(ends.map(({ ok }) => ok)).toEqual(ends.map(() => true));
  const gone = events.flatMap((event) => (event.kind === 'effect' ? [event.effect] : []));
  expect(gone.some((effect) => /^postmaster \d+ is gone/.test(effect))).toBe(true);
  expect(gone.some((effect) => /^server \d+ is gone/.test(effect))).toBe(true);
  expect(gone.some((effect) => /^life 2 resumed at/.test(effect))).toBe(true);
  expect(leftOver()).toEqual([]);
}, 200_000);

test('Ctrl-C ends a run at once, and keeps the evidence', async () => {
  const command = stress('--duration', '10m', '--senders', '1', '--seed', '1', '--cleanup');
  const ops = join(dir, 'run', 'op.jsonl');
  await until(
    `something is committed: ${command.stderr}`,
    () => existsSync(ops) && readFileSync(ops, 'utf8').includes('"kind":"ok","tx":"sender-1/'),
    RUN_MS_MAX,
  );
  expect(await command.kill('SIGINT')).toBe(130);
  expect(command.stdout).toContain('interrupted; the evidence so far is in');
  expect(runFile().end?.how).toBe('interrupted');
  expect(leftOver()).toEqual([]);
  // Asked for: databases go, evidence stays.
  expect(existsSync(join(dir, 'run', 'postgres'))).toBe(false);
  expect(existsSync(ops)).toBe(true);
}, 200_000);

test("on somebody else's stack only the faults that need no process of it are performed", async () => {
  const serve = new Command([
    ...['serve', '--embedded', join(dir, 'own'), '--port', '0', '--json'],
  ]);
  await until(`it serves: ${serve.stderr}`, () => serve.stdout.includes('\n'), RUN_MS_MAX);
  const { url, postgres } = JSON.parse(serve.stdout) as { url: string; postgres: string };
  const command = stress(
    ...['--postgres', postgres, '--server', url, '--duration', '8s', '--seed', '3', '--json'],
    ...['--faults', 'kill-server,cut-walsender', '--cleanup'],
  );
  expect(await exitOf(command), command.stderr).toBe(0);
  const { verdict } = JSON.parse(command.stdout) as Result;
  expect(failures(verdict)).toEqual([]);
  const effects = new Map(verdict.faults.map(({ fault, effects }) => [fault, effects]));
  expect(effects.get('kill-server')).toBe(0);
  expect(effects.get('cut-walsender')).toBeGreaterThan(0);
  const reasons = lines<FaultEvent>('fault.jsonl').flatMap((event) =>
    event.kind === 'start' ? [event.parameters.why] : [],
  );
  expect(reasons).toContain('the server of --server is not ours');
  expect(await serve.kill('SIGTERM')).toBe(0);
}, 200_000);

test.each([
  [['--faults', 'kill-cat'], 'kill-postgres'],
  [['--duration', 'long'], '90s, 5m'],
  [['--senders', '0'], 'from 1 to 100'],
  [['--postgres', 'postgres://localhost/x'], '--postgres and --server belong together'],
  [['--protocol', 'smoke'], 'native, transicator'],
])('%j is refused with what would be right', async (args, told) => {
  const command = stress(...args);
  expect(await exitOf(command)).toBe(2);
  expect(command.stderr).toContain(told);
  expect(existsSync(join(dir, 'run'))).toBe(false);
});
