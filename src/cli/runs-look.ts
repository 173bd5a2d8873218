/** `tidelock runs ls`, `show`, `log`, `path`: what is there, without changing any of it. */
import { createReadStream, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { compilePatterns, matches } from '../area/patterns.ts';
import { TidelockError } from '../core/errors.ts';
import { pairOf } from '../planner/rollup.ts';
import type { RunRow, TestRow } from '../planner/rows.ts';
import { isActive, isGood, isWaiting } from '../planner/states.ts';
import { csvOf } from '../report/csv.ts';
import { execOf, leavesOf } from '../report/results.ts';
import { findRun, type ReadRuns, resultsOf, runsOf } from '../runs/run-results.ts';
import { addHomeFlags, type HomeFlags } from './runs-home.ts';
import { JSON_OPTION, openSession } from './runs-session.ts';

type Flags = HomeFlags & {
  readonly target?: string;
  readonly name: string;
  readonly pattern?: string;
  readonly json?: true;
  readonly csv?: true;
  readonly follow?: true;
  readonly step?: string;
};

const LOOK_MS = 200;

export function register(runs: Command): void {
  addHomeFlags(runs.command('ls').description('runs of the area, oldest first'))
    .option('--target <target>', 'only of this target')
    .option('--csv', 'every execution of every run as CSV')
    .option(...JSON_OPTION)
    .action((flags: Flags) => reading(flags, (read) => list(read, flags)));
  naming(runs.command('show').description('results of a run; steps of what is not PASS'))
    .option('--pattern <pattern>', 'only these tests and items')
    .option('--csv', 'as CSV')
    .option(...JSON_OPTION)
    .action((flags: Flags) => reading(flags, (read) => show(read, flags)));
  naming(runs.command('log').description("a test's log"))
    .argument('<test>', 'TEST or TEST/ITEM')
    .option('--step <name>', 'of this step; default: the one shown first')
    .option('--follow', 'go on until the test has ended')
    .action((test: string, flags: Flags) => reading(flags, (read) => log(read, test, flags)));
  naming(runs.command('path').description('directories of tests, the newest run first'))
    .argument('<pattern>', 'tests and items')
    .action((pattern: string, flags: Flags) =>
      reading(flags, (read) => paths(read, pattern, flags)),
    );
}

function naming(command: Command): Command {
  return addHomeFlags(command)
    .option('--target <target>', 'of the run; needed when several targets have such a run')
    .option('--name <name>', 'of the run, or: last, last-good', 'last');
}

async function reading(flags: Flags, look: (read: ReadRuns) => Promise<void>): Promise<void> {
  const session = await openSession(flags);
  try {
    await look((query) => session.store.read(query));
  } finally {
    await session.close();
  }
}

async function list(read: ReadRuns, { target, json, csv }: Flags): Promise<void> {
  const runs = await runsOf(read, target);
  if (json === true) console.log(JSON.stringify(runs));
  else if (csv === true) {
    const all = [];
    for (const run of runs) all.push(await resultsOf(read, run));
    process.stdout.write(csvOf(all));
  } else for (const run of runs) console.log(runLine(run));
}

function runLine({ target, name, state, isLocked, counts, createdAt }: RunRow): string {
  const sum = (has: (pair: ReturnType<typeof pairOf>) => boolean): number =>
    Object.entries(counts).reduce((all, [key, n]) => (has(pairOf(key)) ? all + n : all), 0);
  const [good, running, waiting] = [sum(isGood), sum(isActive), sum(isWaiting)];
  const rest = sum(() => true) - good - running - waiting;
  const words = [`${good} good`, `${rest} not`, ...(running > 0 ? [`${running} running`] : [])];
  const time = new Date(createdAt).toISOString().slice(0, 19);
  const lock = isLocked ? ', locked' : '';
  return `${time}  ${state.padEnd(7)}  ${target}  ${name}  ${words.join(', ')}${lock}`;
}

async function show(read: ReadRuns, flags: Flags): Promise<void> {
  const run = await findRun(read, flags.name, flags.target);
  const results = await resultsOf(read, run);
  const patterns = compilePatterns(flags.pattern ?? '%');
  const tests = results.tests.filter((row) => matches(patterns, row.name, row.itemPath));
  if (flags.json === true) return console.log(JSON.stringify({ ...results, tests }));
  if (flags.csv === true) return void process.stdout.write(csvOf([{ ...results, tests }]));
  console.log(runLine(run));
  for (const row of leavesOf(tests)) {
    console.log(testLine(row));
    if (row.status === 'PASS') continue;
    for (const step of results.steps.filter(({ testId }) => testId === row.id)) {
      console.log(`    ${step.status.padEnd(8)} ${step.name}  ${step.comment}`.trimEnd());
    }
  }
}

/** test(item), state, status, seconds, when, where. */
function testLine(row: TestRow): string {
  const { name, itemPath, state, status, startedAt, endedAt, host, comment, isStale } = row;
  const test = itemPath === '' ? name : `${name}(${itemPath})`;
  const ms = startedAt === null || endedAt === null ? null : endedAt - startedAt;
  const time = startedAt === null ? '-' : new Date(startedAt).toISOString().slice(11, 19);
  const words = [test.padEnd(30), state.padEnd(11), status.padEnd(8)];
  const facts = [ms === null ? '-' : `${(ms / 1000).toFixed(1)} s`, time, host ?? '-'];
  const notes = [...(isStale ? ['STALE: its configuration has changed'] : []), comment];
  return [...words, ...facts, notes.filter((note) => note !== '').join('; ')].join('  ').trimEnd();
}

async function find(read: ReadRuns, test: string, { name, target }: Flags): Promise<TestRow> {
  const run = await findRun(read, name, target);
  const { tests = [] } = await read({ kind: 'tests', runId: run.id });
  const row = leavesOf(tests).find((one) => execOf(one) === test);
  if (row !== undefined) return row;
  const names = leavesOf(tests).map(execOf).slice(0, 20).join(', ');
  throw new TidelockError({
    code: 'RUN_NOT_FOUND',
    message: `run ${run.name} of ${run.target} has no ${test}`,
    hint: `it has: ${names}`,
  });
}

/** What is there, then what comes, a piece at a time: a log of any size takes the same memory. */
async function log(read: ReadRuns, test: string, flags: Flags): Promise<void> {
  let path: string | null = null;
  let at = 0;
  for (;;) {
    const row = await find(read, test, flags);
    path ??= await logPath(read, row, flags);
    if (path !== null) at = await copyFrom(path, at);
    const isOver = flags.follow !== true || (!isActive(row) && !isWaiting(row));
    if (isOver && path === null) throw noLog(test);
    if (isOver) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function logPath(read: ReadRuns, row: TestRow, { step }: Flags): Promise<string | null> {
  const { steps = [] } = await read({ kind: 'steps', testId: row.id });
  const named = step === undefined ? steps.at(-1) : steps.find(({ name }) => name === step);
  const file = step === undefined ? (row.log ?? named?.log) : named?.log;
  return row.runDir === null || file == null ? null : join(row.runDir, file);
}

async function copyFrom(path: string, start: number): Promise<number> {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= start) return start;
  const piece = createReadStream(path, { start, end: size - 1 });
  await pipeline(piece, process.stdout, { end: false });
  return size;
}

function noLog(test: string): TidelockError {
  return new TidelockError({
    code: 'RUN_NOT_FOUND',
    message: `${test} has no log`,
    hint: 'it has not started, or has no step of this name',
  });
}

async function paths(read: ReadRuns, pattern: string, flags: Flags): Promise<void> {
  const patterns = compilePatterns(pattern);
  const runs =
    flags.name === 'last'
      ? await runsOf(read, flags.target)
      : [await findRun(read, flags.name, flags.target)];
  for (const run of [...runs].reverse()) {
    const { tests = [] } = await read({ kind: 'tests', runId: run.id });
    for (const { name, itemPath, runDir } of leavesOf(tests)) {
      if (runDir !== null && matches(patterns, name, itemPath)) console.log(runDir);
    }
  }
}
