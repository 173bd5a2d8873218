/**
 * What Postgres says of itself every few seconds while the stream runs: how far it is, what WAL the slot keeps,
 * and whether somebody took away what the stream needs. Postgres sends on then, with parts left out.
 */
import { TidelockError } from '../core/errors.ts';
import { type Lsn, parseLsn } from '../core/lsn.ts';
import { readPublicationHealth } from '../postgres/publication-health.ts';
import type { PgSession } from '../postgres/session.ts';
import { readSlot } from '../postgres/source-facts.ts';
import type { TableState } from './api.ts';

export type SourceWatchOptions = {
  readonly slot: string;
  readonly publication: string;
  readonly onNotice: (notice: string) => void;
};

/** Of the stream, at the moment of the look. */
export type Watched = {
  readonly session: PgSession;
  readonly upper: Lsn;
  /** Null while tables are being announced: which are published is in motion then. */
  readonly tables: readonly string[] | null;
};

/** Tables that were not published, and where Postgres was then: the stream may have brought the reason since. */
type Suspicion = { readonly missing: readonly string[]; readonly at: Lsn };

export class SourceWatch {
  readonly #options: SourceWatchOptions;
  #retainedWalBytes: number | null = null;
  #lagBytes: number | null = null;
  #unreadable: ReadonlyMap<string, string> = new Map();
  #suspicion: Suspicion | null = null;
  #isLooking = false;

  constructor(options: SourceWatchOptions) {
    this.#options = options;
  }

  /** WAL that the slot keeps; null while Postgres cannot be asked. */
  get retainedWalBytes(): number | null {
    return this.#retainedWalBytes;
  }

  /** WAL that Postgres has written and the log does not have yet, as of the last look. */
  get lagBytes(): number | null {
    return this.#lagBytes;
  }

  /** The stream brings a table's changes whoever may read it; copies and checks need more. */
  judge(state: TableState): TableState {
    const reason = state.state === 'live' ? this.#unreadable.get(state.name) : undefined;
    return reason === undefined ? state : { ...state, state: 'unreadable', reason };
  }

  /** There is nobody to ask. */
  forget(): void {
    this.#retainedWalBytes = null;
    this.#lagBytes = null;
    this.#suspicion = null;
  }

  /**
   * One look; none while the one before is under way (a frozen Postgres answers none). Throws `SLOT_LOST` when
   * the publication is gone, `TABLE_UNFIT` when it no longer brings everything: connecting anew mends both.
   */
  async look(watched: Watched): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#measure(watched);
      if (watched.tables !== null) await this.#check(watched, watched.tables);
    } finally {
      this.#isLooking = false;
    }
  }

  async #measure({ session, upper }: Watched): Promise<void> {
    const slot = await readSlot(session, this.#options.slot);
    const written = await writtenPosition(session);
    this.#retainedWalBytes = slot?.retainedBytes ?? null;
    this.#lagBytes = Math.max(0, written - upper);
  }

  async #check({ session, upper }: Watched, tables: readonly string[]): Promise<void> {
    const { publication } = this.#options;
    const health = await readPublicationHealth(session, publication, tables);
    this.#tellUnreadable(health.unreadable);
    if (!health.exists) throw dropped(publication);
    if (!health.isWhole) throw notWhole(`publication ${publication} leaves changes out`);
    const before = this.#suspicion;
    const { missing } = health;
    this.#suspicion = missing.length === 0 ? null : { missing, at: await writtenPosition(session) };
    if (before === null || before.at > upper) {
      // The older look counts until the stream has come to it.
      if (before !== null && missing.length > 0) this.#suspicion = before;
      return;
    }
    const gone = before.missing.filter((name) => missing.includes(name));
    if (gone.length === 0) return;
    throw notWhole(`${gone.join(', ')} was taken out of the publication`);
  }

  #tellUnreadable(unreadable: ReadonlyMap<string, string>): void {
    for (const [name, reason] of unreadable) {
      if (this.#unreadable.get(name) === reason) continue;
      this.#options.onNotice(`table ${name}: ${reason}`);
    }
    this.#unreadable = unreadable;
  }
}

async function writtenPosition(session: PgSession): Promise<Lsn> {
  const row = await session.queryOne('SELECT pg_catalog.pg_current_wal_lsn() AS lsn');
  return parseLsn(row.lsn ?? '', 'the current WAL position');
}

function dropped(publication: string): TidelockError {
  return new TidelockError({
    code: 'SLOT_LOST',
    message: `publication ${publication} was dropped; changes made since then are not sent`,
    hint: 'it is made again, and a new timeline starts; replicas copy their tables again',
  });
}

function notWhole(message: string): TidelockError {
  return new TidelockError({
    code: 'SOURCE_DOWN',
    message,
    hint: 'it is put right, and the tables are copied again',
  });
}
