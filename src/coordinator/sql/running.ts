/** What a session waits for is given up. */
import { type Context, command } from './context.ts';
import { forgetPeek } from './reads.ts';

/** The worker is told, the queue is left. The statement itself is not ended by this. */
export function stopRunning(context: Context): void {
  const { running } = context.session;
  if (running?.kind === 'peek') {
    forgetPeek(context, running.peek);
    command(context, { kind: 'cancelPeek', peek: running.peek });
  }
  if (running?.kind === 'lock') leaveQueue(context);
}

export function leaveQueue({ state, session }: Context): void {
  const { queue } = state.lock;
  queue.splice(queue.indexOf(session.connection), 1);
}
