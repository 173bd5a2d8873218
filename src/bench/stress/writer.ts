/**
 * One connection of a sender: runs transactions and writes down what it does before it does it.
 *
 *   BEGIN, txid -> locks -> "invoke" into the evidence -> statements -> COMMIT -> "ok"
 *   lost before COMMIT: "fail"     lost at COMMIT: "info", then Postgres is asked what became of it
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode, messageOf } from '../../core/errors.ts';
import { sqlStateOf } from '../../postgres/pg-errors.ts';
import { PgSession } from '../../postgres/session.ts';
import type { OpChange } from './evidence.ts';
import type { EvidenceWriter } from './evidence-writer.ts';
import type { Job, Prepared } from './job.ts';

/** Postgres may be away for so long: crashed, frozen or restarting. */
const CONNECT_MS_MAX = 120_000;
const RETRY_MS = 50;
/** What the senders are called in `pg_stat_activity`. */
export const SENDER_NAME = 'tidelock stress sender';

const BEGIN_SQL = 'BEGIN; SELECT pg_current_xact_id()::text AS txid';
const STATUS_SQL = 'SELECT pg_xact_status($1::text::xid8) AS status';
/** `pg_xact_status` of a number that was never given out, or was forgotten in a crash. */
const FUTURE_TXID = '22023';

export type Outcome = 'committed' | 'rolled back';

export type WriterOptions = {
  readonly url: string;
  /** The sender. */
  readonly process: string;
  readonly evidence: EvidenceWriter;
  /** Aborted: the work is dropped at once. */
  readonly signal: AbortSignal;
};

/** A transaction that has done its statements and is still open. */
export type OpenTransaction = {
  readonly job: Job;
  readonly session: PgSession;
  readonly txid: string;
  readonly changes: number;
  readonly startedMs: number;
};

export class Writer {
  /** Connections that broke, and commits whose outcome had to be asked for. */
  losses = 0;
  unknown = 0;
  readonly #options: WriterOptions;
  #session: PgSession | null = null;

  constructor(options: WriterOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#session?.destroy(), { once: true });
  }

  /** Everything but the end; null when the connection broke: then it is rolled back. */
  async open(job: Job): Promise<OpenTransaction | null> {
    const session = await this.#connected();
    let isInvoked = false;
    try {
      const { txid } = await session.queryOne(BEGIN_SQL);
      const prepared = await job.prepare(session);
      this.#invoke(job, prepared, txid ?? null);
      isInvoked = true;
      await prepared.perform(session);
      const changes = prepared.changes.length;
      return { job, session, txid: txid ?? '', changes, startedMs: performance.now() };
    } catch (error) {
      await this.#lost(error);
      if (isInvoked) this.#fail(job.tx, `before COMMIT: ${messageOf(error)}`);
      return null;
    }
  }

  /** COMMIT, or ROLLBACK when it is doomed. */
  async finish(open: OpenTransaction): Promise<Outcome> {
    const { job, session, startedMs } = open;
    if (job.isDoomed) {
      await session.query('ROLLBACK').catch((error: unknown) => this.#lost(error));
      this.#fail(job.tx, 'rolled back on purpose');
      return 'rolled back';
    }
    try {
      await session.query('COMMIT');
    } catch (error) {
      await this.#lost(error);
      return this.#resolve(open, messageOf(error));
    }
    this.#ok(job.tx, startedMs);
    return 'committed';
  }

  async end(): Promise<void> {
    await this.#session?.end();
    this.#session = null;
  }

  async #connected(): Promise<PgSession> {
    const { url, signal } = this.#options;
    const deadline = performance.now() + CONNECT_MS_MAX;
    for (;;) {
      signal.throwIfAborted();
      if (this.#session !== null && !this.#session.isLost) return this.#session;
      if (this.#session !== null) this.losses += 1;
      this.#session = null;
      try {
        this.#session = await PgSession.connect({
          ...{ url, applicationName: SENDER_NAME, settings: { search_path: 'public' } },
        });
      } catch (error) {
        if (!hasCode(error, 'SOURCE_DOWN') || performance.now() > deadline) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  /** Throws what is not a lost connection. */
  async #lost(error: unknown): Promise<void> {
    this.#options.signal.throwIfAborted();
    if (!hasCode(error, 'SOURCE_DOWN')) throw error;
    this.losses += 1;
    this.#session?.destroy();
    this.#session = null;
  }

  #invoke(job: Job, { changes, undone }: Prepared, txid: string | null): void {
    const { tx, group: grp, isDoomed, isEnd } = job;
    this.#write({ kind: 'invoke', tx, grp, txid, changes, isDoomed, isEnd });
    if (undone === null) return;
    // What a savepoint takes back is a transaction of its own that never commits.
    const part = { tx: `${tx}.undone`, grp, txid: null, isDoomed: true, isEnd: false };
    this.#write({ kind: 'invoke', ...part, changes: undone });
    this.#fail(part.tx, 'rolled back to a savepoint');
  }

  /** Asks Postgres what became of a COMMIT whose answer was lost. */
  async #resolve(open: OpenTransaction, reason: string): Promise<Outcome> {
    const { job, startedMs } = open;
    this.unknown += 1;
    this.#write({ kind: 'info', tx: job.tx, reason });
    for (;;) {
      const session = await this.#connected();
      try {
        const status = await statusOf(session, open.txid);
        if (status === 'in progress') {
          await sleep(RETRY_MS);
          continue;
        }
        // A crash forgets numbers that it had given out, and gives them again: the rows decide.
        if (status === 'committed' && (await job.isWritten(session))) {
          this.#ok(job.tx, startedMs);
          return 'committed';
        }
        this.#fail(job.tx, `pg_xact_status: ${status}`);
        return 'rolled back';
      } catch (error) {
        await this.#lost(error);
      }
    }
  }

  #ok(tx: string, startedMs: number): void {
    this.#write({ kind: 'ok', tx, ms: Math.round((performance.now() - startedMs) * 10) / 10 });
  }

  #fail(tx: string, reason: string): void {
    this.#write({ kind: 'fail', tx, reason });
  }

  #write(event: OpDetail): void {
    const { evidence, process } = this.#options;
    evidence.write('op', { t: evidence.now(), process, ...event });
  }
}

type OpDetail = { readonly tx: string } & (
  | {
      readonly kind: 'invoke';
      readonly grp: number;
      readonly txid: string | null;
      readonly changes: readonly OpChange[];
      readonly isDoomed: boolean;
      readonly isEnd: boolean;
    }
  | { readonly kind: 'ok'; readonly ms: number }
  | { readonly kind: 'fail' | 'info'; readonly reason: string }
);

async function statusOf(session: PgSession, txid: string): Promise<string> {
  try {
    return (await session.queryOne(STATUS_SQL, [txid])).status ?? 'forgotten';
  } catch (error) {
    if (sqlStateOf(error) === FUTURE_TXID) return 'never given out';
    throw error;
  }
}
