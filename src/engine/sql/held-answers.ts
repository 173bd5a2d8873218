/**
 * Answers that wait: who makes a source of a replicated table is answered when its rows are there, so that the next
 * statement can read them.
 */
import type { ConnectionId, SqlEffect } from '../../coordinator/sql/types.ts';
import type { ItemId } from '../../sql/types.ts';

type SessionEffect = Extract<SqlEffect, { readonly connection: ConnectionId }>;

export class HeldAnswers {
  readonly #tell: (effect: SessionEffect) => void;
  readonly #held = new Map<
    ConnectionId,
    { readonly id: ItemId; readonly effects: SessionEffect[] }
  >();

  constructor(tell: (effect: SessionEffect) => void) {
    this.#tell = tell;
  }

  /** What is told to this connection waits until `release(id)`. */
  hold(connection: ConnectionId, id: ItemId): void {
    this.#held.set(connection, { id, effects: [] });
  }

  /** Tells it, now or later. */
  tell(effect: SessionEffect): void {
    const held = this.#held.get(effect.connection);
    if (held === undefined) this.#tell(effect);
    else held.effects.push(effect);
  }

  release(id: ItemId): void {
    for (const [connection, held] of this.#held) if (held.id === id) this.letGo(connection);
  }

  /** The one who waits does not want to any more. True when there was one. */
  letGo(connection: ConnectionId): boolean {
    const held = this.#held.get(connection);
    if (held === undefined) return false;
    this.#held.delete(connection);
    for (const effect of held.effects) this.#tell(effect);
    return true;
  }
}
