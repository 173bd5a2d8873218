/** A run database in a folder of its own, with a clock that the test moves. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { NewTask, RunWrite } from '../../src/planner/run-store.ts';
import { openRunStore, type SqliteRunStore } from '../../src/sqlite/runs/run-store.ts';

export const AREA = '/areas/small';

export type RunBed = {
  readonly dir: string;
  readonly store: SqliteRunStore;
  /** The time that the store sees. */
  clock: number;
};

export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-runs-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function runBed(): RunBed {
  const dir = tempDir();
  const bed = { dir, clock: 1_000_000 };
  const file = join(dir, 'runs.db');
  const store = openRunStore({ file, area: AREA, now: () => bed.clock });
  onTestFinished(() => store.close());
  return Object.assign(bed, { store });
}

export function newTask(change: Partial<NewTask> = {}): RunWrite {
  const none = { runId: null, testId: null, args: {}, dedupeKey: null, parentId: null };
  const task = { ...none, priority: 0, attemptsMax: 3, notBefore: 0 };
  return { kind: 'putTask', task: { kind: 'action', action: 'prune', ...task, ...change } };
}

/** A run with these tests; gives the run's id and the tests' in order. `name/` is a toplevel, `name/item` an item. */
export function seedRun(
  store: SqliteRunStore,
  names: readonly string[],
  run = 'r1',
): { readonly runId: number; readonly ids: readonly number[] } {
  const create = { kind: 'createRun', target: 'a/b', name: run } as const;
  const runId = store.write({ actor: 'me', writes: [create] }).answers[0]?.id ?? 0;
  const tests = names.map((text) => {
    const [name = '', itemPath] = text.split('/');
    return { name, itemPath: itemPath ?? '', isToplevel: itemPath === '' };
  });
  const answers = store.write({ actor: 'me', writes: [{ kind: 'putTests', runId, tests }] });
  return { runId, ids: answers.answers[0]?.ids ?? [] };
}

/** One change of a test's state. */
export function change(
  testId: number,
  event: Extract<RunWrite, { kind: 'transition' }>['event'],
): RunWrite {
  return { kind: 'transition', testId, event, facts: {}, cause: 'test' };
}
