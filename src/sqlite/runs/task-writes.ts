/** Writes about the queue: tasks with leases, and the runners that take them. */
import type { TaskRow } from '../../planner/rows.ts';
import type { NewTask, RunAnswer, RunWrite } from '../../planner/run-store.ts';
import { runTable } from '../../planner/run-tables.ts';
import { afterLease, dedupeKeyOf, isQueued, mayEnd, scopeOf } from '../../planner/tasks.ts';
import { OPEN_ACTIONS } from './run-reads.ts';
import type { RunTransaction } from './run-transaction.ts';
import { columnList, rowOf } from './run-values.ts';
import { notFound } from './test-writes.ts';

type Write<K extends RunWrite['kind']> = Extract<RunWrite, { readonly kind: K }>;

const TASKS = runTable('tasks');
/** Written out as in the partial indexes, or SQLite does not use them. */
export const OPEN = "state IN ('new', 'claimed', 'running')";
const EXPIRED_MAX = 1000;

/** One statement takes the task, so nobody else can have it. An expired lease is no lease. */
const CLAIM = (kinds: number): string => `
  UPDATE tasks SET state = 'claimed', lease_owner = ?1, lease_until = ?2, attempt = attempt + 1, seq = ?3
  WHERE id = (SELECT id FROM tasks
    WHERE ${OPEN} AND (state = 'new' OR ifnull(lease_until, 0) <= ?4) AND not_before <= ?4
      AND attempt < attempts_max AND kind IN (${'?, '.repeat(kinds).slice(0, -2)})
    ORDER BY priority DESC, id LIMIT 1)
  RETURNING ${columnList(TASKS.columns)}`;

export function putTask(tx: RunTransaction, { task }: Write<'putTask'>): RunAnswer {
  const dedupeKey = keyOf(tx, task);
  if (dedupeKey !== null) {
    const text = `SELECT id FROM tasks WHERE ${OPEN} AND dedupe_key = ?`;
    const open = tx.statements.first(text, dedupeKey);
    if (open !== null) return { id: Number(open[0]), isNew: false };
  }
  const fresh = { state: 'new', attempt: 0, createdBy: tx.actor, createdAt: tx.at, result: null };
  const id = tx.insert('tasks', { ...task, ...fresh, dedupeKey });
  taskEvent(tx, { ...task, id }, { old: null, new: 'new', cause: task.action });
  return { id, isNew: true };
}

/**
 * Whoever asks for it and however: what runs the same run is one task. A run that is asked for after a removal is
 * another one than the run that is being removed.
 */
function keyOf(tx: RunTransaction, task: NewTask): string | null {
  const scope = scopeOf(task);
  const key = scope === null ? null : dedupeKeyOf(scope);
  if (scope === null || key === null) return task.dedupeKey;
  const { target, name } = scope;
  const removal = tx.statements.first(
    `SELECT max(id) FROM tasks ${OPEN_ACTIONS} AND action = 'remove-runs'`,
    ...[target, name],
  );
  return removal?.[0] == null ? key : `${key}\0${removal[0]}`;
}

export function claimTask(tx: RunTransaction, write: Write<'claimTask'>): RunAnswer {
  const { owner, kinds, leaseMs } = write;
  if (kinds.length === 0) return { task: null };
  const values = [owner, tx.at + leaseMs, tx.seq + 1, tx.at, ...kinds];
  const row = tx.statements.first(CLAIM(kinds.length), ...values);
  if (row === null) return { task: null };
  tx.next();
  const task = rowOf(TASKS.columns, row) as unknown as TaskRow;
  const cause = `attempt ${task.attempt} by ${owner}`;
  taskEvent(tx, task, { old: 'new', new: 'claimed', cause });
  return { task };
}

/** Leases are of this database only: renewing them is no change that a copy hears of. */
export function renewTasks(tx: RunTransaction, write: Write<'renewTasks'>): RunAnswer {
  const rows = tx.statements.all(
    `UPDATE tasks SET lease_until = ? WHERE lease_owner = ? AND ${OPEN} RETURNING id`,
    ...[tx.at + write.leaseMs, write.owner],
  );
  return { ids: rows.map(([id]) => Number(id)) };
}

