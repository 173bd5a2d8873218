/**
 * SUBSCRIBE: changes of a query as rows, to a stream or to a cursor. A row is the time, with progress whether it is
 * only progress, how often the row is added (below zero: taken away), and the columns.
 */
import { assert } from '../../core/assert.ts';
import { notSupported, sqlError } from '../../sql/errors.ts';
import type { Query } from '../../sql/plan.ts';
import type { Statement } from '../../sql/statement.ts';
import type { Column, ItemId } from '../../sql/types.ts';
import { bindRelation, timeOf } from './binding.ts';
import { nearestIndexes } from './catalog.ts';
import { type Context, command, contextOf, type Turn, transactionOf, wake } from './context.ts';
import { expandQuery } from './expand.ts';
import { meet, releaseHold, takeHold } from './frontiers.ts';
import { type HoldId, oracleOf, type Session } from './state.ts';
import { tell, validateTimeline } from './timelines.ts';
import { startOperation } from './transactions.ts';
import type { Time } from './worker.ts';

export type SubscribeStatement = Statement & { readonly kind: 'subscribe' };

/** Runs until it is canceled or everything it reads is complete. */
export function startStream(context: Context, statement: SubscribeStatement): null {
  const { session, out } = context;
  const { subscription, columns } = subscribe(context, statement, null);
  session.running = { kind: 'stream', subscription, rows: 0 };
  out.push({ kind: 'streamColumns', connection: session.connection, columns });
  return null;
}

export function subscribe(
  context: Context,
  statement: SubscribeStatement,
  cursor: string | null,
): { readonly subscription: number; readonly columns: readonly Column[] } {
  const { state, session } = context;
  const query = bindRelation(context, statement.relation);
  if (query.usesSession) {
    throw notSupported('a subscription to the session or pg_catalog', statement.offset);
  }
  const { indexes, unindexed } = nearestIndexes(state.catalog, query.items);
  const ids = [...indexes, ...unindexed];
  const asOf = startOf(context, statement, query, { ids, isIndexed: unindexed.length === 0 });
  state.lastSubscription += 1;
  const subscription = state.lastSubscription;
  takeHold(state, holdOf(subscription), { ids, time: asOf });
  const { hasProgress, hasSnapshot } = statement;
  const columns = subscriptionColumns(query, hasProgress);
  const { connection } = session;
  const record = { connection, columns, hasProgress, ids, upper: asOf, asOf, cursor };
  state.subscriptions.set(subscription, record);
  command(context, {
    kind: 'subscribe',
    subscription,
    query: expandQuery(state, query),
    asOf,
    hasSnapshot,
  });
  return { subscription, columns };
}

/** With what is known to be final, not before what can be read, and not before what anybody was told. */
function startOf(
  context: Context,
  { asOf, offset }: SubscribeStatement,
  query: Query,
  reads: { readonly ids: readonly ItemId[]; readonly isIndexed: boolean },
): Time {
  const { state, session } = context;
  const timeline = validateTimeline(state, query.items, offset);
  const { upper, since } = meet(state, reads.ids);
  if (asOf !== null) {
    const named = timeOf(context, asOf);
    const time = asOf.isAtLeast ? Math.max(named, since) : named;
    if (time >= since) return time;
    const message = `Timestamp (${time}) is not valid for all inputs: since is ${since}`;
    throw sqlError('55000', message, { offset });
  }
  startOperation(transactionOf(context), 'subscribe', offset);
  const start = state.options.rules.startTime(reads.isIndexed ? upper : 0, since);
  if (timeline === null || session.isolation !== 'strict') return start;
  const time = Math.max(start, oracleOf(state, timeline));
  tell(state, timeline, time);
  return time;
}

export function dropSubscription(context: Context, subscription: number): void {
  const { state } = context;
  if (!state.subscriptions.delete(subscription)) return;
  releaseHold(state, holdOf(subscription));
  command(context, { kind: 'unsubscribe', subscription });
}

export function dropSubscriptionsOf(context: Context): void {
  const { state, session } = context;
  for (const [number, { connection }] of state.subscriptions) {
    if (connection === session.connection) dropSubscription(context, number);
  }
}

function endCursor({ cursors }: Session, name: string): void {
  const cursor = cursors.get(name);
  if (cursor !== undefined) cursor.isDone = true;
}

/** Items were dropped: who subscribed to them hears so. */
export function endSubscriptionsOf(turn: Turn, ids: readonly ItemId[]): void {
  for (const [number, subscription] of turn.state.subscriptions) {
    if (!subscription.ids.some((id) => ids.includes(id))) continue;
    const context = contextOf(turn, subscription.connection);
    assert(context !== undefined, 'a subscription ends with its session');
    dropSubscription(context, number);
    const { session } = context;
    if (subscription.cursor !== null) endCursor(session, subscription.cursor);
    if (session.running === null) continue;
    const error = sqlError('55000', 'what is subscribed to was dropped');
    wake(context, { kind: 'failed', origin: 'statement', error });
  }
}

export function subscriptionColumns(query: Query, hasProgress: boolean): readonly Column[] {
  const progress: Column = { name: 'mz_progressed', type: 'bool', isNullable: false };
  return [
    { name: 'mz_timestamp', type: 'numeric', isNullable: false },
    ...(hasProgress ? [progress] : []),
    { name: 'mz_diff', type: 'int8', isNullable: hasProgress },
    ...query.columns.map((column) => (hasProgress ? { ...column, isNullable: true } : column)),
  ];
}

export function holdOf(subscription: number): HoldId {
  return `subscription:${subscription}`;
}
