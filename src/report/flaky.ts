/**
 * Which tests change their mind: the verdict switched at least once within the last runs.
 *
 * Attempts within one run are not counted; runs in which the test gave no verdict (skipped, not started, still
 * running) are left out.
 */
import type { TestRow } from '../planner/rows.ts';
import { execOf, gradeOf, leavesOf } from './results.ts';

/** How many runs back, unless told. */
export const RUNS_DEFAULT = 30;
const RUNS_MAX = 100;

export type Flaky = {
  readonly exec: string;
  /** Oldest first: '+' good, '-' bad or broken. */
  readonly strip: string;
  readonly switches: number;
  /** Switches of all possible ones, 0 to 1. */
  readonly share: number;
};

/** `runs`: the tests of each run of one target, oldest first. Most switching first, then by name. */
export function flakyTests(runs: readonly (readonly TestRow[])[], last = RUNS_DEFAULT): Flaky[] {
  return [...stripsOf(runs.slice(-Math.min(last, RUNS_MAX)))]
    .map(([exec, strip]) => rate(exec, strip))
    .filter(({ switches }) => switches > 0)
    .sort((a, b) => b.share - a.share || (a.exec < b.exec ? -1 : 1));
}

/** Of one execution, the oldest result first. */
export function flipsOf(rows: readonly TestRow[]): Flaky {
  const marks = rows.flatMap((row) => markOf(row) ?? []);
  return rate(rows[0] === undefined ? '' : execOf(rows[0]), marks.join(''));
}

/** The verdicts of every execution over runs, oldest first, as `Flaky` has them. */
function stripsOf(runs: readonly (readonly TestRow[])[]): Map<string, string> {
  const strips = new Map<string, string>();
  for (const tests of runs)
    for (const row of leavesOf(tests)) {
      const mark = markOf(row);
      if (mark !== null) strips.set(execOf(row), (strips.get(execOf(row)) ?? '') + mark);
    }
  return strips;
}

function markOf(row: TestRow): '+' | '-' | null {
  const grade = gradeOf(row);
  if (grade === 'good') return '+';
  return grade === 'bad' || grade === 'broken' ? '-' : null;
}

function rate(exec: string, strip: string): Flaky {
  const switches = [...strip].filter((mark, n) => n > 0 && mark !== strip[n - 1]).length;
  return { exec, strip, switches, share: strip.length < 2 ? 0 : switches / (strip.length - 1) };
}
