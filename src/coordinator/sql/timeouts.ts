/** `statement_timeout`: how long a statement may read, or wait for the write lock. Streams and FETCH wait as they like. */
import { sqlError } from '../../sql/errors.ts';
import { type Context, contextOf, type Turn, wake } from './context.ts';
import { stopRunning } from './running.ts';
import type { Running } from './state.ts';

/** The clock is told at least so often: a statement has its whole time, and up to so much more. */
const CLOCK_STEP_MS = 100;

const BOUNDED: ReadonlySet<Running['kind']> = new Set<Running['kind']>(['peek', 'lock']);

/** A new statement begins: its time is its own. */
export function forgetTimeout({ state, session }: Context): void {
  state.timeouts.delete(session.connection);
}

/** The session's statement waits: from its first wait on its time runs. */
export function watchTime({ state, session, out }: Context): void {
  const { connection, running, timeoutMs } = session;
  if (running === null || timeoutMs === 0 || !BOUNDED.has(running.kind)) return;
  if (state.timeouts.has(connection)) return;
  const at = state.now + timeoutMs + CLOCK_STEP_MS;
  state.timeouts.set(connection, at);
  out.push({ kind: 'setTimer', at });
}

/** The clock has moved. */
export function endOverdue(turn: Turn): void {
  const { state } = turn;
  for (const [connection, at] of state.timeouts) {
    if (at > state.now) continue;
    state.timeouts.delete(connection);
    const context = contextOf(turn, connection);
    const { running = null } = context?.session ?? {};
    if (context === undefined || running === null || !BOUNDED.has(running.kind)) continue;
    stopRunning(context);
    const error = sqlError('57014', 'canceling statement due to statement timeout', {
      hint: 'SET statement_timeout gives it more time',
    });
    wake(context, { kind: 'failed', origin: 'statement', error });
  }
}
