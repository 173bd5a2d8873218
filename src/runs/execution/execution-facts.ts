/** What only the host knows on which an execution ran: its process, and how its environment differs from another one's. */
import type { TestRow } from '../../planner/rows.ts';
import type { EnvironmentChange, ExecutionFacts } from '../../protocol/run-files.ts';
import { isAlive } from '../processes/host.ts';
import { readMark } from '../processes/process-group.ts';
import { EXECUTION_VARIABLE } from './environment.ts';
import { type LaunchRecord, markFile, readRecord } from './launch-record.ts';

type Executed = Pick<TestRow, 'runDir' | 'attempt'>;

/** They differ between any two executions, and say nothing. */
const OWN: ReadonlySet<string> = new Set([
  ...['MT_RUNNAME', 'MT_RUN_NAME', 'MT_TEST_RUN_DIR', 'MT_CMDINFO', 'MT_LINKTREE'],
  ...[EXECUTION_VARIABLE, 'TIDELOCK_CALLS'],
]);

/** `runDir` is trusted: the caller has seen that it is one of the area's. */
export function executionFacts(row: Executed, against: Executed | null): ExecutionFacts {
  const record = recordOf(row);
  if (record === null) return { process: null, steps: null, environment: null, setVars: [] };
  const other = against === null ? null : recordOf(against);
  const told = new Set(record.told ?? []);
  return {
    process: processOf(record),
    steps: record.steps.map(({ name }) => name),
    environment: other === null ? null : changesOf(other, record),
    setVars: (record.setVars ?? []).map((name) => ({
      ...{ name, value: told.has(name) ? (record.env[name] ?? null) : null },
    })),
  };
}

function recordOf({ runDir, attempt }: Executed): LaunchRecord | null {
  return runDir === null ? null : readRecord(runDir, attempt);
}

function processOf({ runDir, attempt, steps }: LaunchRecord): ExecutionFacts['process'] {
  for (let step = steps.length - 1; step >= 0; step -= 1) {
    const mark = readMark(markFile(runDir, attempt, step));
    if (mark.kind === 'absent' || mark.leader === null) continue;
    return { pid: mark.leader.pid, isAlive: mark.kind === 'begun' && isAlive(mark.leader) };
  }
  return null;
}

function changesOf(before: LaunchRecord, after: LaunchRecord): readonly EnvironmentChange[] {
  const names = new Set([...Object.keys(before.env), ...Object.keys(after.env)]);
  return [...names]
    .filter((name) => !OWN.has(name) && before.env[name] !== after.env[name])
    .sort()
    .map((name) => changeOf(name, before, after));
}

function changeOf(name: string, before: LaunchRecord, after: LaunchRecord): EnvironmentChange {
  const sides = [before, after].filter(({ env }) => env[name] !== undefined);
  const isTold = sides.every(({ told = [] }) => told.includes(name));
  const shown = ({ env }: LaunchRecord): string | null => (isTold ? (env[name] ?? null) : null);
  const change = sides.length === 2 ? 'changed' : sides[0] === before ? 'removed' : 'added';
  return { name, change, before: shown(before), after: shown(after), isTold };
}
