/** Has tables given REPLICA IDENTITY FULL, says what became of it, and tries locked ones again. */
import { giveFullIdentity, type ReplicaIdentityMode } from '../postgres/replica-identity.ts';
import type { PgSession } from '../postgres/session.ts';
import type { TableDeclaration } from '../postgres/table-fitness.ts';
import type { TableState } from './api.ts';
import { givenFull } from './source-words.ts';

export type FullIdentityOptions = {
  readonly replicaIdentity: ReplicaIdentityMode;
  readonly declarations: readonly TableDeclaration[];
  readonly onNotice: (notice: string) => void;
};

/** A start may wait for a lock; later, who waits for it holds up the application. */
const START_LOCK_MS_MAX = 2000;
const RETRY_LOCK_MS_MAX = 50;

export class FullIdentity {
  readonly #options: FullIdentityOptions;
  #told = '';

  constructor(options: FullIdentityOptions) {
    this.#options = options;
  }

  /** Before tables are described and published: what it changes is announced with them. */
  async give(session: PgSession): Promise<void> {
    if (this.#options.replicaIdentity === 'leave') return;
    await this.#give(session, { isQuiet: true, lockMsMax: START_LOCK_MS_MAX });
  }

  /** For tables that were locked; true when some have it now. Event triggers put them into the stream. */
  async retry(session: PgSession, tables: readonly TableState[]): Promise<boolean> {
    if (this.#options.replicaIdentity === 'leave') return false;
    if (tables.every(({ state }) => state === 'live')) return false;
    return this.#give(session, { isQuiet: false, lockMsMax: RETRY_LOCK_MS_MAX });
  }

  async #give(
    session: PgSession,
    manner: { readonly isQuiet: boolean; readonly lockMsMax: number },
  ): Promise<boolean> {
    const { declarations, onNotice } = this.#options;
    const { changed, busy, refused } = await giveFullIdentity(session, { declarations, ...manner });
    if (changed.length > 0) onNotice(givenFull(changed));
    const told = [
      ...busy.map((name) => `${name} is locked: REPLICA IDENTITY FULL is set when it is free`),
      ...refused.map(
        (name) => `${name} belongs to another role: its owner must set REPLICA IDENTITY FULL`,
      ),
    ];
    if (told.join() !== this.#told) for (const line of told) onNotice(line);
    this.#told = told.join();
    return changed.length > 0;
  }
}
