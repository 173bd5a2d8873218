/**
 * Whether the log still has everything that a snapshot does not show: a client that brings `snapshot=` without a
 * position relies on it. Refused is what would lose rows without a word:
 *
 *   the log begins (or was purged) behind the snapshot    something it does not show is gone
 *   a transaction open in the snapshot is gone            the same, for one that ran for long
 *   the snapshot is ahead of the database                 it was taken from another one, or before a restore
 */
import { TidelockError } from '../core/errors.ts';
import { parseLsn, type Ts } from '../core/lsn.ts';
import type { TxidSnapshot } from '../core/txid-snapshot.ts';
import { PgSession } from '../postgres/session.ts';
import type { EngineCore } from './core.ts';
import { timelineOf } from './log-at-open.ts';

const WAIT_MS = 10_000;
/** Open transactions of one snapshot that Postgres is asked about. */
const ASKED_MAX = 1000;

const AHEAD_SQL = 'SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) AS xmax';
/** Those that have committed; what is still open or was rolled back cannot have been purged. */
const COMMITTED_SQL = `SELECT x AS txid, pg_catalog.pg_current_wal_insert_lsn() AS lsn
  FROM pg_catalog.unnest($1::text[]) x
  WHERE coalesce(pg_catalog.pg_xact_status(x::pg_catalog.xid8), 'committed') = 'committed'`;

/** It changes with every purge and with every new history. */
export type LogState = { readonly timeline: string | null; readonly since: Ts };

export class SnapshotHorizon {
  readonly #core: EngineCore;
  readonly #url: string;
  /** Some snapshot of the database, in this history, had this xmax. */
  #seen = { timeline: null as string | null, xmax: 0 };

  constructor(core: EngineCore, url: string) {
    this.#core = core;
    this.#url = url;
  }

  /** Where the log is: an answer of Postgres is about that. */
  get logState(): LogState {
    const { store } = this.#core.tail;
    return { timeline: timelineOf(store), since: store.since };
  }

  /** The database had got to `xmax` when the log was there: nobody needs to ask whether that is ahead. */
  note(xmax: number, { timeline }: LogState): void {
    if (timeline !== this.logState.timeline) return;
    const known = this.#seen.timeline === timeline ? this.#seen.xmax : 0;
    this.#seen = { timeline, xmax: Math.max(known, xmax) };
  }

  /**
   * True when the log has everything that the snapshot does not show: right now, before anything else happens. False
   * when only Postgres can tell; `asked` is its last answer. Throws `TOO_OLD`.
   */
  isKept(snapshot: TxidSnapshot, asked: LogState | null): boolean {
    const horizon = this.#horizon();
    if (horizon >= snapshot.xmax) throw tooOld('the log begins behind this snapshot');
    if (this.#isAhead(snapshot)) return false;
    // What was open then may have been written and purged since Postgres was asked.
    const { timeline, since } = this.logState;
    const isStill = asked?.timeline === timeline && asked.since === since;
    return isStill || openOf(snapshot, horizon).length === 0;
  }

  /** Asks Postgres, for `isKept`. Throws `TOO_OLD`; `SOURCE_DOWN` when it is away. */
  async ask(snapshot: TxidSnapshot, signal: AbortSignal): Promise<LogState> {
    const before = this.logState;
    const open = openOf(snapshot, this.#horizon());
    if (open.length > ASKED_MAX) throw tooOld('the log begins behind this snapshot');
    const session = await PgSession.connect({ url: this.#url });
    try {
      if (this.#isAhead(snapshot)) {
        const reached = Number((await session.queryOne(AHEAD_SQL)).xmax);
        if (snapshot.xmax > reached) throw tooOld('the database has not got to this snapshot');
        this.note(reached, before);
      }
      if (open.length > 0) await this.#requireKept(session, open, signal);
    } finally {
      await session.end();
    }
    return before;
  }

  /** The highest transaction id that is gone. */
  #horizon(): number {
    const { purgedTxid, identity } = this.#core.tail.store;
    return Math.max(purgedTxid, identity?.startTxid ?? 0);
  }

  #isAhead({ xmax }: TxidSnapshot): boolean {
    const last = this.#core.tail.store.heads.at(-1);
    if (last !== undefined) this.note(last.maxTxid + 1, this.logState);
    return this.#seen.timeline !== this.logState.timeline || xmax > this.#seen.xmax;
  }

  async #requireKept(
    session: PgSession,
    open: readonly number[],
    signal: AbortSignal,
  ): Promise<void> {
    const committed = await session.query(COMMITTED_SQL, [`{${open.join(',')}}`]);
    const [first] = committed;
    if (first === undefined) return;
    await this.#core.waitFor(parseLsn(first.lsn ?? '', 'the insert position'), WAIT_MS, signal);
    const gone = committed.find(({ txid }) => !this.#isInLog(Number(txid)));
    if (gone !== undefined)
      throw tooOld(`transaction ${gone.txid}, open in this snapshot, is gone`);
  }

  #isInLog(txid: number): boolean {
    const { tail } = this.#core;
    return tail.store.heads.some((head) => {
      if (txid < head.minTxid || txid > head.maxTxid) return false;
      if (head.firstTs <= tail.store.since) return false; // only its last parts
      const { transactions } = tail.read(head.seq).content;
      for (let at = 1; at < transactions.length; at += 3)
        if (transactions[at] === txid) return true;
      return false;
    });
  }
}

/** Transactions that were open in the snapshot and may be gone. */
function openOf({ xips, xmin }: TxidSnapshot, horizon: number): readonly number[] {
  return [...xips].filter((txid) => txid <= horizon && txid >= xmin);
}

function tooOld(why: string): TidelockError {
  return new TidelockError({
    code: 'TOO_OLD',
    message: `changes after this snapshot are no longer complete: ${why}`,
    hint: 'take a new snapshot',
  });
}
