/** How a run ended: failures first, with what is needed to look at them and to run them again. */
import type { RunRow, TestRow } from '../planner/rows.ts';
import type { Quarantined } from '../report/quarantine.ts';
import { execOf, gradeOf, isFailure, leavesOf } from '../report/results.ts';
import { knownFailures } from '../runs/quarantine.ts';
import { logTail } from '../runs/run-results.ts';
import { commandLine, shortPath } from './options.ts';

const LOG_LINES = 20;
/** More failures are named only. */
const SHOWN_MAX = 20;

const EXIT_GOOD = 0;
const EXIT_BAD = 1;
export const EXIT_INTERRUPTED = 3;
export const EXIT_INTERNAL = 4;

export type Ended = {
  readonly run: RunRow;
  readonly rows: readonly TestRow[];
  readonly ms: number;
  /** As it was named on the command line. */
  readonly area: string | undefined;
  readonly quarantine: readonly Quarantined[];
};

/** One line per test that has ended. */
export function finishedLine(row: TestRow): string {
  const { state, status, startedAt, endedAt, comment } = row;
  const ms = startedAt === null || endedAt === null ? null : endedAt - startedAt;
  const time = ms === null ? '' : `${(ms / 1000).toFixed(2)} s`;
  const verdict = state === 'COMPLETED' ? status : `${state}/${status}`;
  return [verdict.padEnd(8), time.padStart(9), execOf(row), comment].join('  ').trimEnd();
}

export function printEnding({ run, rows, ms, area, quarantine }: Ended): void {
  const leaves = leavesOf(rows);
  const failed = leaves.filter(isFailure);
  const isKnown = knownFailures(quarantine, Date.now());
  for (const row of failed.slice(0, SHOWN_MAX)) printFailure(row, isKnown(row));
  if (failed.length > SHOWN_MAX) {
    console.log(`\nand ${failed.length - SHOWN_MAX} more failed`);
  }
  console.log(`\n${summaryLine(leaves, { run, ms })}`);
  if (failed.length === 0) return;
  const where = area === undefined ? [] : ['--area', area];
  const words = ['--failed', '--target', run.target, '--name', run.name, ...where];
  console.log(`run those again: ${commandLine('rerun', ...words)}`);
}

function printFailure(row: TestRow, known: Quarantined | null): void {
  console.log(`\n${row.state}/${row.status}  ${execOf(row)}`);
  if (known !== null)
    console.log(`  known ${known.reason} (${known.owner}, until ${dayOf(known)})`);
  if (row.comment !== '') console.log(`  why   ${row.comment}`);
  if (row.runDir !== null) console.log(`  path  ${shortPath(row.runDir)}`);
  const lines = (logTail(row) ?? '').trimEnd().split('\n').slice(-LOG_LINES);
  if (lines.join('') === '') return;
  console.log(`  log   ${row.log}`);
  for (const line of lines) console.log(`  | ${visible(line)}`);
}

/** What a test prints must not move our cursor. */
function visible(line: string): string {
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

/** A failure in quarantine is shown and does not count. */
export function exitCodeOf(rows: readonly TestRow[], quarantine: readonly Quarantined[]): number {
  const isKnown = knownFailures(quarantine, Date.now());
  const isBad = (row: TestRow): boolean => isFailure(row) && isKnown(row) === null;
  return leavesOf(rows).some(isBad) ? EXIT_BAD : EXIT_GOOD;
}
