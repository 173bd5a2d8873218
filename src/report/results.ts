/** What reports are made of: the rows of a run, and how good a result is. */
import type { DataRow, RunRow, StepRow, TestRow } from '../planner/rows.ts';

export type RunResults = {
  readonly run: RunRow;
  readonly tests: readonly TestRow[];
  readonly steps: readonly StepRow[];
  readonly data: readonly DataRow[];
};

/**
 * - `good`: it ran and is as it should be (PASS, WARN, CHECK, WAIVED)
 * - `bad`: it ran and is not (FAIL, and any text that nobody knows)
 * - `broken`: it did not come to a verdict of its own (ABORT, KILLED, DEAD, INCOMPLETE, STUCK)
 * - `skipped`: it was not to run (SKIP), or could not (PREQ_FAIL and the other reasons)
 * - `open`: it has not ended
 */
export type Grade = 'good' | 'bad' | 'broken' | 'skipped' | 'open';

const GOOD = new Set(['PASS', 'WARN', 'CHECK', 'WAIVED']);
const BROKEN_STATES = new Set(['INCOMPLETE', 'KILLED', 'STUCK']);
const BROKEN = new Set(['ABORT', 'DEAD', 'KILLED', 'STUCK/DEAD', 'FAILED TO KILL']);
const ENDED = new Set(['COMPLETED', 'ARCHIVED']);

export function gradeOf({ state, status }: Pick<TestRow, 'state' | 'status'>): Grade {
  if (state === 'NOT_STARTED') return status === 'n/a' ? 'open' : 'skipped';
  if (BROKEN_STATES.has(state)) return 'broken';
  if (!ENDED.has(state)) return 'open';
  if (status === 'SKIP') return 'skipped';
  if (BROKEN.has(status)) return 'broken';
  return GOOD.has(status) ? 'good' : 'bad';
}

/** Bad or broken: somebody must look at it. */
export const isFailure = (row: Pick<TestRow, 'state' | 'status'>): boolean =>
  ['bad', 'broken'].includes(gradeOf(row));

/** What really ran: everything but the roll-up of items. */
export const leavesOf = (tests: readonly TestRow[]): TestRow[] =>
  tests.filter(({ isToplevel }) => !isToplevel).sort(byName);

/** `test`, or `test/item path`. */
export const execOf = ({ name, itemPath }: Pick<TestRow, 'name' | 'itemPath'>): string =>
  itemPath === '' ? name : `${name}/${itemPath}`;

/** A pattern for exactly this execution; of a test with items, for all of them. */
export const patternOfRow = (
  row: Pick<TestRow, 'name' | 'itemPath'> & { readonly isToplevel?: boolean },
): string => patternOfName(execOf(row));

/** Patterns have no way to say a comma, so any character may stand for it. */
export const patternOfName = (name: string): string =>
  name.replace(/[.+?^${}()|[\]\\~]/g, '\\$&').replaceAll(',', '.');

/** It has ended, and nothing of it has failed. */
export function isGoodRun({ state, counts }: Pick<RunRow, 'state' | 'counts'>): boolean {
  const pairs = Object.entries(counts).filter(([, times]) => times > 0);
  const failed = pairs.some(([pair]) => {
    const slash = pair.indexOf('/');
    const of = { state: pair.slice(0, slash) as TestRow['state'], status: pair.slice(slash + 1) };
    return isFailure(of);
  });
  return state === 'done' && pairs.length > 0 && !failed;
}

/** The newest run of the same target before this one in which nothing failed. `runs` in any order. */
export function lastGoodBefore(runs: Iterable<RunRow>, run: RunRow): RunRow | null {
  let found: RunRow | null = null;
  for (const one of runs) {
    if (one.target !== run.target || !isGoodRun(one) || !isBefore(one, run)) continue;
    if (found === null || isBefore(found, one)) found = one;
  }
  return found;
}

const isBefore = (a: RunRow, b: RunRow): boolean =>
  a.createdAt === b.createdAt ? a.id < b.id : a.createdAt < b.createdAt;

/** Milliseconds it took, or null while it is not over. */
export function durationOf({ startedAt, endedAt }: TestRow): number | null {
  return startedAt === null || endedAt === null ? null : Math.max(0, endedAt - startedAt);
}

/** `COMPLETED/FAIL`. */
export const verdictOf = ({ state, status }: TestRow): string => `${state}/${status}`;

function byName(a: TestRow, b: TestRow): number {
  const [x, y] = [execOf(a), execOf(b)];
  if (x === y) return a.id - b.id;
  return x < y ? -1 : 1;
}
