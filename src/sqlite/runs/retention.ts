/**
 * How long events and ended tasks stay. They go from the oldest on, as rows that are removed: every copy and every reader
 * of changes hears of it like of any other change.
 */

import { asNumber } from '../sql.ts';
import { STARTING } from './run-schema.ts';
import type { RunTransaction } from './run-transaction.ts';
import { OPEN } from './task-writes.ts';

export type Kept = {
  readonly max: number;
  readonly ageMsMax: number;
};

export type KeptTable = 'events' | 'tasks';

const DAY_MS = 86_400_000;

/** A run of 100,000 executions has some 600,000 events, and a task of each execution. */
export const KEPT: Readonly<Record<KeptTable, Kept>> = {
  events: { max: 1_000_000, ageMsMax: 90 * DAY_MS },
  tasks: { max: 100_000, ageMsMax: 30 * DAY_MS },
};
/** Of one transaction: nobody waits long for it, and a copy takes it at once. */
export const PRUNED_AT_ONCE = 1000;
/**
 * Ended tasks stay for so long, however many they are: whoever waits for one asks for it by its number, and an answer
 * that is given again names it.
 */
export const ENDED_MS_MIN = 3_600_000;

export type Retention = Kept & {
  /** Younger ones stay: what the durable database does not have yet. */
  readonly upTo: number;
};

/** Gives how many went; `PRUNED_AT_ONCE`: there may be more. */
export function prune(tx: RunTransaction, table: KeptTable, retention: Retention): number {
  const gone = table === 'events' ? oldEvents(tx, retention) : oldTasks(tx, retention);
  for (const id of gone) tx.remove(table, id);
  return gone.length;
}

function oldEvents(tx: RunTransaction, { upTo, max, ageMsMax }: Retention): readonly number[] {
  const text = `SELECT seq, at FROM events WHERE seq <= ? ORDER BY seq LIMIT ${PRUNED_AT_ONCE}`;
  const oldest = tx.statements.all(text, upTo);
  const first = asNumber(oldest[0]?.[0] ?? tx.seq);
  // Events are counted only when there can be too many: each has a number of its own.
  const count = tx.seq - first < max ? 0 : countOf(tx, 'SELECT count(*) FROM events');
  const tooMany = Math.max(0, count - max);
  const young = oldest.findIndex(([, at], index) => {
    return index >= tooMany && asNumber(at) >= tx.at - ageMsMax;
  });
  const gone = young < 0 ? oldest : oldest.slice(0, young);
  return gone.map(([seq]) => asNumber(seq));
}

type EndedTask = {
  readonly id: number;
  readonly endedAt: number;
  readonly isNeeded: boolean;
};

/** Without the open ones, which a partial index has. */
const ENDED_COUNT = `SELECT (SELECT count(*) FROM tasks) - (SELECT count(*) FROM tasks WHERE ${OPEN})`;

const IS_PARENT = `EXISTS (SELECT 1 FROM tasks child WHERE child.${OPEN} AND child.parent_id = task.id)`;
const IS_OF_RUNNING = `EXISTS (SELECT 1 FROM runs WHERE state = 'running' AND (id = task.run_id
  OR id = (SELECT run_id FROM tests WHERE tests.id = task.test_id)
  OR (target = task.args ->> '$.target' AND name = task.args ->> '$.name')))`;
/** It says what was asked for: `replay` of a run reads it. */
const IS_LAST_START = `(task.${STARTING}
  AND task.id = (SELECT max(id) FROM tasks start WHERE start.${STARTING}
    AND start.args ->> '$.target' = task.args ->> '$.target'
    AND start.args ->> '$.name' = task.args ->> '$.name')
  AND EXISTS (SELECT 1 FROM runs WHERE state <> 'removed'
    AND target = task.args ->> '$.target' AND name = task.args ->> '$.name'))`;
/** A database that is filled from the copy counts on from there: no number is given twice. */
const IS_NEWEST = 'task.id = (SELECT max(id) FROM tasks)';

/** In the order of their ends. */
const ENDED = `SELECT id, ended_at, ${IS_PARENT} OR ${IS_OF_RUNNING} OR ${IS_LAST_START} OR ${IS_NEWEST}
  FROM tasks task WHERE seq <= ? AND NOT ${OPEN} ORDER BY seq`;

function oldTasks(tx: RunTransaction, { upTo, max, ageMsMax }: Retention): readonly number[] {
  const tooMany = countOf(tx, ENDED_COUNT) - max;
  const gone: number[] = [];
  for (const { id, endedAt, isNeeded } of endedTasks(tx, upTo)) {
    const ageMs = tx.at - endedAt;
    const isOver = ageMs > ageMsMax || (gone.length < tooMany && ageMs >= ENDED_MS_MIN);
    if (!isOver || gone.length >= PRUNED_AT_ONCE) break;
    if (!isNeeded) gone.push(id);
  }
  return gone;
}

/** Read one by one: mostly the first is too young. */
function* endedTasks(tx: RunTransaction, upTo: number): Generator<EndedTask> {
  for (const row of tx.statements.get(ENDED).iterate(upTo)) {
    const [id, endedAt, isNeeded] = row as unknown as readonly unknown[];
    yield { id: asNumber(id), endedAt: asNumber(endedAt), isNeeded: isNeeded === 1 };
  }
}

function countOf(tx: RunTransaction, text: string): number {
  return asNumber(tx.statements.first(text)?.[0]);
}
