/**
 * What is always true. `checkStep` runs after every step, `checkInvariants` looks at everything and is for tests.
 * docs/coordinator.md names the tests that hold each one.
 *
 *   Q1  upper, since and the oracles never go back
 *   Q2  every hold is at or after the since of what it holds
 *   Q3  what begins at a time (index, sink, subscription, peek) begins at or after the since of what it reads
 *   Q4  where the rules promise order, nobody is given a time before one that somebody was given
 *   Q5  a write is after every time that anybody was given, and after everything that is closed
 *   Q6  what was told is closed for writes at the end of the step
 *   Q7  each peek ends once, and the session that asked waits for it
 *   Q8  a subscription tells each change once, and progress only after everything before it
 *   Q9  the write lock has an owner with a transaction, or nobody; who queues waits
 *   Q10 compaction is told for known items only, forward, and never to the end of time
 *   Q11 names and ids belong together, inputs come before what is made of them, each has its frontier
 *   Q12 rows are answered at a time that is still readable
 *   Q13 sessions, items, buffered rows and cursors stay within their limits
 *   Q14 between steps a session waits for something or has no batch
 *   Q15 no two rows of a table have the same primary key (`keys.ts` asks the worker; no state to look at)
 *   Q16 who reads, or waits for the lock, waits no longer than the statement's time (`timeouts.ts`)
 */
import { assert } from '../../core/assert.ts';
import type { ItemId } from '../../sql/types.ts';
import { ITEMS_MAX, type Item, inputsOf, rankOf } from './catalog.ts';
import {
  CURSORS_MAX,
  LOCAL_TIMELINE,
  oracleOf,
  SESSIONS_MAX,
  type Session,
  type SqlCoordinator,
  WRITES_MAX,
} from './state.ts';
import type { SqlEffect } from './types.ts';
import { TIME_END, type Time, type WorkerCommand } from './worker.ts';

/** What a step is compared with. */
export type Before = { readonly local: Time; readonly postgres: Time; readonly closedUpTo: Time };

export function frontiersOf(state: SqlCoordinator): Before {
  const [local = 0, postgres = 0] = state.oracles.values();
  return { local, postgres, closedUpTo: state.closedUpTo };
}

/** The cheap ones: a few comparisons, and a look at each effect. */
export function checkStep(
  state: SqlCoordinator,
  before: Before,
  effects: readonly SqlEffect[],
): void {
  const now = frontiersOf(state);
  checkOrder('Q1: the local oracle does not go back', before.local, now.local);
  checkOrder('Q1: the oracle of PostgreSQL does not go back', before.postgres, now.postgres);
  checkOrder('Q1: what is closed stays closed', before.closedUpTo, now.closedUpTo);
  checkOrder('Q6: what was told is closed', oracleOf(state, LOCAL_TIMELINE) + 1, now.closedUpTo);
  checkOrder('Q13: sessions', state.sessions.size, SESSIONS_MAX);
  checkOrder('Q13: items', state.catalog.items.size, ITEMS_MAX);
  for (const effect of effects) {
    if (effect.kind === 'worker') checkCommand(state, before, effect.command);
  }
}

function checkCommand(state: SqlCoordinator, before: Before, command: WorkerCommand): void {
  if (command.kind === 'insert') {
    const { time } = command;
    checkOrder('Q5: a write is not in what is closed', before.closedUpTo, time);
    if (time <= before.local) assert(false, `Q5: a write at ${time} after ${before.local}`);
  }
  if (command.kind !== 'allowCompaction') return;
  for (const { id, since } of command.since) {
    assert(state.fronts.has(id), `Q10: ${id} has a frontier`);
    assert(since > 0 && since < TIME_END, `Q10: ${id} is compacted to ${since}`);
  }
}

/** All of them. Looks at every item, hold, session and peek. */
export function checkInvariants(state: SqlCoordinator): void {
  checkHolds(state);
  checkCatalog(state);
  checkPeeks(state);
  checkLock(state);
  for (const session of state.sessions.values()) checkSession(state, session);
}