export function endTask(tx: RunTransaction, write: Write<'endTask'>): RunAnswer {
  const { taskId, owner, state, result } = write;
  const task = foundTask(tx, taskId);
  // One that is there no more has ended long ago.
  if (task === null || !mayEnd(task, owner)) return { isDone: false };
  if (state === 'running') tx.update('tasks', taskId, { state, startedAt: tx.at });
  else {
    const ended = { state, endedAt: tx.at, result, leaseOwner: null, leaseUntil: null };
    tx.update('tasks', taskId, ended);
  }
  taskEvent(tx, task, { old: task.state, new: state, cause: `by ${owner}` });
  return { isDone: true };
}

export function cancelTasks(tx: RunTransaction, write: Write<'cancelTasks'>): RunAnswer {
  const ids = write.ids.filter((id) => {
    const task = taskOf(tx, id);
    if (!isQueued(task)) return false;
    const ended = { state: 'cancelled', endedAt: tx.at, leaseOwner: null, leaseUntil: null };
    tx.update('tasks', id, ended);
    taskEvent(tx, task, { old: task.state, new: 'cancelled', cause: write.cause });
    return true;
  });
  return { ids };
}

/** At most a thousand a call; the rest is as expired a moment later. */
export function reclaimTasks(tx: RunTransaction): RunAnswer {
  const where = `WHERE ${OPEN} AND state <> 'new' AND ifnull(lease_until, 0) <= ? LIMIT ${EXPIRED_MAX}`;
  const expired = tx.statements.rows(TASKS, where, tx.at) as unknown as readonly TaskRow[];
  for (const task of expired) {
    const state = afterLease(task, tx.at) ?? 'new';
    const ended =
      state === 'failed' ? { endedAt: tx.at, result: { error: 'the lease ran out' } } : {};
    tx.update('tasks', task.id, { ...ended, state, leaseOwner: null, leaseUntil: null });
    const cause = `the lease of ${task.leaseOwner} ran out`;
    taskEvent(tx, task, { old: task.state, new: state, cause });
  }
  return { ids: expired.map(({ id }) => id) };
}

/** A heartbeat that says nothing new is no change that others hear of. */
export function putRunner(tx: RunTransaction, write: Write<'putRunner'>): RunAnswer {
  const { runner, leaseMs } = write;
  const leaseUntil = tx.at + leaseMs;
  const known = tx.one(runTable('runners'), 'WHERE id = ?', runner.id);
  if (known === null) {
    tx.insert('runners', { ...runner, leaseUntil });
    runnerEvent(tx, { old: null, new: runner.id, cause: `pid ${runner.pid} on ${runner.host}` });
    return { isNew: true };
  }
  if (known.running !== runner.running || known.slots !== runner.slots) {
    tx.update('runners', runner.id, { ...runner, leaseUntil });
    return { isNew: false };
  }
  tx.statements.run(
    'UPDATE runners SET lease_until = ?, load = ? WHERE id = ?',
    ...[leaseUntil, runner.load, runner.id],
  );
  return { isNew: false };
}

/** Who is gone holds nothing: its tasks can be claimed at once. */
export function removeRunner(tx: RunTransaction, id: string): RunAnswer {
  tx.remove('runners', id);
  tx.statements.run(`UPDATE tasks SET lease_until = 0 WHERE lease_owner = ? AND ${OPEN}`, id);
  runnerEvent(tx, { old: id, new: null, cause: 'gone' });
  return {};
}

type Words = { readonly old: string | null; readonly new: string | null; readonly cause: string };

function runnerEvent(tx: RunTransaction, words: Words): void {
  tx.event({ kind: 'runner', runId: null, testId: null, isForced: false, ...words });
}

function taskEvent(
  tx: RunTransaction,
  task: Pick<TaskRow, 'id' | 'runId' | 'testId'>,
  words: Words,
): void {
  const { runId, testId } = task;
  const cause = `task ${task.id}: ${words.cause}`;
  tx.event({ kind: 'task', runId, testId, isForced: false, ...words, cause });
}

function taskOf(tx: RunTransaction, id: number): TaskRow {
  const task = foundTask(tx, id);
  if (task === null) throw notFound(`task ${id}`);
  return task;
}

function foundTask(tx: RunTransaction, id: number): TaskRow | null {
  return tx.one(TASKS, 'WHERE id = ?', id) as unknown as TaskRow | null;
}
