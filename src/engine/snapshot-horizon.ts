/**
 * Whether the log still has everything that a snapshot does not show: a client that brings `snapshot=` without a
 * position relies on it. Refused is what would lose rows without a word:
 *
 *   the log begins (or was purged) behind the snapshot    something it does not show is gone
 *   a transaction open in the snapshot is gone            the same, for one that ran for long
 *   the snapshot is ahead of the database                 it was taken from another one, or before a restore
 */
import { TidelockError } from '../core/errors.ts';
import { parseLsn } from '../core/lsn.ts';
import type { TxidSnapshot } from '../core/txid-snapshot.ts';
import { PgSession } from '../postgres/session.ts';
import type { EngineCore } from './core.ts';

const WAIT_MS = 10_000;
/** Open transactions of one snapshot that Postgres is asked about. */
const ASKED_MAX = 1000;

const AHEAD_SQL = 'SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) AS xmax';
/** Those that have committed; what is still open or was rolled back cannot have been purged. */
const COMMITTED_SQL = `SELECT x AS txid, pg_catalog.pg_current_wal_insert_lsn() AS lsn
  FROM pg_catalog.unnest($1::text[]) x
  WHERE coalesce(pg_catalog.pg_xact_status(x::pg_catalog.xid8), 'committed') = 'committed'`;

export class SnapshotHorizon {
  readonly #core: EngineCore;
  readonly #url: string;
  /** Some snapshot of this database had this xmax. */
  #xmaxSeen = 0;

  constructor(core: EngineCore, url: string) {
    this.#core = core;
    this.#url = url;
  }

  /** A snapshot that was just taken here: nobody needs to ask whether it is ahead. */
  note(snapshot: TxidSnapshot): void {
    this.#xmaxSeen = Math.max(this.#xmaxSeen, snapshot.xmax);
  }

  /** Throws `TOO_OLD`; `SOURCE_DOWN` when only Postgres could tell and it is away. */
  async require(snapshot: TxidSnapshot, signal: AbortSignal): Promise<void> {
    const { store } = this.#core.tail;
    const horizon = Math.max(store.purgedTxid, store.identity?.startTxid ?? 0);
    if (horizon >= snapshot.xmax) throw tooOld('the log begins behind this snapshot');
    for (const head of store.heads.slice(-1))
      this.#xmaxSeen = Math.max(this.#xmaxSeen, head.maxTxid + 1);
    const isAhead = snapshot.xmax > this.#xmaxSeen;
    const open = [...snapshot.xips].filter((txid) => txid <= horizon && txid >= snapshot.xmin);
    if (!isAhead && open.length === 0) return;
    if (open.length > ASKED_MAX) throw tooOld('the log begins behind this snapshot');
    const session = await PgSession.connect({ url: this.#url });
    try {
      if (isAhead) await this.#requireReached(session, snapshot);
      if (open.length > 0) await this.#requireKept(session, open, signal);
    } finally {
      await session.end();
    }
  }

  async #requireReached(session: PgSession, snapshot: TxidSnapshot): Promise<void> {
    const row = await session.queryOne(AHEAD_SQL);
    this.#xmaxSeen = Math.max(this.#xmaxSeen, Number(row.xmax));
    if (snapshot.xmax > this.#xmaxSeen) throw tooOld('the database has not got to this snapshot');
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
      const { transactions } = tail.read(head.seq).content;
      for (let at = 1; at < transactions.length; at += 3)
        if (transactions[at] === txid) return true;
      return false;
    });
  }
}

function tooOld(why: string): TidelockError {
  return new TidelockError({
    code: 'TOO_OLD',
    message: `changes after this snapshot are no longer complete: ${why}`,
    hint: 'take a new snapshot',
  });
}
