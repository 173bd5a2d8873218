/** What may be asked for of a test or a run, wherever it is shown. */
import type { RunRow, TestRow } from '../../planner/rows.ts';
import { execOf, patternOfRow } from '../../report/results.ts';
import { argsFor, type Wish } from './act.tsx';

type Subject = Pick<TestRow, 'id' | 'name' | 'itemPath' | 'isToplevel'>;
type Of = Pick<RunRow, 'id' | 'name' | 'target'>;

export function rerunTest(row: Subject, run: Of): Wish {
  const pattern = patternOfRow(row);
  return {
    ...{ runId: run.id, testId: row.id, action: 'rerun', button: 'Rerun' },
    says: `${execOf(row)} of ${run.name} is started again.`,
    args: { ...argsFor(run, pattern), rerun: { kind: 'chosen', pattern, downstream: false } },
  };
}

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
