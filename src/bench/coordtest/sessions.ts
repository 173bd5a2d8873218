/** Sessions as the directives use them: a batch runs, somebody waits, something is printed. */
import type { SqlEffect } from '../../coordinator/sql/types.ts';
import { parseBatch } from '../../sql/parse/batch.ts';
import type { ItemId } from '../../sql/types.ts';
import type { Profile } from './profiles.ts';
import type { Answers, CoordtestSystem } from './system.ts';

/** Rounds of delivery until an answer must be there. */
export const WAIT_STEPS_MAX = 500;

/** Runs a batch in a session of its own, waits for its answers, commits what it left open, closes it. */
export function runOnce(
  system: CoordtestSystem,
  sql: string,
  how: { readonly waits: Profile['waits']; readonly held: ReadonlySet<ItemId> },
): { readonly effects: readonly SqlEffect[]; readonly isDone: boolean } {
  const session = system.open();
  try {
    start(system, session, sql);
    const isDone = waitFor(system, session, how);
    const effects = [...session.effects];
    if (isDone) commitOpen(system, session);
    return { effects, isDone };
  } finally {
    system.close(session);
  }
}

export function start(system: CoordtestSystem, session: Answers, sql: string): void {
  const { connection } = session;
  system.do({ kind: 'run', connection, statements: parseBatch(sql) });
}

/** False when it cannot end: nothing is left to be handed on, or the rounds are used up. */
export function waitFor(
  system: CoordtestSystem,
  session: Answers,
  { waits, held }: { readonly waits: Profile['waits']; readonly held: ReadonlySet<ItemId> },
): boolean {
  for (let round = 0; round < WAIT_STEPS_MAX && !session.isReady; round++) {
    if (waits === 'steps') {
      system.addTime(1);
      system.deliverExcept(held);
      continue;
    }
    if (!system.pending.some(isAnswer)) return false;
    system.deliver(isAnswer);
  }
  return session.isReady;
}

function isAnswer({ kind }: { readonly kind: string }): boolean {
  return kind === 'peekDone' || kind === 'subscribed';
}

function commitOpen(system: CoordtestSystem, session: Answers): void {
  const open = system.state.sessions.get(session.connection)?.transaction;
  if (open) start(system, session, 'COMMIT');
}
