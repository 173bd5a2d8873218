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
