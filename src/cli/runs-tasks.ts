/** Actions of the queue, as commands ask for them and wait for them. */
import { TidelockError } from '../core/errors.ts';
import type { TaskRow } from '../planner/rows.ts';
import type { RunStore } from '../planner/run-store.ts';
import type { NewAction } from '../runs/action-args.ts';
import { ATTEMPTS_MAX } from '../runs/actions.ts';
import type { Session } from './runs-session.ts';

const LOOK_MS = 30;

/** Not new: an open one has the same key. */
export function putAction(
  { store, home }: Session,
  action: NewAction,
): { readonly id: number; readonly isNew: boolean } {
  const none = { runId: null, testId: null, notBefore: 0, parentId: null };
  const task = { kind: 'action' as const, ...action, ...none, attemptsMax: ATTEMPTS_MAX };
  const actor = `${home.identity.host}.${process.pid}`;
  const [answer] = store.write({ actor, writes: [{ kind: 'putTask', task }] }).answers;
  return { id: answer?.id ?? 0, isNew: answer?.isNew === true };
}

export function taskOf(store: RunStore, id: number): TaskRow | null {
  return store.read({ kind: 'tasks', states: null, ids: [id], limit: 1 }).tasks?.[0] ?? null;
}

export async function untilEnded(store: RunStore, id: number): Promise<TaskRow> {
  for (;;) {
    const task = taskOf(store, id);
    if (task !== null && task.endedAt !== null) return task;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** What the task failed with, as if it had failed here. */
export function failureOf({ result, state }: TaskRow): TidelockError {
  const { error } = (result ?? {}) as { readonly error?: unknown };
  if (typeof error === 'object' && error !== null && 'code' in error) {
    return new TidelockError(error as ConstructorParameters<typeof TidelockError>[0]);
  }
  const message = `the task was ${state}${typeof error === 'string' ? `: ${error}` : ''}`;
  return new TidelockError({ code: 'RUN_FAILED', message });
}
