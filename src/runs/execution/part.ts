/** Some steps of an execution again, in the work area that is there: which go, and what stays of the others. */
import { TidelockError } from '../../core/errors.ts';
import type { StepRow } from '../../planner/rows.ts';
import type { StepRange } from '../../planner/types.ts';
import type { LaunchStep } from './launch-record.ts';

/** What an action says of runs that do not begin anew. */
export type Redo = {
  /** Null: whole tests. */
  readonly part: StepRange | null;
  /** With the steps, environment and limits of the attempt before, and nothing is copied or read again. */
  readonly isFrozen: boolean;
};

export const NO_REDO: Redo = { part: null, isFrozen: false };

/** The steps with the results of those that do not run again; null: all run. Throws `RUN_FAILED` when there is no such step. */
export function partOf(
  all: readonly LaunchStep[],
  range: StepRange | null,
  rows: readonly StepRow[],
): readonly LaunchStep[] {
  const steps = all.map(({ kept: _before, ...step }) => step);
  if (range === null) return steps;
  const again = stepsAgain(
    steps.map(({ name }) => name),
    range,
  );
  if (again.size === 0) {
    throw new TidelockError({
      code: 'RUN_FAILED',
      message: `it has no step ${range.step} any more`,
      hint: 'run it again as a whole: tidelock runs rerun --all --pattern',
    });
  }
  return steps.map((step) => (again.has(step.name) ? step : { ...step, kept: keptOf(step, rows) }));
}

/** A step without a result is no good one: somebody has to look at it. */
function keptOf({ name }: LaunchStep, rows: readonly StepRow[]): LaunchStep['kept'] {
  const row = rows.find((one) => one.name === name && one.state === 'end');
  const { status, comment } = row ?? { status: 'CHECK', comment: 'it has not run' };
  return { status: status === 'KILLED' ? 'FAIL' : status, comment }; // a test is killed, a step has failed by it
}

/** Rows that go: of the steps that run again, and of those that they have told through the helper. */
export function goneSteps(
  names: readonly string[],
  range: StepRange,
  rows: readonly StepRow[],
): readonly string[] {
  const again = stepsAgain(names, range);
  const first = rows.find(({ name }) => name === range.step);
  const from = first?.startedAt ?? Number.POSITIVE_INFINITY;
  const to = range.isOnly ? (first?.endedAt ?? from) : Number.POSITIVE_INFINITY;
  const isTold = ({ name, startedAt }: StepRow): boolean =>
    !names.includes(name) && startedAt >= from && startedAt <= to;
  return rows.filter((row) => again.has(row.name) || isTold(row)).map(({ name }) => name);
}

/** Empty: there is no such step. */
function stepsAgain(names: readonly string[], { step, isOnly }: StepRange): ReadonlySet<string> {
  const at = names.indexOf(step);
  return new Set(at < 0 ? [] : names.slice(at, isOnly ? at + 1 : undefined));
}