function checkHolds(state: SqlCoordinator): void {
  for (const [name, { ids, time }] of state.holds) {
    for (const id of ids) {
      const front = state.fronts.get(id);
      if (front === undefined) continue;
      checkOrder(`Q2: ${name} holds ${id}`, front.since, time);
      assert(front.holds.get(name) === time, `Q2: ${id} knows that ${name} holds it`);
    }
  }
  for (const [id, front] of state.fronts) {
    checkOrder(`Q2: the window of ${id}`, front.since, front.policy);
    for (const name of front.holds.keys()) {
      assert(state.holds.get(name)?.ids.includes(id) === true, `Q2: ${name} is known by ${id}`);
    }
  }
}

function checkCatalog(state: SqlCoordinator): void {
  const { databases, items } = state.catalog;
  let names = 0;
  for (const [database, { schemas }] of databases) {
    for (const [schema, ids] of schemas) {
      names += ids.size;
      for (const [name, id] of ids) {
        const at = items.get(id)?.at;
        const isSame = at?.name === name && at.schema === schema && at.database === database;
        assert(isSame, `Q11: ${database}.${schema}.${name} is ${id}`);
      }
    }
  }
  assert(names === items.size, `Q11: ${names} names of ${items.size} items`);
  for (const item of items.values()) checkItem(state, item);
}

function checkItem(state: SqlCoordinator, item: Item): void {
  const { id, kind } = item;
  const isBefore = (input: ItemId) => state.catalog.items.has(input) && rankOf(input) < rankOf(id);
  assert(inputsOf(item).every(isBefore), `Q11: inputs of ${id} come before it`);
  assert(state.fronts.has(id) === (kind !== 'view'), `Q11: ${kind} ${id} and its frontier`);
}

function checkPeeks(state: SqlCoordinator): void {
  const { peeks, sessions, fronts } = state;
  for (const [number, { connection, ids, time }] of peeks) {
    const running = sessions.get(connection)?.running;
    const isWaited = running?.kind === 'peek' && running.peek === number;
    assert(isWaited, `Q7: peek ${number} is waited for by ${connection}`);
    for (const id of ids) {
      const since = fronts.get(id)?.since ?? 0;
      checkOrder(`Q12: peek ${number} of ${id}`, since, time);
    }
  }
}

function checkLock({ lock, sessions }: SqlCoordinator): void {
  const { owner, queue } = lock;
  const hasTransaction = owner === null || sessions.get(owner)?.transaction !== null;
  assert(hasTransaction, `Q9: ${owner} has the lock and a transaction`);
  assert(owner !== null || queue.length === 0, 'Q9: nobody queues for a free lock');
  for (const connection of queue) {
    const kind = sessions.get(connection)?.running?.kind;
    assert(kind === 'lock', `Q9: ${connection} waits for the lock`);
  }
}

function checkSession(state: SqlCoordinator, session: Session): void {
  const { connection, running, batch, transaction, cursors } = session;
  const name = `connection ${connection}`;
  assert((running === null) === (batch === null), `Q14: ${name} waits or is idle`);
  assert(running?.kind !== 'woken', `Q14: ${name} went on`);
  if (running?.kind === 'peek') {
    assert(state.peeks.has(running.peek), `Q7: peek ${running.peek} of ${name} is known`);
  }
  checkOrder(`Q13: rows of ${name}`, transaction?.writtenRows ?? 0, WRITES_MAX);
  checkOrder(`Q13: cursors of ${name}`, cursors.size, CURSORS_MAX);
  assert(transaction !== null || cursors.size === 0, `Q14: cursors of ${name} are closed`);
}

/** Takes numbers, not a text, so that nothing is formatted while all is well. */
function checkOrder(rule: string, low: number, high: number): void {
  if (low > high) assert(false, `${rule}: ${low} > ${high}`);
}
