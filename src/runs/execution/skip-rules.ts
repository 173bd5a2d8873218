/** Whether a test is left out this time. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { SkipRule } from '../../area/types.ts';
import type { TestRow } from '../../planner/rows.ts';
import type { RunStore } from '../../planner/run-store.ts';
import { isActive } from '../../planner/states.ts';

const HISTORY_MAX = 200;
/** A result of these counts as a real run of the test. */
const REAL: ReadonlySet<string> = new Set(['PASS', 'FAIL', 'ABORT']);

export type SkipQuestion = {
  readonly rule: SkipRule;
  readonly name: string;
  readonly itemPath: string;
  readonly runId: number;
  readonly home: string;
  readonly now: number;
};

/** Why it is skipped; null: it runs. */
export function skipReason(store: RunStore, question: SkipQuestion): string | null {
  const { rule, name, itemPath, runId, home, now } = question;
  if (rule.kind === 'fileExists') {
    return existsSync(resolve(home, rule.path)) ? `${rule.path} is there` : null;
  }
  if (rule.kind === 'running') return runningElsewhere(store, question);
  const all = store.read({ kind: 'history', name, itemPath, limit: HISTORY_MAX }).tests ?? [];
  const others = all.filter((row) => row.runId !== runId);
  const last = others
    .filter(isReal)
    .reduce((newest, { endedAt }) => Math.max(newest, endedAt ?? 0), 0);
  const ageS = Math.round((now - last) / 1000);
  return ageS < rule.seconds ? `it ran ${ageS} s ago; ${rule.seconds} s must lie between` : null;
}

function runningElsewhere(store: RunStore, { name, itemPath, runId }: SkipQuestion): string | null {
  const runs = store.read({ kind: 'runs' }).runs ?? [];
  const others = runs.filter(({ id, state }) => id !== runId && state === 'running');
  const found = others.find(({ id }) =>
    (store.read({ kind: 'tests', runId: id }).tests ?? []).some(
      (row) => row.name === name && row.itemPath === itemPath && isActive(row),
    ),
  );
  return found === undefined ? null : `it runs in run ${found.name} of ${found.target}`;
}

function isReal({ state, status }: TestRow): boolean {
  return (state === 'COMPLETED' || state === 'INCOMPLETE') && REAL.has(status);
}
