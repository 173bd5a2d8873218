/**
 * Sessions: batches of statements, and how each statement ends.
 *
 *   batch:  statement -> (running: peek, lock, header, sink, stream, fetch)* -> respond -> next ... -> ready
 *                     -> fail or canceled -> ready
 *
 * Statements of one session run one after the other. The last one of an implicit transaction is answered after the
 * commit, so that an answer is a promise.
 */
import { assert } from '../../core/assert.ts';
import { SqlError, sqlError } from '../../sql/errors.ts';
import type { Statement } from '../../sql/statement.ts';
import {
  type Context,
  command,
  contextOf,
  isImplicit,
  type Outcome,
  type Turn,
  wake,
} from './context.ts';
import { closeTransaction, endTransaction } from './ending.ts';
import { execute } from './execute.ts';
import { leaveQueue, stopRunning } from './running.ts';
import { undoSettings } from './settings.ts';
import { type Batch, SESSIONS_MAX, type SqlCoordinator, statusOf } from './state.ts';
import { dropSubscriptionsOf } from './subscriptions.ts';
import { forgetTimeout, watchTime } from './timeouts.ts';
import { checkAllowed, newTransaction } from './transactions.ts';
import type { Response, SqlEvent } from './types.ts';

/** Throws 54000 when there are too many. */
export function connect(state: SqlCoordinator, event: SqlEvent & { kind: 'connect' }): void {
  const { connection, secret } = event;
  assert(!state.sessions.has(connection), `connection ${connection} is new`);
  if (state.sessions.size >= SESSIONS_MAX) throw sqlError('54000', 'too many connections');
  const { database, schema, isolation } = state.options;
  state.sessions.set(connection, {
    connection,
    secret,
    user: event.user || database,
    database: event.database ?? database,
    schema,
    isolation,
    transaction: null,
    batch: null,
    running: null,
    cursors: new Map(),
    times: new Map(),
    settings: new Map(),
    timeoutMs: state.options.statementTimeoutMs,
  });
}

/** Nobody waits for an answer any more: everything the session held is given back. */
export function disconnect(context: Context): void {
  const { state, session } = context;
  stopRunning(context);
  closeTransaction(context);
  dropSubscriptionsOf(context);
  state.sessions.delete(session.connection);
  state.deadlines.delete(session.connection);
  forgetTimeout(context);
}

export function startBatch(context: Context, batch: Batch): void {
  assert(context.session.batch === null, 'a session runs one batch at a time');
  context.session.batch = batch;
  goOn(context);
}

/** Ends the implicit transaction of the extended protocol. */
export function sync(context: Context): void {
  const { session } = context;
  const { transaction } = session;
  assert(session.batch === null, 'a session runs one batch at a time');
  session.batch = { kind: 'execute', statements: [], parameters: null, next: 0 };
  if (transaction !== null && isImplicit(transaction)) {
    attempt(context, () => endTransaction(context, null));
  }
  goOn(context);
}

/** Whoever knows the secret ends what runs. The worker answers for a peek, and may have answered already. */
export function cancel(context: Context, given: number): void {
  const { state, session } = context;
  const { running } = session;
  if (running === null || !state.options.rules.mayCancel(session.secret, given)) return;
  if (running.kind === 'peek') {
    command(context, { kind: 'cancelPeek', peek: running.peek });
  } else if (running.kind === 'lock') {
    leaveQueue(context);
    wake(context, { kind: 'canceled', what: 'write' });
  } else if (running.kind === 'stream' || running.kind === 'fetch') {
    wake(context, { kind: 'canceled', what: 'read' });
  }
}

/** What a session waited for is there: its statement ends, its batch goes on. */
export function resume(context: Context, outcome: Outcome): void {
  const { session } = context;
  session.running = null;
  switch (outcome.kind) {
    case 'there':
      attempt(context, () => {
        const response = outcome.finish();
        if (response !== null) complete(context, response);
      });
      break;
    case 'failed':
      fail(context, outcome.origin, outcome.error);
      break;
    case 'canceled':
      canceled(context, outcome.what);
      break;
  }
  goOn(context);
}

/** While the lock is free, the next one in its queue has it. */
export function grantLock(turn: Turn): void {
  const { lock } = turn.state;
  if (lock.owner !== null) return;
  const connection = lock.queue.shift();
  if (connection === undefined) return;
  const context = contextOf(turn, connection);
  const running = context?.session.running;
  assert(context !== undefined && running?.kind === 'lock', `${connection} waits for the lock`);
  lock.owner = connection;
  const { goal } = running;
  const finish = (): Response | null => {
    if (goal.kind === 'statement') return execute(context, goal.statement);
    endTransaction(context, goal.response);
    return null;
  };
  wake(context, { kind: 'there', finish });
}

/** Runs statements until one has to wait or the batch is over. */
function goOn(context: Context): void {
  const { session, out } = context;
  while (session.batch !== null && session.running === null) {
    const { batch } = session;
    const statement = batch.statements[batch.next];
    if (statement === undefined) {
      session.batch = null;
      out.push({ kind: 'ready', connection: session.connection, status: statusOf(session) });
      return;
    }
    batch.next += 1;
    attempt(context, () => runStatement(context, batch, statement));
  }
  watchTime(context);
}

function runStatement(context: Context, batch: Batch, statement: Statement): void {
  const { session, state } = context;
  const { transaction } = session;
  forgetTimeout(context);
  if (transaction?.kind === 'started') transaction.kind = 'implicit';
  session.transaction ??= newTransaction(state, batch);
  checkAllowed(session.transaction, statement, state.options);
  const response = execute(context, statement);
  if (response !== null) complete(context, response);
}

/** The statement is done. */
function complete(context: Context, response: Response): void {
  const { session, out } = context;
  const { batch, transaction } = session;
  const isLast = batch !== null && batch.next >= batch.statements.length;
  if (batch?.kind === 'run' && isLast && transaction !== null && isImplicit(transaction)) {
    endTransaction(context, response);
    return;
  }
  out.push({ kind: 'respond', connection: session.connection, response });
}

/** A failure of the statement ends the batch; anything else is a bug and stops the step. */
function attempt(context: Context, act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    fail(context, 'statement', error);
  }
}

/** The statement failed: its transaction is undone, the rest of its batch is not run. */
function fail(context: Context, origin: 'statement' | 'peek', error: SqlError): void {
  abandon(context);
  context.out.push({ kind: 'fail', connection: context.session.connection, origin, error });
}

function canceled(context: Context, what: 'read' | 'write'): void {
  abandon(context);
  const response: Response = { kind: 'canceled', what };
  context.out.push({ kind: 'respond', connection: context.session.connection, response });
}

function abandon(context: Context): void {
  const { session } = context;
  const { transaction, batch } = session;
  session.running = null;
  undoSettings(session);
  closeTransaction(context);
  if (batch !== null) batch.next = batch.statements.length;
  if (transaction === null || isImplicit(transaction)) return;
  const emptied = { domain: null, writes: [], writtenRows: 0, before: null };
  session.transaction = { ...transaction, ...emptied, kind: 'failed' };
}
