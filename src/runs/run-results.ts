/** Runs as reports read them, through the database itself or its server. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { TidelockError } from '../core/errors.ts';
import type { RunRow, TestRow } from '../planner/rows.ts';
import type { RunQuery, RunQueryResult } from '../planner/run-store.ts';
import { BAND_RESULTS, type Band, bandOf, type Compared, compareRuns } from '../report/compare.ts';
import { csvOf } from '../report/csv.ts';
import { htmlOf } from '../report/html.ts';
import { junitOf } from '../report/junit.ts';
import {
  execOf,
  isFailure,
  isGoodRun,
  leavesOf,
  patternOfName,
  type RunResults,
} from '../report/results.ts';

export type ReadRuns = (query: RunQuery) => RunQueryResult | Promise<RunQueryResult>;

export const REPORT_FORMATS = ['junit', 'json', 'csv', 'html'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** How much of a log a report quotes. */
export const TAIL_BYTES = 8 * 1024;
const GOOD_TAIL_BYTES = 1024;
/** Of a control sequence of a terminal: colours, cursor (ECMA-48, 5.4). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is about them
const CONTROL_SEQUENCE = /\u001b\[[0-?]*[ -/]*[@-~]/g;

/** Runs that are not removed, oldest first; of one target when it is named. */
export async function runsOf(read: ReadRuns, target?: string): Promise<readonly RunRow[]> {
  const { runs = [] } = await read({ kind: 'runs' });
  return runs
    .filter((run) => run.state !== 'removed' && (target === undefined || run.target === target))
    .sort((a, b) => a.createdAt - b.createdAt || a.id - b.id);
}

/**
 * A run by its name, `last`, or `last-good` (the last one that ended without a failure); of those two, one from
 * before the run `than` when it is given.
 * Throws `RUN_NOT_FOUND`, and `BAD_REQUEST` for a name that several targets have.
 */
export async function findRun(
  read: ReadRuns,
  name: string,
  target?: string,
  than?: RunRow,
): Promise<RunRow> {
  const runs = await runsOf(read, target);
  const of = target === undefined ? '' : ` of target ${target}`;
  const found = runs.filter((run) => run.name === name);
  if (found.length > 1) throw ambiguous(name, found);
  const end = runs.findIndex(({ id }) => id === than?.id);
  const earlier = end < 0 ? runs : runs.slice(0, end);
  const run = found[0] ?? specialRun(name, earlier);
  if (run !== undefined) return run;
  throw notThere(name, of, than);
}

function notThere(name: string, of: string, than: RunRow | undefined): TidelockError {
  const isSpecial = name === 'last' || name === 'last-good';
  const before = than === undefined || !isSpecial ? '' : ` before ${than.name}`;
  const good = name === 'last-good' ? ' that ended without a failure' : '';
  return new TidelockError({
    code: 'RUN_NOT_FOUND',
    message: `there is no run${isSpecial ? '' : ` ${name}`}${of}${before}${good}`,
    hint: `${name === 'last' ? 'start one: tidelock runs run; ' : ''}list them with: tidelock runs ls`,
  });
}

function specialRun(name: string, runs: readonly RunRow[]): RunRow | undefined {
  if (name === 'last') return runs.at(-1);
  if (name !== 'last-good') return undefined;
  return runs.findLast(isGoodRun);
}

/** More executions are named by their tests, so many tests by none. */
const NAMES_MAX = 500;

/** A pattern for exactly what a run has; null: for all. */
export function patternOfRows(rows: readonly TestRow[]): string | null {
  const withItems = new Set(rows.filter(({ itemPath }) => itemPath !== '').map(({ name }) => name));
  const execs = rows.filter(({ name, itemPath }) => itemPath !== '' || !withItems.has(name));
  for (const names of [execs.map(execOf), rows.map(({ name }) => name)]) {
    const all = new Set(names.map(patternOfName));
    if (all.size > 0 && all.size <= NAMES_MAX) return [...all].join(',');
  }
  return null;
}

