/** What a step works with. */
import { assert } from '../../core/assert.ts';
import type { SqlError } from '../../sql/errors.ts';
import type { Running, Session, SqlCoordinator, Transaction } from './state.ts';
import type { ConnectionId, Response, SqlEffect } from './types.ts';
import type { WorkerCommand } from './worker.ts';

/** One step: effects so far, and who has what it waited for. */
export type Turn = {
  readonly state: SqlCoordinator;
  readonly out: SqlEffect[];
  readonly woken: Wakening[];
};

/** How it goes on. */
export type Outcome =
  /** Gives the answer of the statement that waited, throws its failure, or waits for something else (null). */
  | { readonly kind: 'there'; readonly finish: () => Response | null }
  | { readonly kind: 'failed'; readonly origin: 'statement' | 'peek'; readonly error: SqlError }
  | { readonly kind: 'canceled'; readonly what: 'read' | 'write' };

type Wakening = { readonly connection: ConnectionId; readonly outcome: Outcome };

/** One session in one step. */
export type Context = Turn & { readonly session: Session };

export function contextOf(turn: Turn, connection: ConnectionId): Context | undefined {
  const session = turn.state.sessions.get(connection);
  return session === undefined ? undefined : { ...turn, session };
}

/** The session goes on before the step ends. */
export function wake({ session, woken }: Context, outcome: Outcome): void {
  const { connection, running } = session;
  assert(running !== null && running.kind !== 'woken', `connection ${connection} waits`);
  session.running = WOKEN;
  woken.push({ connection, outcome });
}

export function wakeWith(context: Context, finish: () => Response | null): void {
  wake(context, { kind: 'there', finish });
}

const WOKEN: Running = { kind: 'woken' };

export function transactionOf({ session }: Context): Transaction {
  assert(session.transaction !== null, 'a statement runs in a transaction');
  return session.transaction;
}

export function isImplicit({ kind }: Transaction): boolean {
  return kind === 'started' || kind === 'implicit';
}

export function command({ out }: Turn, worker: WorkerCommand): void {
  out.push({ kind: 'worker', command: worker });
}
