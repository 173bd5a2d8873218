/** How a transaction ends. */
import { assert } from '../../core/assert.ts';
import type { Context } from './context.ts';
import { releaseHold } from './frontiers.ts';
import { dropSubscriptionsOf } from './subscriptions.ts';
import { releaseLock, writeNow } from './transactions.ts';
import type { Response } from './types.ts';

/**
 * Commits, then answers. Who writes waits while another session is between its read and its write: that one's
 * write depends on nothing having been written since.
 */
export function endTransaction(context: Context, response: Response | null): void {
  const { state, session, out } = context;
  const { transaction } = session;
  assert(transaction !== null, 'a transaction is ended once');
  const { lock } = state;
  if (transaction.writes.length > 0 && lock.owner !== null && lock.owner !== session.connection) {
    lock.queue.push(session.connection);
    session.running = { kind: 'lock', goal: { kind: 'commit', response } };
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
