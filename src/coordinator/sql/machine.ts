/**
 * The coordinator of SQL: one pure function. `step` changes the state and returns what is to be done, in order. It
 * has no clock, no randomness and waits for nothing: the same events give the same effects, byte by byte.
 *
 * docs/coordinator.md draws the machine and lists its invariants.
 */
import { assert, unreachable } from '../../core/assert.ts';
import { isSqlState, type SqlError, sqlError } from '../../sql/errors.ts';
import type { SqlRow } from '../../sql/types.ts';
import { type Context, contextOf, type Turn, wake, wakeWith } from './context.ts';
import { fillCursor, serveFetch } from './cursors.ts';
import { headerRead } from './ddl-sources.ts';
import { removeItems } from './drop.ts';
import { checkKeys } from './ending.ts';
import { maintain, sincesTold, uppersTold } from './frontiers.ts';
import { checkStep, frontiersOf } from './invariants.ts';
import { refuseTaken } from './keys.ts';
import { forgetPeek } from './reads.ts';
import { cancel, connect, disconnect, grantLock, resume, startBatch, sync } from './sessions.ts';
import type { AfterPeek, SqlCoordinator } from './state.ts';
import { subscribed, subscriptionFailed } from './subscribed.ts';
import { advanceTables } from './timelines.ts';
import { endOverdue } from './timeouts.ts';
import type { Response, SqlEffect, SqlEvent } from './types.ts';
import type { WorkerFeedback } from './worker.ts';
import { changed } from './writes.ts';

/** Performs one event. Throws only when an invariant is broken, and 54000 for a `connect` too many. */
export function step(state: SqlCoordinator, event: SqlEvent): readonly SqlEffect[] {
  const before = frontiersOf(state);
  const turn: Turn = { state, out: [], woken: [] };
  handle(turn, event);
  settle(turn);
  advanceTables(state, turn.out);
  maintain(state, turn.out);
  checkStep(state, before, turn.out);
  return turn.out;
}

function handle(turn: Turn, event: SqlEvent): void {
  const { state } = turn;
  switch (event.kind) {
    case 'clock':
      clock(turn, event.now);
      break;
    case 'connect':
      connect(state, event);
      break;
    case 'feedback':
      feedback(turn, event.feedback);
      break;
    case 'replicatedTables':
      state.replicated.clear();
      for (const { schema, table, columns } of event.tables) {
        state.replicated.set(`${schema}.${table}`, columns);
      }
      break;
    case 'refuseWrites':
      state.refusal = event.reason;
      break;
    default:
      handleSession(turn, event);
  }
}

/** Events of a session that is gone do nothing. */
function handleSession(
  turn: Turn,
  event: SqlEvent & {
    readonly kind: 'run' | 'execute' | 'sync' | 'cancel' | 'disconnect' | 'headerRead';
  },
): void {
  const context = contextOf(turn, event.connection);
  if (context === undefined) return;
  switch (event.kind) {
    case 'run': {
      const { statements } = event;
      startBatch(context, { kind: 'run', statements, parameters: null, next: 0 });
      break;
    }
    case 'execute': {
      const { statement, parameters } = event;
      startBatch(context, { kind: 'execute', statements: [statement], parameters, next: 0 });
      break;
    }
    case 'sync':
      sync(context);
      break;
    case 'cancel':
      cancel(context, event.secret);
      break;
    case 'disconnect':
      disconnect(context);
      break;
    case 'headerRead':
      header(context, event.result);
      break;
    default:
      unreachable(event);
  }
}

/** Lets everybody go on who has what it waited for. Each turn ends a wait, and batches are finite. */
function settle(turn: Turn): void {
  const { woken } = turn;
  grantLock(turn);
  for (let next = woken.shift(); next !== undefined; next = woken.shift()) {
    const context = contextOf(turn, next.connection);
    if (context !== undefined) resume(context, next.outcome);
    grantLock(turn);
  }
}

/** A clock that goes back stands still here. */
function clock(turn: Turn, now: number): void {
  const { state } = turn;
  state.now = Math.max(state.now, now);
  for (const [connection, deadline] of state.deadlines) {
    if (deadline > state.now) continue;
    state.deadlines.delete(connection);
    const context = contextOf(turn, connection);
    if (context !== undefined) serveFetch(context);
  }
  endOverdue(turn);
}

function header(
  context: Context,
  result: (SqlEvent & { readonly kind: 'headerRead' })['result'],
): void {
  const { running } = context.session;
  if (running?.kind !== 'header') return;
  if (result.kind === 'names') {
    wakeWith(context, () => headerRead(context, running.statement, result.names));
    return;
  }
  const error = sqlError('58030', result.message, { offset: running.statement.offset });
  wake(context, { kind: 'failed', origin: 'statement', error });
}

