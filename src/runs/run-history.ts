/** How long executions took before: the order of the ready ones, and when a run will be done. */
import type { TestDef } from '../area/types.ts';
import type { TestRow } from '../planner/rows.ts';
import type { RunStore } from '../planner/run-store.ts';

import { hasEnded } from '../planner/states.ts';

/** Earlier runs of the same target from which times are expected. */
const EARLIER_RUNS = 3;

/** Name of an execution in the planner. */
export function idOf(test: string, itemPath: string): string {
  return itemPath === '' ? test : `${test}/${itemPath}`;
}

/** Seconds by execution: the median of the last runs of the target. */
export function expectedTimes(
  store: Pick<RunStore, 'read'>,
  { runId, target }: { readonly runId: number; readonly target: string },
): ReadonlyMap<string, number> {
  const runs = (store.read({ kind: 'runs' }).runs ?? [])
    .filter((run) => run.id !== runId && run.target === target)
    .sort((a, b) => b.createdAt - a.createdAt)
    .slice(0, EARLIER_RUNS);
  const seconds = new Map<string, number[]>();
  for (const { id } of runs) {
    for (const row of store.read({ kind: 'tests', runId: id }).tests ?? []) {
      if (row.startedAt === null || row.endedAt === null || row.state !== 'COMPLETED') continue;
      const key = idOf(row.name, row.itemPath);
      seconds.set(key, [...(seconds.get(key) ?? []), (row.endedAt - row.startedAt) / 1000]);
    }
  }
  return new Map([...seconds].map(([key, values]) => [key, median(values)]));
}

/** A result of another configuration than the one that is written now. */
export function isStaleNow(row: TestRow, tests: ReadonlyMap<string, TestDef>): boolean {
  return hasEnded(row) && row.configHash !== null && tests.get(row.name)?.hash !== row.configHash;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
