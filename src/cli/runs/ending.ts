/** How a run ended: failures first, with what is needed to look at them and to run them again. */

import { compilePatterns } from '../../area/patterns.ts';
import type { RunRow, TestRow } from '../../planner/rows.ts';
import { knownFailures, type Quarantined } from '../../report/quarantine.ts';
import { execOf, gradeOf, isFailure, leavesOf } from '../../report/results.ts';
import { commandLine, shortPath } from '../options.ts';
import { type HomeFlags, homeWords } from './home.ts';

const LOG_LINES = 20;
/** More failures are named only. */
const SHOWN_MAX = 20;

const EXIT_GOOD = 0;
const EXIT_BAD = 1;
export const EXIT_INTERRUPTED = 3;

export type Ended = {
  readonly run: RunRow;
  readonly rows: readonly TestRow[];
  readonly ms: number;
  /** Where the area is, as it was named on the command line. */
  readonly home: HomeFlags;
  readonly quarantine: readonly Quarantined[];
  /** The end of a failure's log; null: there is none to be seen. */
  readonly tailOf: (row: TestRow) => string | null;
  /** How many executions have come to an end since the run was started. */
  readonly ran: number;
};

/** One line per test that has ended. */
export function finishedLine(row: TestRow): string {
  const { state, status, startedAt, endedAt, comment } = row;
  const ms = startedAt === null || endedAt === null ? null : endedAt - startedAt;
  const time = ms === null ? '' : `${(ms / 1000).toFixed(2)} s`;
  const words = [verdictWord({ state, status }).padEnd(9), time.padStart(9), execOf(row), comment];
  return visible(words.join('  ').trimEnd());
}

/** The state only where the status does not say it: PASS, PREQ_FAIL, KILLED, INCOMPLETE/DEAD. */
function verdictWord({ state, status }: Pick<TestRow, 'state' | 'status'>): string {
  const saysAll = ['COMPLETED', 'NOT_STARTED', status].includes(state) && status !== 'n/a';
  return saysAll ? status : `${state}/${status}`;
}

/** The last words of a run, failures first. */
export function endingText({ run, rows, ms, home, quarantine, tailOf, ran }: Ended): string {
  const leaves = leavesOf(rows);
  const failed = leaves.filter(isFailure);
  const isKnown = knownFailures(quarantine, { now: Date.now(), compile: compilePatterns });
  const told = shownFailures(rows).map((row) => failureText(row, isKnown(row), tailOf(row)));
  const more = failed.length - told.length;
  const words = ['--target', run.target, '--name', run.name, ...homeWords(home)];
  const again = commandLine('rerun', failed.length > 0 ? '--failed' : '--all', ...words);
  return [
    ...told,
    ...(more > 0 ? [`\nand ${more} more failed`] : []),
    `\n${summaryLine(leaves, { run, ms })}`,
    ...(ran === 0 ? ['nothing was run: all of it has a result already'] : []),
    ...(failed.length > 0 || ran === 0 ? [`run those again: ${again}`] : []),
  ].join('\n');
}

/** Those that are told in full. */
export function shownFailures(rows: readonly TestRow[]): readonly TestRow[] {
  return leavesOf(rows).filter(isFailure).slice(0, SHOWN_MAX);
}

function failureText(row: TestRow, known: Quarantined | null, tail: string | null): string {
  const lines = (tail ?? '').trimEnd().split('\n').slice(-LOG_LINES);
  return [
    `\n${row.state}/${row.status}  ${execOf(row)}`,
    ...(known === null ? [] : [`  known ${known.reason} (${known.owner}, until ${dayOf(known)})`]),
    ...(row.comment === '' ? [] : [`  why   ${visible(row.comment)}`]),
    ...(row.runDir === null ? [] : [`  path  ${shortPath(row.runDir)}`]),
    ...(lines.join('') === '' ? [] : [`  log   ${row.log}`]),
    ...(lines.join('') === '' ? [] : lines.map((line) => `  | ${visible(line)}`)),
  ].join('\n');
}

/** What a test prints must not move our cursor. */
export function visible(line: string): string {
  return line.replace(/\p{Cc}/gu, (char) => (char === '\t' ? '\t' : ''));
}

function summaryLine(leaves: readonly TestRow[], { run, ms }: Pick<Ended, 'run' | 'ms'>): string {
  const count = (grade: ReturnType<typeof gradeOf>): number =>
    leaves.filter((row) => gradeOf(row) === grade).length;
  const words = [
    `${count('good')} good`,
    `${count('bad') + count('broken')} failed`,
    `${count('skipped')} skipped or not started`,
    ...(count('open') > 0 ? [`${count('open')} open`] : []),
  ];
  return `${run.target} ${run.name}: ${words.join(', ')}, in ${(ms / 1000).toFixed(1)} s`;
}

const dayOf = ({ until }: Quarantined): string => new Date(until).toISOString().slice(0, 10);

/** Never started, and no failure elsewhere says why. */
const LEFT_OUT = new Set(['BLOCKED', 'TIMED_OUT', 'TEN_STRIKES']);

/** A failure in quarantine is shown and does not count. */
export function exitCodeOf(rows: readonly TestRow[], quarantine: readonly Quarantined[]): number {
  const isKnown = knownFailures(quarantine, { now: Date.now(), compile: compilePatterns });
  const isBad = (row: TestRow): boolean =>
    (isFailure(row) || LEFT_OUT.has(row.status)) && isKnown(row) === null;
  return leavesOf(rows).some(isBad) ? EXIT_BAD : EXIT_GOOD;
}