function feedback(turn: Turn, told: WorkerFeedback): void {
  switch (told.kind) {
    case 'uppers':
      uppersTold(turn.state, told.uppers);
      break;
    case 'sinces':
      sincesTold(turn.state, told.sinces);
      break;
    case 'peekRows':
      peekRows(turn, told);
      break;
    case 'peekDone':
      peekDone(turn, told);
      break;
    case 'subscribed':
      subscribed(turn, told);
      break;
    case 'subscriptionFailed':
      subscriptionFailed(turn, told);
      break;
    case 'sinkReady':
      sinkReady(turn, told.id);
      break;
    case 'failed':
      itemFailed(turn, told);
      break;
    default:
      unreachable(told);
  }
}

/** Rows of a SELECT go out as they come: their statement cannot be undone by anything that follows. */
function peekRows(
  turn: Turn,
  { peek: number, rows }: WorkerFeedback & { readonly kind: 'peekRows' },
): void {
  const peek = turn.state.peeks.get(number);
  if (peek === undefined) return;
  const { connection } = peek;
  const running = contextOf(turn, connection)?.session.running;
  assert(running?.kind === 'peek' && running.peek === number, `Q7: peek ${number} is waited for`);
  assert(running.goal.kind === 'select', 'only a SELECT is told as it comes');
  const { columns } = running.goal;
  if (running.toldRows === 0) turn.out.push({ kind: 'streamColumns', connection, columns });
  running.toldRows += rows.length;
  turn.out.push({ kind: 'streamRows', connection, rows, peek: number });
}

/** Each peek ends once: answers to forgotten ones are ignored. */
function peekDone(
  turn: Turn,
  { peek: number, result }: WorkerFeedback & { readonly kind: 'peekDone' },
): void {
  const peek = turn.state.peeks.get(number);
  if (peek === undefined) return;
  const context = contextOf(turn, peek.connection);
  const running = context?.session.running;
  assert(context !== undefined && running?.kind === 'peek', `Q7: peek ${number} is waited for`);
  assert(running.peek === number, `Q7: ${peek.connection} waits for ${number}`);
  forgetPeek(context, number);
  const { goal, toldRows } = running;
  if (result.kind === 'rows') {
    wakeWith(context, () =>
      answer(context, { goal, toldRows, rows: result.rows, time: peek.time }),
    );
  } else if (result.kind === 'error') {
    wake(context, { kind: 'failed', origin: 'peek', error: toError(result) });
  } else {
    const isRead = goal.kind === 'select' || goal.kind === 'cursor';
    wake(context, { kind: 'canceled', what: isRead ? 'read' : 'write' });
  }
}

function answer(
  context: Context,
  done: {
    readonly goal: AfterPeek;
    readonly rows: readonly SqlRow[];
    readonly toldRows: number;
    readonly time: number;
  },
): Response | null {
  const { goal, rows, toldRows, time } = done;
  switch (goal.kind) {
    case 'select': {
      const told = toldRows === 0 ? {} : { toldRows };
      return { kind: 'rows', what: 'select', columns: goal.columns, rows, time, ...told };
    }
    case 'cursor':
      return fillCursor(context, goal, rows);
    case 'keys':
      refuseTaken(context.state, goal.table, rows);
      checkKeys(context, goal.response, goal.next);
      return null;
    default:
      return changed(context, goal, rows);
  }
}

/** The target is open. A sink that was dropped meanwhile was made and dropped. */
function sinkReady(turn: Turn, id: string): void {
  const item = turn.state.catalog.items.get(id);
  if (item?.kind === 'sink') item.isPending = false;
  const context = waitingForSink(turn, id);
  const running = context?.session.running;
  if (context === undefined || running?.kind !== 'sink') return;
  wakeWith(context, () => running.response);
}

/** A sink that cannot begin was never there. What fails later is told to those who read it, by the worker. */
function itemFailed(turn: Turn, told: WorkerFeedback & { readonly kind: 'failed' }): void {
  const item = turn.state.catalog.items.get(told.id);
  if (item?.kind === 'sink' && item.isPending) removeItems(turn, [told.id]);
  const context = waitingForSink(turn, told.id);
  if (context === undefined) return;
  wake(context, { kind: 'failed', origin: 'statement', error: toError(told) });
}

function waitingForSink(turn: Turn, id: string): Context | undefined {
  for (const { connection, running } of turn.state.sessions.values()) {
    if (running?.kind === 'sink' && running.id === id) return contextOf(turn, connection);
  }
  return undefined;
}

function toError({ code, message }: { readonly code: string; readonly message: string }): SqlError {
  return sqlError(isSqlState(code) ? code : 'XX000', message);
}
