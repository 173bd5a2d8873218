/** What the worker tells of subscriptions, on its way to streams and cursors. */
import { assert } from '../../core/assert.ts';
import { isSqlState, sqlError } from '../../sql/errors.ts';
import type { SqlRow, SqlValue } from '../../sql/types.ts';
import { type Context, contextOf, type Turn, wake, wakeWith } from './context.ts';
import { serveFetch } from './cursors.ts';
import { moveHold } from './frontiers.ts';
import { type Subscription, UNFETCHED_MAX } from './state.ts';
import { dropSubscription, holdOf } from './subscriptions.ts';
import type { Frontier, Time, TimedDelta, WorkerFeedback } from './worker.ts';

/** The worker told changes. Of a subscription that is gone nothing more is wanted. */
export function subscribed(
  turn: Turn,
  told: WorkerFeedback & { readonly kind: 'subscribed' },
): void {
  const { state } = turn;
  const { subscription: number, deltas, upper } = told;
  const subscription = state.subscriptions.get(number);
  if (subscription === undefined) return;
  const before = subscription.upper;
  checkTold(subscription, told);
  subscription.upper = upper;
  if (upper !== null) moveHold(state, holdOf(number), Math.max(0, upper - 1));
  const rows = deltas.map((delta) => changeRow(subscription, delta));
  const hasMoved = upper !== null && (before === null || upper > before);
  if (subscription.hasProgress && hasMoved) rows.push(progressRow(subscription, upper));
  const context = contextOf(turn, subscription.connection);
  assert(context !== undefined, 'a subscription ends with its session');
  if (subscription.cursor === null) tellStream(context, number, { rows, upper });
  else tellCursor(context, { number, cursor: subscription.cursor, rows, upper });
}

/** Who streams hears why; who fetches hears it with the next FETCH. */
export function subscriptionFailed(
  turn: Turn,
  told: WorkerFeedback & { readonly kind: 'subscriptionFailed' },
): void {
  const subscription = turn.state.subscriptions.get(told.subscription);
  if (subscription === undefined) return;
  const context = contextOf(turn, subscription.connection);
  assert(context !== undefined, 'a subscription ends with its session');
  dropSubscription(context, told.subscription);
  const error = sqlError(isSqlState(told.code) ? told.code : 'XX000', told.message);
  if (subscription.cursor === null) {
    wake(context, { kind: 'failed', origin: 'statement', error });
    return;
  }
  const cursor = context.session.cursors.get(subscription.cursor);
  assert(cursor !== undefined, 'a subscription ends with its cursor');
  cursor.isDone = true;
  cursor.failure = error;
  serveFetch(context);
}

/** Each change is told once, after everything before it. */
function checkTold(
  { upper, asOf }: Subscription,
  told: { readonly deltas: readonly TimedDelta[]; readonly upper: Frontier },
): void {
  assert(upper !== null, 'Q8: nothing is told after the end');
  const isForward = told.upper === null || told.upper >= upper;
  assert(isForward, `Q8: progress goes from ${upper} to ${told.upper}`);
  for (const { time } of told.deltas) {
    const isNew = time >= upper || (time <= asOf && upper === asOf);
    const isTold = told.upper === null || time < told.upper;
    assert(isNew && isTold, `Q8: a change at ${time} between ${upper} and ${told.upper}`);
  }
}

function tellStream(
  context: Context,
  subscription: number,
  { rows, upper }: { readonly rows: readonly SqlRow[]; readonly upper: Frontier },
): void {
  const { session, out } = context;
  const { running, connection } = session;
  assert(running?.kind === 'stream', 'a stream runs while its session waits for it');
  running.rows += rows.length;
  if (rows.length > 0) out.push({ kind: 'streamRows', connection, rows });
  if (upper !== null) return;
  dropSubscription(context, subscription);
  wakeWith(context, () => ({ kind: 'streamEnded', rows: running.rows }));
}

function tellCursor(
  context: Context,
  told: {
    readonly number: number;
    readonly cursor: string;
    readonly rows: readonly SqlRow[];
    readonly upper: Frontier;
  },
): void {
  const cursor = context.session.cursors.get(told.cursor);
  assert(cursor !== undefined, 'a subscription ends with its cursor');
  for (const row of told.rows) cursor.rows.push(row);
  if (told.upper === null) cursor.isDone = true;
  if (cursor.rows.length > UNFETCHED_MAX) {
    cursor.rows = [];
    cursor.isDone = true;
    const hint = 'FETCH more often, or subscribe without a cursor';
    cursor.failure = sqlError('54000', 'too many changes were not fetched', { hint });
    dropSubscription(context, told.number);
  }
  serveFetch(context);
}

function changeRow({ hasProgress }: Subscription, { time, diff, row }: TimedDelta): SqlRow {
  const progressed: SqlValue[] = hasProgress ? [false] : [];
  return [String(time), ...progressed, BigInt(diff), ...row];
}

function progressRow({ columns }: Subscription, upper: Time): SqlRow {
  return [String(upper), true, ...columns.slice(2).map(() => null)];
}
