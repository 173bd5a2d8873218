/** How a transaction ends. */
import { type Context, transactionOf } from './context.ts';
import { releaseHold } from './frontiers.ts';
import { newKeys, rowsWithKeys } from './keys.ts';
import { peek, planFreshRead } from './reads.ts';
import { dropSubscriptionsOf } from './subscriptions.ts';
import { releaseLock, writeNow } from './transactions.ts';
import type { Response } from './types.ts';

/**
 * Commits, then answers. Who writes waits while another session is between its read and its write: that one's
 * write depends on nothing having been written since.
 */
export function endTransaction(context: Context, response: Response | null): void {
  const { state, session } = context;
  const { writes } = transactionOf(context);
  const { lock } = state;
  if (writes.length > 0 && lock.owner !== null && lock.owner !== session.connection) {
    lock.queue.push(session.connection);
    session.running = { kind: 'lock', goal: { kind: 'commit', response } };
    return;
  }
  checkKeys(context, response, 0);
}

/** Keys are checked table by table, under the lock; then everything is written at once. */
export function checkKeys(context: Context, response: Response | null, from: number): void {
  const { state, session, out } = context;
  const transaction = transactionOf(context);
  const next = newKeys(state, transaction)[from];
  if (next !== undefined) {
    state.lock.owner = session.connection;
    const query = rowsWithKeys(next);
    const goal = { kind: 'keys', table: next.table.id, next: from + 1, response } as const;
    peek(context, { query, read: planFreshRead(context, query, 0), goal });
    return;
  }
  writeNow(context, transaction);
  closeTransaction(context);
  if (response !== null) out.push({ kind: 'respond', connection: session.connection, response });
}

/** Gives back everything that the transaction held. */
export function closeTransaction(context: Context): void {
  const { state, session } = context;
  const { transaction } = session;
  if (transaction === null) return;
  session.transaction = null;
  if (transaction.domain?.hold) releaseHold(state, transaction.domain.hold);
  dropSubscriptionsOf(context);
  session.cursors.clear();
  releaseLock(state, session.connection);
}
