/** `tidelock runs log`, `path`: the files of tests, without changing any of them. */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { compilePatterns, matches } from '../../area/patterns.ts';
import { TidelockError } from '../../core/errors.ts';
import type { RunRow, TestRow } from '../../planner/rows.ts';
import { isActive, isWaiting } from '../../planner/states.ts';
import { execOf, leavesOf } from '../../report/results.ts';
import { findRun, type ReadRuns, runsOf } from '../../runs/run-results.ts';
import { addHomeFlags, type HomeFlags } from './home.ts';
import { type CopyLog, logCopier } from './log.ts';
import { JSON_OPTION, openLook, type Session } from './session.ts';

type Flags = HomeFlags & {
  readonly target?: string;
  readonly name: string;
  readonly follow?: true;
  readonly step?: string;
  readonly files?: string;
  readonly json?: true;
};

const LOOK_MS = 200;

export function register(runs: Command): void {
  naming(runs.command('log').description("a test's log"))
    .argument('<test>', 'TEST or TEST/ITEM')
    .option('--step <name>', 'of this step; default: the one shown first')
    .option('--follow', 'go on until the test has ended')
    .action((test: string, flags: Flags) =>
      reading(flags, (read, session) => log({ read, copy: logCopier(session) }, test, flags)),
    );
  naming(runs.command('path').description('directories of tests, the newest run first'))
    .argument('[pattern]', 'tests and items', '%')
    .option('--files <glob>', 'files in them: "*.csv", "**/core"')
    .option(...JSON_OPTION)
    .action((pattern: string, flags: Flags) =>
      reading(flags, (read) => paths(read, pattern, flags)),
    );
}

export function naming(command: Command): Command {
  return addHomeFlags(command)
    .option('--target <target>', 'of the run; needed when several targets have such a run')
    .option('--name <name>', 'of the run, or: last, last-good', 'last');
}

export async function reading(
  flags: HomeFlags,
  look: (read: ReadRuns, session: Session) => Promise<void>,
): Promise<void> {
  const session = await openLook(flags);
  try {
    await look((query) => session.store.read(query), session);
  } finally {
    await session.close();
  }
}

async function find(read: ReadRuns, test: string, { name, target }: Flags): Promise<TestRow> {
  const run = await findRun(read, name, target);
  const { tests = [] } = await read({ kind: 'tests', runId: run.id });
  const row = leavesOf(tests).find((one) => execOf(one) === test);
  if (row !== undefined) return row;
  const names = leavesOf(tests).map(execOf).slice(0, 20).join(', ') || 'nothing';
  throw new TidelockError({
    code: 'RUN_NOT_FOUND',
    message: `run ${run.name} of ${run.target} has no ${test}`,
    hint: `it has: ${names}`,
  });
}

type LogReading = { readonly read: ReadRuns; readonly copy: CopyLog };

/** What is there, then what comes, a piece at a time: a log of any size takes the same memory. */
async function log({ read, copy }: LogReading, test: string, flags: Flags): Promise<void> {
  let file: string | null = null;
  let at = 0;
  for (;;) {
    const row = await find(read, test, flags);
    file ??= await logFile(read, row, flags);
    if (file !== null) at = await copy(row, file, at);
    const isOver = flags.follow !== true || (!isActive(row) && !isWaiting(row));
    if (isOver && file === null) throw noLog(test);
    if (isOver) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** In the work area. */
async function logFile(read: ReadRuns, row: TestRow, { step }: Flags): Promise<string | null> {
  const { steps = [] } = await read({ kind: 'steps', testId: row.id });
  const named = step === undefined ? steps.at(-1) : steps.find(({ name }) => name === step);
  const file = step === undefined ? (row.log ?? named?.log) : named?.log;
  return row.runDir === null ? null : (file ?? null);
}

function noLog(test: string): TidelockError {
  return new TidelockError({
    code: 'RUN_NOT_FOUND',
    message: `${test} has no log`,
    hint: 'it has not started, or has no step of this name',
  });
}

type Found = { readonly target: string; readonly run: string; readonly test: string; path: string };

async function paths(read: ReadRuns, pattern: string, flags: Flags): Promise<void> {
  const found: Found[] = [];
  for (const [at, run] of (await newestFirst(read, flags)).entries()) {
    const { tests = [] } = await read({ kind: 'tests', runId: run.id });
    const dirs = dirsOf(tests, pattern);
    for (const { exec, dir } of dirs)
      for (const path of flags.files === undefined ? [dir] : filesIn(dir, flags.files))
        found.push({ target: run.target, run: run.name, test: exec, path });
    if (at + 1 >= RUNS_MAX) break;
  }
  if (flags.json === true) return console.log(JSON.stringify(found));
  for (const { path } of found) console.log(path);
  if (found.length === 0) throw nothingThere(pattern, flags.files);
}

/** Older runs are not looked at: name one. */
const RUNS_MAX = 1000;

async function newestFirst(read: ReadRuns, { name, target }: Flags): Promise<readonly RunRow[]> {
  if (name !== 'last') return [await findRun(read, name, target)];
  return [...(await runsOf(read, target))].reverse();
}

function dirsOf(
  tests: readonly TestRow[],
  pattern: string,
): readonly { readonly exec: string; readonly dir: string }[] {
  const patterns = compilePatterns(pattern);
  return leavesOf(tests).flatMap((row) =>
    row.runDir !== null && matches(patterns, row.name, row.itemPath)
      ? [{ exec: execOf(row), dir: row.runDir }]
      : [],
  );
}

const filesIn = (cwd: string, glob: string): readonly string[] =>
  globSync(glob, { cwd })
    .map((name) => join(cwd, name))
    .sort();

function nothingThere(pattern: string, files: string | undefined): TidelockError {
  return new TidelockError({
    code: 'RUN_NOT_FOUND',
    message: `no directory of ${pattern}${files === undefined ? '' : ` has ${files}`}`,
    hint: 'see what there is: tidelock runs show',
  });
}
