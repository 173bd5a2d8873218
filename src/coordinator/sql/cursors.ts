/** Cursors: DECLARE names a query, FETCH runs it the first time and hands out its rows. */
import { assert } from '../../core/assert.ts';
import { notSupported, sqlError } from '../../sql/errors.ts';
import type { Statement } from '../../sql/statement.ts';
import type { SqlRow } from '../../sql/types.ts';
import { bindQuery } from './binding.ts';
import { type Context, transactionOf, wakeWith } from './context.ts';
import { select } from './reads.ts';
import { CURSORS_MAX, type Cursor, NEVER } from './state.ts';
import { dropSubscription, subscribe } from './subscriptions.ts';
import type { Response } from './types.ts';

type FetchStatement = Statement & { readonly kind: 'fetch' };

export function declareCursor(
  context: Context,
  { cursor, statement, offset }: Statement & { readonly kind: 'declare' },
): Response {
  const { session } = context;
  if (transactionOf(context).kind === 'started') {
    const hint = 'BEGIN one first; its COMMIT closes the cursor';
    throw sqlError('25P01', 'DECLARE CURSOR can only be used in transaction blocks', {
      offset,
      hint,
    });
  }
  if (session.cursors.has(cursor)) {
    throw sqlError('42P03', `cursor "${cursor}" already exists`, { offset });
  }
  if (session.cursors.size >= CURSORS_MAX) {
    throw sqlError('54000', `a session has at most ${CURSORS_MAX} cursors`, { offset });
  }
  if (statement.kind !== 'select' && statement.kind !== 'subscribe') {
    throw notSupported('a cursor for anything but SELECT and SUBSCRIBE', offset);
  }
  session.cursors.set(cursor, {
    statement,
    subscription: null,
    columns: [],
    rows: [],
    hasRun: false,
    isDone: false,
    failure: null,
  });
  return { kind: 'declared' };
}

export function closeCursor(
  context: Context,
  { cursor, offset }: Statement & { readonly kind: 'closeCursor' },
): Response {
  const { cursors } = context.session;
  const names = cursor === null ? [...cursors.keys()] : [cursor];
  for (const name of names) {
    const { subscription } = findCursor(context, name, offset);
    if (subscription !== null) dropSubscription(context, subscription);
    cursors.delete(name);
  }
  return { kind: 'closed' };
}

export function fetchCursor(context: Context, statement: FetchStatement): Response | null {
  const { session, state } = context;
  const { count, timeoutMs, offset } = statement;
  const cursor = findCursor(context, statement.cursor, offset);
  if (!cursor.hasRun) {
    cursor.hasRun = true;
    if (cursor.statement.kind === 'select') {
      cursor.columns = bindQuery(context, cursor.statement.select).columns;
      return select(context, cursor.statement, { kind: 'cursor', cursor: statement.cursor, count });
    }
    assert(cursor.statement.kind === 'subscribe', 'a cursor is of a SELECT or a SUBSCRIBE');
    const { columns, subscription } = subscribe(context, cursor.statement, statement.cursor);
    cursor.columns = columns;
    cursor.subscription = subscription;
  }
  const waitMs = timeoutMs ?? (count === null ? 0 : NEVER);
  const deadline = state.now + waitMs;
  if (isServed(cursor, { count, deadline }, state.now)) return served(cursor, count);
  session.running = { kind: 'fetch', cursor: statement.cursor, count, deadline };
  if (deadline < NEVER) {
    state.deadlines.set(session.connection, deadline);
    context.out.push({ kind: 'setTimer', at: deadline });
  }
  return null;
}

/** The rows of a cursor's SELECT are there. */
export function fillCursor(
  context: Context,
  goal: { readonly cursor: string; readonly count: number | null },
  rows: readonly SqlRow[],
): Response {
  const cursor = findCursor(context, goal.cursor, 0);
  cursor.rows = [...rows];
  cursor.isDone = true;
  return served(cursor, goal.count);
}

/** Ends the session's waiting FETCH when it has what it wants, or its time is over. */
export function serveFetch(context: Context): void {
  const { session, state } = context;
  const { running } = session;
  if (running?.kind !== 'fetch') return;
  const cursor = session.cursors.get(running.cursor);
  assert(cursor !== undefined, 'a FETCH has its cursor');
  if (isServed(cursor, running, state.now)) {
    wakeWith(context, () => served(cursor, running.count));
  }
}

function isServed(
  cursor: Cursor,
  want: { readonly count: number | null; readonly deadline: number },
  now: number,
): boolean {
  if (cursor.isDone || want.deadline <= now) return true;
  return want.count !== null && cursor.rows.length >= want.count;
}

function served(cursor: Cursor, count: number | null): Response {
  if (cursor.failure !== null) throw cursor.failure;
  const rows = cursor.rows.splice(0, count ?? cursor.rows.length);
  return { kind: 'rows', what: 'fetch', columns: cursor.columns, rows, time: null };
}

function findCursor({ session }: Context, name: string, offset: number): Cursor {
  const cursor = session.cursors.get(name);
  if (cursor === undefined) throw sqlError('34000', `cursor "${name}" does not exist`, { offset });
  return cursor;
}
