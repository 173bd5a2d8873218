/**
 * One connection of a sender: runs transactions and writes down what it does before it does it.
 *
 *   BEGIN, txid -> locks -> "invoke" into the evidence -> statements -> COMMIT -> "ok"
 *   lost before COMMIT: "fail"     lost at COMMIT: "info", then Postgres is asked what became of it
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode, messageOf, TidelockError } from '../../core/errors.ts';
import { sqlStateOf } from '../../postgres/pg-errors.ts';
import { PgSession } from '../../postgres/session.ts';
import { type AccountWork, lockAccounts, MOVE_SQL } from './accounts.ts';
import type { OpChange } from './evidence.ts';
import type { EvidenceWriter } from './evidence-writer.ts';
import { changeRows, execute } from './record-sql.ts';
import { changesOf, type RecordRow } from './records.ts';
import type { TransactionPlan } from './transaction-plan.ts';

/** Postgres may be away for so long: crashed, frozen or restarting. */
const CONNECT_MS_MAX = 120_000;
const RETRY_MS = 50;
/** What the senders are called in `pg_stat_activity`. */
export const SENDER_NAME = 'tidelock stress sender';

const BEGIN_SQL = 'BEGIN; SELECT pg_current_xact_id()::text AS txid';
const STATUS_SQL = 'SELECT pg_xact_status($1::text::xid8) AS status';
const ROW_SQL = `
  SELECT grp, sequence, content, _change_selector FROM public.stress_table WHERE id = $1::bigint`;
/** `pg_xact_status` of a number that was never given out, or was forgotten in a crash. */
const FUTURE_TXID = '22023';

export type Outcome = 'committed' | 'rolled back';

export type WriterOptions = {
  readonly url: string;
  /** The sender. */
  readonly process: string;
  readonly selectors: readonly string[];
  readonly evidence: EvidenceWriter;
  /** Aborted: the work is dropped at once. */
  readonly signal: AbortSignal;
};

/** A transaction that has done its statements and is still open. */
export type OpenTransaction = {
  readonly plan: TransactionPlan;
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
  async open(plan: TransactionPlan): Promise<OpenTransaction | null> {
    const session = await this.#connected();
    let isInvoked = false;
    try {
      const { txid } = await session.queryOne(BEGIN_SQL);
      const { selectors } = this.#options;
      const accounts =
        plan.accounts === null
          ? null
          : await lockAccounts(session, plan.accounts, { stamp: plan.tx, selectors });
      const changes = this.#invoke(plan, accounts, txid ?? null);
      isInvoked = true;
      await this.#perform(session, plan, accounts);
      return { plan, session, txid: txid ?? '', changes, startedMs: performance.now() };
    } catch (error) {
      await this.#lost(error);
      if (isInvoked) this.#fail(plan.tx, `before COMMIT: ${messageOf(error)}`);
      return null;
    }
  }

  /** COMMIT, or ROLLBACK when it is doomed. */
  async finish(open: OpenTransaction): Promise<Outcome> {
    const { plan, session, startedMs } = open;
    if (plan.isDoomed) {
      await session.query('ROLLBACK').catch((error: unknown) => this.#lost(error));
      this.#fail(plan.tx, 'rolled back on purpose');
      return 'rolled back';
    }
    try {
      await session.query('COMMIT');
    } catch (error) {
      await this.#lost(error);
      return this.#resolve(open, messageOf(error));
    }
    this.#ok(plan.tx, startedMs);
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
        this.#session = await PgSession.connect({ url, applicationName: SENDER_NAME });
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

  #invoke(plan: TransactionPlan, accounts: AccountWork | null, txid: string | null): number {
    const changes = [...plan.statements.flatMap(changesOf), ...(accounts?.evidence ?? [])];
    const { tx, group: grp, isDoomed, isEnd } = plan;
    this.#write({ kind: 'invoke', tx, grp, txid, changes, isDoomed, isEnd });
    if (plan.undone !== null) {
      // What a savepoint takes back is a transaction of its own that never commits.
      const undone = plan.undone.statements.flatMap(changesOf);
      const part = { tx: `${tx}.undone`, grp, txid: null, isDoomed: true, isEnd: false };
      this.#write({ kind: 'invoke', ...part, changes: undone });
      this.#fail(part.tx, 'rolled back to a savepoint');
    }
    return changes.length;
  }

  async #perform(
    session: PgSession,
    plan: TransactionPlan,
    accounts: AccountWork | null,
  ): Promise<void> {
    for (const statement of plan.statements) await execute(session, statement);
    if (plan.undone !== null) {
      await session.query('SAVEPOINT undone');
      for (const statement of plan.undone.statements) await execute(session, statement);
      await session.query('ROLLBACK TO SAVEPOINT undone');
    }
    if (accounts === null || accounts.changes.length === 0) return;
    await changeRows(session, { sql: MOVE_SQL, rows: accounts.changes, what: 'transfer' });
  }

  /** Asks Postgres what became of a COMMIT whose answer was lost. */
  async #resolve(open: OpenTransaction, reason: string): Promise<Outcome> {
    const { plan, startedMs } = open;
    this.unknown += 1;
    this.#write({ kind: 'info', tx: plan.tx, reason });
    for (;;) {
      const session = await this.#connected();
      try {
        const status = await statusOf(session, open.txid);
        if (status === 'in progress') {
          await sleep(RETRY_MS);
          continue;
        }
        // A crash forgets numbers that it had given out, and gives them again: the rows decide.
        if (status === 'committed' && (await isWritten(session, plan))) {
          this.#ok(plan.tx, startedMs);
          return 'committed';
        }
        this.#fail(plan.tx, `pg_xact_status: ${status}`);
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

/** True when a row that this transaction changed is as it left it. */
async function isWritten(session: PgSession, { draft, tx }: TransactionPlan): Promise<boolean> {
  const [first] = draft.changed;
  if (first === undefined) {
    throw new TidelockError({ code: 'INTERNAL', message: `${tx} changes no row of its own` });
  }
  const [id, row] = first;
  const [found] = await session.query(ROW_SQL, [`${id}`]);
  return row === null || found === undefined
    ? row === null && found === undefined
    : isSame(row, found);
}

function isSame(row: RecordRow, found: Readonly<Record<string, string | null>>): boolean {
  return (
    found.grp === `${row.grp}` &&
    found.sequence === `${row.sequence}` &&
    found.content === row.content &&
    found._change_selector === row._change_selector
  );
}
