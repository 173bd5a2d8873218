/** Actions of the queue, as commands ask for them and wait for them. */
import { TidelockError } from '../../core/errors.ts';
import type { TaskRow } from '../../planner/rows.ts';
import type { RunStore } from '../../planner/run-store.ts';
import type { NewAction } from '../../runs/action-args.ts';
import { ATTEMPTS_MAX } from '../../runs/actions.ts';
import type { Session } from './session.ts';

const LOOK_MS = 30;

/** Not new: an open one has the same key. `seq`: what came of it is written after that. */
export async function putAction(
  { host, home, away }: Session,
  action: NewAction,
): Promise<{ readonly id: number; readonly isNew: boolean; readonly seq: number }> {
  const none = { runId: null, testId: null, notBefore: 0, parentId: null };
  const task = { kind: 'action' as const, ...action, ...none, attemptsMax: ATTEMPTS_MAX };
  const batch = { actor: `${host}.${process.pid}`, writes: [{ kind: 'putTask' as const, task }] };
  const written = away === null ? home?.store.write(batch) : await away.write(batch);
  const { id = 0, isNew = false } = written?.answers[0] ?? {};
  return { id, isNew, seq: written?.seq ?? 0 };
}

/** Throws `RUN_FAILED` when it is there no more. */
export function taskOf(store: Pick<RunStore, 'read'>, id: number): TaskRow {
  const query = { kind: 'tasks', states: null, ids: [id], limit: 1 } as const;
  const [task] = store.read(query).tasks ?? [];
  if (task !== undefined) return task;
  throw new TidelockError({
    code: 'RUN_FAILED',
    message: `task ${id} is not there any more: the run database was made anew meanwhile`,
    hint: 'see what has become of it with: tidelock runs ls',
  });
}

export async function untilEnded(session: Session, id: number): Promise<TaskRow> {
  for (;;) {
    const task = taskOf(session.store, id);
    if (task.endedAt !== null) return task;
    session.away?.requireAnswers();
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
