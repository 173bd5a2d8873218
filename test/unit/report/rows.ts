/** Rows for tests of reports: only what a test names differs from a test that passed. */
import type { RunRow, StepRow, TestRow } from '../../../src/planner/rows.ts';

export const RUN: RunRow = {
  ...{ id: 1, area: 'area', target: 'linux/small', name: 'w47', state: 'done', isLocked: false },
  ...{ owner: 'ann', createdAt: 0, endedAt: 60_000, counts: {}, seq: 1 },
};

let lastId = 0;

export function testRow(exec: string, row: Partial<TestRow> = {}): TestRow {
  const [name = '', ...item] = exec.split('/');
  lastId += 1;
  return {
    ...{ id: lastId, runId: 1, area: 'area', name, itemPath: item.join('/'), isToplevel: false },
    ...{ state: 'COMPLETED', status: 'PASS', comment: '', attempt: 1, host: 'h1', runDir: null },
    ...{ log: null, startedAt: 10_000, endedAt: 12_500, cpuMs: null, rssMaxBytes: null },
    ...{ exitCode: 0, configHash: null, isStale: false, seq: 1 },
    ...row,
  };
}

export function stepRow(testId: number, name: string, row: Partial<StepRow> = {}): StepRow {
  lastId += 1;
  return {
    ...{ id: lastId, testId, area: 'area', name, state: 'end', status: 'PASS', exitCode: 0 },
    ...{ isMasked: false, log: null, startedAt: 10_000, endedAt: 11_000, comment: '', seq: 1 },
    ...row,
  };
}