function ambiguous(name: string, runs: readonly RunRow[]): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `several targets have a run ${name}: ${runs.map(({ target }) => target).join(', ')}`,
    hint: 'say which one with --target',
  });
}

/** Two runs compared; what is slower only when its history does not make it usual. */
export async function comparedRuns(
  read: ReadRuns,
  was: RunRow,
  now: RunRow,
): Promise<readonly Compared[]> {
  const [before, after] = [await testsOf(read, was), await testsOf(read, now)];
  const slower = new Set(
    compareRuns(before, after).flatMap(({ difference, exec }) =>
      difference === 'slower' ? [exec] : [],
    ),
  );
  const bands = new Map<string, Band>();
  for (const row of leavesOf(after).filter((one) => slower.has(execOf(one)))) {
    const { name, itemPath } = row;
    const question = { kind: 'history' as const, name, itemPath, target: now.target };
    const band = bandOf((await read({ ...question, limit: BAND_RESULTS })).tests ?? [], row);
    if (band !== null) bands.set(execOf(row), band);
  }
  return compareRuns(before, after, bands);
}

async function testsOf(read: ReadRuns, { id: runId }: RunRow): Promise<readonly TestRow[]> {
  return (await read({ kind: 'tests', runId })).tests ?? [];
}

/** A run with everything that reports show of it. */
export async function resultsOf(read: ReadRuns, run: RunRow): Promise<RunResults> {
  const { tests = [] } = await read({ kind: 'tests', runId: run.id });
  const [steps, data] = [[], []] as [RunResults['steps'][number][], RunResults['data'][number][]];
  for (const { id: testId, isToplevel } of tests) {
    if (isToplevel) continue;
    steps.push(...((await read({ kind: 'steps', testId })).steps ?? []));
    data.push(...((await read({ kind: 'data', testId })).data ?? []));
  }
  return { run, tests, steps, data };
}

/** The text of a report. `fields`: names of the target's parts. */
export function reportText(
  results: RunResults,
  format: ReportFormat,
  fields: readonly string[],
): string {
  if (format === 'json') return `${JSON.stringify(results, null, 2)}\n`;
  return reportsText([results], format, fields);
}

/** Of several runs; as JSON an array. */
export function reportsText(
  all: readonly RunResults[],
  format: ReportFormat,
  fields: readonly string[],
): string {
  switch (format) {
    case 'junit':
      return junitOf(all, { fields, tail: anyTail });
    case 'html':
      return htmlOf(all, { tail: failureTail });
    case 'csv':
      return csvOf(all);
    case 'json':
      return `${JSON.stringify(all, null, 2)}\n`;
  }
}

const failureTail = (test: TestRow): string | null => (isFailure(test) ? logTail(test) : null);

/** Little of what is good: a run may have very many of these. */
const anyTail = (test: TestRow): string | null =>
  isFailure(test) ? logTail(test) : logTail(test, GOOD_TAIL_BYTES);

/** The last lines of an execution's log, without colours; null when there is none on this host. */
export function logTail(
  { runDir, log }: Pick<TestRow, 'runDir' | 'log'>,
  bytesMax = TAIL_BYTES,
): string | null {
  if (runDir === null || log === null) return null;
  try {
    return tailOf(join(runDir, log), bytesMax);
  } catch {
    return null;
  }
}

function tailOf(path: string, bytesMax: number): string {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const start = Math.max(0, size - bytesMax);
    const bytes = Buffer.alloc(Math.min(size, bytesMax));
    const count = readSync(file, bytes, 0, bytes.length, start);
    return tailText(bytes.subarray(0, count), start > 0);
  } finally {
    closeSync(file);
  }
}

/** The end of a log as text without colours. A first line that is cut, perhaps inside of a character, says nothing. */
export function tailText(bytes: Uint8Array, isCut: boolean): string {
  const text = Buffer.from(bytes).toString('utf8').replace(CONTROL_SEQUENCE, '');
  return isCut ? text.slice(text.indexOf('\n') + 1) : text;
}
