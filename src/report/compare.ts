/** Two runs side by side: what got worse, what got better, what is new, gone or slower. */
import type { TestRow } from '../planner/rows.ts';
import { durationOf, execOf, gradeOf, isFailure, leavesOf, verdictOf } from './results.ts';

/** Slower than so many times before is told... */
const SLOWER_TIMES = 1.5;
/** ...when it is also more than this: short tests differ by chance. */
const NOISE_MS = 1000;

export type Difference =
  | 'newly failing'
  | 'still failing'
  | 'fixed'
  | 'slower'
  | 'other verdict'
  | 'new'
  | 'missing';

export type Compared = {
  readonly exec: string;
  readonly difference: Difference;
  /** Verdicts and durations; null where the run has no such execution. */
  readonly before: Side | null;
  readonly after: Side | null;
};

export type Side = { readonly verdict: string; readonly durationMs: number | null };

/** Worst first; the order of a comparison's lines. */
export const DIFFERENCES: readonly Difference[] = [
  ...(['newly failing', 'still failing', 'missing', 'other verdict'] as const),
  ...(['slower', 'new', 'fixed'] as const),
];

/** Executions that differ, worst first, then by name. Equal ones are left out. */
export function compareRuns(before: readonly TestRow[], after: readonly TestRow[]): Compared[] {
  const [old, now] = [byExec(before), byExec(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  const compared = names.flatMap((exec) => {
    const [was, is] = [old.get(exec), now.get(exec)];
    const difference = differenceOf(was, is);
    return difference === null
      ? []
      : [{ exec, difference, before: sideOf(was), after: sideOf(is) }];
  });
  return DIFFERENCES.flatMap((kind) => compared.filter(({ difference }) => difference === kind));
}

function differenceOf(was: TestRow | undefined, is: TestRow | undefined): Difference | null {
  if (is === undefined) return was === undefined ? null : 'missing';
  if (was === undefined) return isFailure(is) ? 'newly failing' : 'new';
  if (isFailure(is)) return isFailure(was) ? 'still failing' : 'newly failing';
  if (isFailure(was)) return gradeOf(is) === 'good' ? 'fixed' : 'other verdict';
  if (verdictOf(was) !== verdictOf(is)) return 'other verdict';
  return isSlower(was, is) ? 'slower' : null;
}

function isSlower(was: TestRow, is: TestRow): boolean {
  const [before, after] = [durationOf(was), durationOf(is)];
  if (before === null || after === null) return false;
  return after > before * SLOWER_TIMES && after - before > NOISE_MS;
}

const sideOf = (row: TestRow | undefined): Side | null =>
  row === undefined ? null : { verdict: verdictOf(row), durationMs: durationOf(row) };

const byExec = (tests: readonly TestRow[]): Map<string, TestRow> =>
  new Map(leavesOf(tests).map((row) => [execOf(row), row]));
