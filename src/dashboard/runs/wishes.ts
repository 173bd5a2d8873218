/** What may be asked for of a test or a run, wherever it is shown. */
import type { RunRow, TestRow } from '../../planner/rows.ts';
import { execOf } from '../../report/results.ts';
import { argsFor, type Wish } from './act.tsx';

type Subject = Pick<TestRow, 'id' | 'name' | 'itemPath' | 'isToplevel'>;
type Of = Pick<RunRow, 'id' | 'name' | 'target'>;

/** The items of a roll-up, or the test itself. */
function testArgs(row: Subject, run: Of): Record<string, unknown> {
  return argsFor(run, row.isToplevel ? `${row.name}/%` : execOf(row));
}

export function rerunTest(row: Subject, run: Of): Wish {
  return {
    ...{ runId: run.id, testId: row.id, action: 'rerun', button: 'Rerun' },
    says: `${execOf(row)} of ${run.name} is started again.`,
    args: { ...testArgs(row, run), rerun: { kind: 'all' } },
  };
}

export function killTest(row: Subject, run: Of): Wish {
  return {
    ...{ runId: run.id, testId: row.id, action: 'kill', button: 'Kill' },
    says: `${execOf(row)} of ${run.name} is ended with everything it has started.`,
    args: testArgs(row, run),
  };
}

export function rerunFailed(run: Of): Wish {
  return {
    ...{ runId: run.id, testId: null, action: 'rerun', button: 'Rerun what failed' },
    says: `Tests of ${run.name} of ${run.target} are started again.`,
    args: { ...argsFor(run), rerun: { kind: 'failed', downstream: false } },
  };
}

export function killRun(run: Of): Wish {
  return {
    ...{ runId: run.id, testId: null, action: 'kill', button: 'Kill' },
    says: `Everything of ${run.name} of ${run.target} that runs is ended; what waits does not start.`,
    args: argsFor(run),
  };
}
