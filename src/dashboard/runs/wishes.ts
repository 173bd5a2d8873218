/** What may be asked for of a test or a run, wherever it is shown. */
import { hasSteps } from '../../planner/rerun.ts';
import type { RunRow, TestRow } from '../../planner/rows.ts';
import type { StepRange } from '../../planner/types.ts';
import { execOf, gradeOf, patternOfRow } from '../../report/results.ts';
import { argsFor, type Question, type Wish } from './act.tsx';

type Subject = Pick<TestRow, 'id' | 'name' | 'itemPath' | 'isToplevel'>;
type Of = Pick<RunRow, 'id' | 'name' | 'target'>;

export function rerunTest(row: Subject, run: Of): Wish {
  const pattern = patternOfRow(row);
  return {
    ...{ runId: run.id, testId: row.id, action: 'rerun', button: 'Rerun' },
    says: `${execOf(row)} of ${run.name} is started again.`,
    args: { ...argsFor(run, pattern), rerun: { kind: 'chosen', pattern, downstream: false } },
    asks: [AS_BEFORE],
  };
}

/** Some steps again, in the work area that is there. */
export function rerunSteps(row: Subject, run: Of, range: StepRange): Wish {
  const { step, isOnly } = range;
  const what = isOnly ? `The step ${step}` : `The step ${step} and those after it`;
  return {
    ...{ runId: run.id, testId: row.id, action: 'rerun', button: 'Rerun' },
    says: `${what} of ${execOf(row)} of ${run.name}, in the work area that is there. The others keep their results.`,
    args: { ...argsFor(run, patternOfRow(row)), rerun: { kind: 'steps', ...range } },
    asks: [AS_BEFORE],
  };
}

/** Why none of its steps can run again; null: they can. */
export function stepsRefusal(
  row: Pick<TestRow, 'state' | 'status'>,
  run: Pick<RunRow, 'isLocked'>,
): string | null {
  if (run.isLocked) return 'The run is locked: unlock it to run steps again';
  if (gradeOf(row) === 'open') return 'It has not ended: its steps can run again then';
  return hasSteps(row.state) ? null : `It is ${row.state}: there is no work area to run a step in`;
}

const NOW = 'its configuration says now';
const BEFORE = 'it was launched before';

const AS_BEFORE: Question = {
  ...{ name: 'as', label: 'As', value: NOW, options: [NOW, BEFORE] },
  put: (args, answer) => {
    if (answer === BEFORE) args.more = { frozen: true };
  },
};

export function killTest(row: Subject, run: Of): Wish {
  return {
    ...{ runId: run.id, testId: row.id, action: 'kill', button: 'Kill' },
    says: `${execOf(row)} of ${run.name} is ended with everything it has started.`,
    args: argsFor(run, patternOfRow(row)),
  };
}

export function rerunFailed(run: Of): Wish {
  return rerun(run, 'Rerun what failed', { kind: 'failed', downstream: false });
}

export function rerunAll(run: Of): Wish {
  return rerun(run, 'Run again', { kind: 'all' });
}

function rerun(run: Of, button: string, rule: object): Wish {
  return {
    ...{ runId: run.id, testId: null, action: 'rerun', button },
    says: `Tests of ${run.name} of ${run.target} are started again.`,
    args: { ...argsFor(run), rerun: rule },
  };
}

export function killRun(run: Of): Wish {
  return {
    ...{ runId: run.id, testId: null, action: 'kill', button: 'Kill' },
    says: `Everything of ${run.name} of ${run.target} that runs is ended; what waits does not start.`,
    args: argsFor(run),
  };
}
