/**
 * The oracle: what Postgres committed, in commit order, from a logical slot of its own with another output
 * plugin (`test_decoding`) and another decoder than the product's.
 *
 * Reads with peek, hands over, then advances: what breaks in between is read again, never lost. After a crash
 * of Postgres the slot may go back; transactions at or before the last one handed over are dropped.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode, messageOf, TidelockError } from '../../../core/errors.ts';
import { formatLsn, LSN_ZERO, type Lsn, parseLsn } from '../../../core/lsn.ts';
import { type PgRow, PgSession } from '../../../postgres/session.ts';
import type { EvidenceTable, OracleEvent } from '../evidence.ts';
import { TransactionReader } from './transactions.ts';

export type OracleOptions = {
  readonly url: string;
  /** Name of the slot; created here, dropped by `close`. */
  readonly slot: string;
  /** Changes of other tables are left out. */
  readonly tables: readonly EvidenceTable[];
  /** When the run began, milliseconds since 1970. */
  readonly startedAt: number;
  /** In commit order, each transaction once. */
  readonly onEvent: (event: OracleEvent) => void;
};

export type Oracle = {
  /** Everything that committed at or before it has been handed over. */
  readonly position: string;
  /**
   * Reads everything up to `upTo`, drops the slot, ends. Throws `TIMEOUT` when Postgres does not get there,
   * and what ended the reading before.
   */
  close(upTo: string): Promise<void>;
  /** Stops at once; the slot goes when Postgres can be reached. */
  abort(): Promise<void>;
};

const POLL_MS = 250;
/** A batch ends with the transaction that reaches this. */
const BATCH_CHANGES = 10_000;
/** Postgres may be away for so long, crashed or frozen. */
const TROUBLE_MS_MAX = 120_000;
const RETRY_MS = 200;
const CLOSE_MS_MAX = 60_000;

const CREATE_SQL = `SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot($1, 'test_decoding')`;
const PEEK_SQL = `
  SELECT lsn, data FROM pg_catalog.pg_logical_slot_peek_changes($1, NULL, ${BATCH_CHANGES},
    'include-xids', '1', 'include-timestamp', '1', 'skip-empty-xacts', '1')`;
const ADVANCE_SQL = 'SELECT pg_catalog.pg_replication_slot_advance($1, $2::pg_lsn)';
/** Asked before a peek: the peek sees everything up to this. */
const PLACE_SQL = `SELECT pg_catalog.pg_current_wal_flush_lsn() AS lsn,
  pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) AS xmax`;
const DROP_SQL = `
  SELECT pg_catalog.pg_drop_replication_slot(slot_name)
  FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`;

/** Creates the slot: call before anything is written. Throws `SOURCE_DOWN`, `SOURCE_UNFIT`. */
export async function startOracle(options: OracleOptions): Promise<Oracle> {
  const session = await connect(options.url);
  const { lsn } = await session.queryOne(CREATE_SQL, [options.slot]);
  const oracle = new SlotOracle(options, session, parseLsn(lsn ?? '', 'the slot’s position'));
  oracle.start();
  return oracle;
}

function connect(url: string): Promise<PgSession> {
  return PgSession.connect({ url, applicationName: 'tidelock oracle' });
}

class SlotOracle implements Oracle {
  readonly #options: OracleOptions;
  readonly #reader: TransactionReader;
  readonly #stop = new AbortController();
  #session: PgSession | null;
  #read: Lsn;
  #advancedTo: Lsn = LSN_ZERO;
  #target: Lsn | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: OracleOptions, session: PgSession, startLsn: Lsn) {
    this.#options = options;
    this.#session = session;
    this.#read = startLsn;
    this.#reader = new TransactionReader(options.tables, options.startedAt);
    // A Postgres that is frozen would not even answer that it is.
    this.#stop.signal.addEventListener('abort', () => this.#leave(), { once: true });
  }

  get position(): string {
    return formatLsn(this.#read);
  }

  start(): void {
    this.#running = this.#follow();
    this.#running.catch(() => undefined); // `close` throws it
  }

  async close(upTo: string): Promise<void> {
    this.#target = parseLsn(upTo, 'upTo');
    const patience = setTimeout(() => this.#stop.abort(), CLOSE_MS_MAX);
    try {
      await this.#running;
    } finally {
      clearTimeout(patience);
      await this.#drop();
    }
    if (this.#read >= this.#target) return;
    throw new TidelockError({
      code: 'TIMEOUT',
      message: `the oracle did not reach ${upTo} within ${CLOSE_MS_MAX} ms; it stands at ${this.position}`,
    });
  }

  async abort(): Promise<void> {
    this.#stop.abort();
    await this.#running.catch(() => undefined);
    await this.#drop().catch(() => undefined);
  }

  get #isDone(): boolean {
    return this.#stop.signal.aborted || (this.#target !== null && this.#read >= this.#target);
  }

  /** Ends when the target is reached or it is told to stop. Throws when Postgres stays away. */
  async #follow(): Promise<void> {
    let wellAt = performance.now();
    while (!this.#isDone) {
      try {
        const isMore = await this.#batch();
        wellAt = performance.now();
        if (!isMore && !this.#isDone) await this.#pause(this.#target === null ? POLL_MS : 0);
      } catch (error) {
        if (!isPassing(error) || performance.now() - wellAt > TROUBLE_MS_MAX) throw error;
        this.#leave();
        await this.#pause(RETRY_MS);
      }
    }
  }

  /** Reads one batch; true when there may be more. */
  async #batch(): Promise<boolean> {
    this.#session ??= await connect(this.#options.url);
    const session = this.#session;
    const { slot } = this.#options;
    const place = await session.queryOne(PLACE_SQL);
    const end = parseLsn(place.lsn ?? '', 'the end of WAL');
    const rows = await session.query(PEEK_SQL, [slot]);
    this.#hand(rows, Number(place.xmax));
    const isMore = rows.length >= BATCH_CHANGES;
    if (!isMore && end > this.#read) this.#read = end;
    if (this.#reader.last > this.#advancedTo) {
      this.#advancedTo = this.#reader.last;
      await session.query(ADVANCE_SQL, [slot, formatLsn(this.#reader.last)]);
    }
    return isMore;
  }

  #hand(rows: readonly PgRow[], nextTxid: number): void {
    const t = Date.now() - this.#options.startedAt;
    for (const row of rows) {
      const lsn = parseLsn(row.lsn ?? '', 'lsn');
      const event = this.#reader.take(row.data ?? '', lsn, { nextTxid, t });
      if (event !== null) this.#options.onEvent(event);
    }
    if (this.#reader.last > this.#read) this.#read = this.#reader.last;
  }

  #leave(): void {
    this.#session?.destroy();
    this.#session = null;
    // A crash may have taken the slot back: it is brought forward again, or it would repeat itself for ever.
    this.#advancedTo = LSN_ZERO;
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  /** The slot would keep WAL for ever. */
  async #drop(): Promise<void> {
    const session = this.#session ?? (await connect(this.#options.url));
    this.#session = null;
    try {
      await session.query(DROP_SQL, [this.#options.slot]);
    } finally {
      await session.end();
    }
  }
}

/** The connection broke, or the backend of the broken one still holds the slot. */
function isPassing(error: unknown): boolean {
  return hasCode(error, 'SOURCE_DOWN') || messageOf(error).includes('is active for PID');
}
