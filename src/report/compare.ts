/** Two runs side by side: what got worse, what got better, what is new, gone or slower. */
import type { TestRow } from '../planner/rows.ts';
import { durationOf, execOf, gradeOf, isFailure, leavesOf, verdictOf } from './results.ts';

/** Slower than so many times before is told... */
const SLOWER_TIMES = 1.5;
/** ...when it is also more than this: short tests differ by chance... */
const NOISE_MS = 1000;
/** ...and more than it takes at most as a rule: so many deviations from the median of its history. */
const DEVIATIONS = 3;
/** The median of absolute differences, times this, is the deviation of a normal distribution. */
const DEVIATION_OF_MEDIAN = 1.4826;
/** Fewer results say nothing about what is usual. */
const BAND_RESULTS_MIN = 4;
/** Results of an execution from which its band is made. */
export const BAND_RESULTS = 20;

/** What an execution takes as a rule, in milliseconds. */
export type Band = { readonly lowMs: number; readonly highMs: number };

/** Of good results before the one that is looked at; null: there are too few. */
export function bandOf(history: readonly TestRow[], before: TestRow): Band | null {
  const durations = history.flatMap((row) => {
    const isEarlier = row.id !== before.id && (row.endedAt ?? 0) <= (before.startedAt ?? 0);
    const duration = isEarlier && gradeOf(row) === 'good' ? durationOf(row) : null;
    return duration === null ? [] : [duration];
  });
  if (durations.length < BAND_RESULTS_MIN) return null;
  const middle = median(durations);
  const around = median(durations.map((duration) => Math.abs(duration - middle)));
  const spread = DEVIATIONS * DEVIATION_OF_MEDIAN * around;
  return { lowMs: Math.max(0, middle - spread), highMs: middle + spread };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low = 0, high = low] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return (low + high) / 2;
}

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
  /** Where it is known. */
  readonly band: Band | null;
};

export type Side = { readonly verdict: string; readonly durationMs: number | null };

/** Worst first; the order of a comparison's lines. */
export const DIFFERENCES: readonly Difference[] = [
  ...(['newly failing', 'still failing', 'missing', 'other verdict'] as const),
  ...(['slower', 'new', 'fixed'] as const),
];

/**
 * Executions that differ, worst first, then by name. Equal ones are left out. `bands`: what those that are slower take as a rule;
 * without them, every one that is slower is told.
 */
export function compareRuns(
  before: readonly TestRow[],
  after: readonly TestRow[],
  bands: ReadonlyMap<string, Band> = new Map(),
): Compared[] {
  const [old, now] = [byExec(before), byExec(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  const compared = names.flatMap((exec) => {
    const [was, is] = [old.get(exec), now.get(exec)];
    const band = bands.get(exec) ?? null;
    const difference = differenceOf(was, is, band);
    return difference === null
      ? []
      : [{ exec, difference, before: sideOf(was), after: sideOf(is), band }];
  });
  return DIFFERENCES.flatMap((kind) => compared.filter(({ difference }) => difference === kind));
}

function differenceOf(
  was: TestRow | undefined,
  is: TestRow | undefined,
  band: Band | null,
): Difference | null {
  if (is === undefined) return was === undefined ? null : 'missing';
  if (was === undefined) return isFailure(is) ? 'newly failing' : 'new';
  if (isFailure(is)) return isFailure(was) ? 'still failing' : 'newly failing';
  if (isFailure(was)) return gradeOf(is) === 'good' ? 'fixed' : 'other verdict';
  if (verdictOf(was) !== verdictOf(is)) return 'other verdict';
  return isSlower(was, is, band) ? 'slower' : null;
}

function isSlower(was: TestRow, is: TestRow, band: Band | null): boolean {
  const [before, after] = [durationOf(was), durationOf(is)];
  if (before === null || after === null) return false;
  const isUsual = band !== null && after <= band.highMs;
  return after > before * SLOWER_TIMES && after - before > NOISE_MS && !isUsual;
}

const sideOf = (row: TestRow | undefined): Side | null =>
  row === undefined ? null : { verdict: verdictOf(row), durationMs: durationOf(row) };

const byExec = (tests: readonly TestRow[]): Map<string, TestRow> =>
  new Map(leavesOf(tests).map((row) => [execOf(row), row]));
