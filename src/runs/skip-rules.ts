/** Whether a test is left out this time. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { SkipRule } from '../area/types.ts';
import type { TestRow } from '../planner/rows.ts';
import type { RunStore } from '../planner/run-store.ts';
import { isActive } from '../planner/states.ts';

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
  const all = store.read({ kind: 'history', name, itemPath, limit: HISTORY_MAX }).tests ?? [];
  const others = all.filter((row) => row.runId !== runId);
  if (rule.kind === 'running') {
    const running = others.find((row) => isActive(row));
    return running === undefined ? null : `it runs in run ${running.runId}`;
  }
  const last = others
    .filter(isReal)
    .reduce((newest, { endedAt }) => Math.max(newest, endedAt ?? 0), 0);
  const ageS = Math.round((now - last) / 1000);
  return ageS < rule.seconds ? `it ran ${ageS} s ago; ${rule.seconds} s must lie between` : null;
}

function isReal({ state, status }: TestRow): boolean {
  return (state === 'COMPLETED' || state === 'INCOMPLETE') && REAL.has(status);
}
