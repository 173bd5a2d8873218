/**
 * The two faults of the demo. Each tells what was SEEN of it: a fault without an observed effect has not been
 * exercised, and proves nothing.
 */
import { hasCode } from '../../core/errors.ts';
import { formatLsn, type Lsn, parseLsn } from '../../core/lsn.ts';
import type { RunningEngine } from '../../engine/engine.ts';
import type { PgSession } from '../../postgres/session.ts';
import { until } from '../until.ts';
import { isAlive, type ReplicaProcess } from './replica-process.ts';
import { SLOT } from './stack.ts';
import type { Workload } from './workload.ts';

const EFFECT_MS_MAX = 5000;
const RECOVERY_MS_MAX = 60_000;
/** Transactions for the killed replica that commit before it is started again. */
const MISSED_TRANSACTIONS = 30;

const HOLDER_SQL = `SELECT active_pid FROM pg_replication_slots WHERE slot_name = '${SLOT}'`;
const CUT_SQL = 'SELECT pg_terminate_backend($1::int4)';
const POSITION_SQL = 'SELECT pg_current_wal_insert_lsn()::text AS lsn';

/** Milliseconds since 1970. */
export type Period = { readonly fromMs: number; readonly toMs: number };

export type CutFault = {
  readonly kind: 'connection cut';
  /** Null: it did not happen. */
  readonly observed: {
    /** Until the engine said that the source is down, and until it read changes again. */
    readonly downAfterMs: number;
    readonly backAfterMs: number;
    /** Numbers of the walsender before and after. */
    readonly pids: readonly [number, number];
    readonly period: Period;
  } | null;
  /** Transactions that came a second time and were dropped. */
  readonly redelivered: number;
};

export type KillFault = {
  readonly kind: 'replica killed';
  readonly selector: string;
  readonly observed: {
    /** Of the process that is gone. */
    readonly pid: number;
    /** What the file said after the kill. */
    readonly position: string;
    /** Transactions that it had to catch up with. */
    readonly missed: number;
    /** From the new start until nothing of it was missing. */
    readonly levelAfterMs: number;
    readonly period: Period;
  } | null;
  /** True when the file was made anew instead of being continued. */
  readonly isCopied: boolean;
};

export type Fault = CutFault | KillFault;

/** Ends the walsender while changes flow, and watches the engine notice and come back. */
export async function cutConnection(work: {
  readonly session: PgSession;
  readonly engine: RunningEngine;
  readonly signal: AbortSignal;
}): Promise<CutFault['observed']> {
  const { session, engine, signal } = work;
  const holder = async (): Promise<number> =>
    Number((await session.query(HOLDER_SQL))[0]?.active_pid ?? 0);
  const state = (): string => engine.status().source.state;
  const before = await holder();
  const fromMs = Date.now();
  const start = performance.now();
  await session.query(CUT_SQL, [`${before}`]);
  const downAfterMs = await seen('the engine notices that its connection was cut', signal, () =>
    state() === 'streaming' ? undefined : performance.now() - start,
  );
  if (downAfterMs === null) return null;
  const backAfterMs = await until(
    'the engine reads changes again after its connection was cut',
    () => (state() === 'streaming' ? performance.now() - start : undefined),
    { limitMs: RECOVERY_MS_MAX, signal },
  );
  const after = await until(
    'another walsender holds the slot',
    async () => {
      const pid = await holder();
      return pid !== 0 && pid !== before ? pid : undefined;
    },
    { limitMs: RECOVERY_MS_MAX, signal },
  );
  return { downAfterMs, backAfterMs, pids: [before, after], period: { fromMs, toMs: Date.now() } };
}

/** Kills a replica with SIGKILL, lets it miss transactions, starts it again and waits until it is level. */
export async function killReplica(work: {
  readonly replica: ReplicaProcess;
  readonly workload: Workload;
  readonly session: PgSession;
  readonly signal: AbortSignal;
}): Promise<Omit<KillFault, 'kind' | 'selector'>> {
  const { replica, workload, session, signal } = work;
  const { selector } = replica;
  const fromMs = Date.now();
  const pid = await replica.kill();
  const isGone = pid !== undefined && !isAlive(pid);
  const killed = replica.identity();
  const before = workload.transactionsOf(selector);
  await seen('the killed replica misses transactions', signal, () => {
    return workload.transactionsOf(selector) >= before + MISSED_TRANSACTIONS || undefined;
  });
  const missed = workload.transactionsOf(selector) - before;
  const position = await insertPosition(session);
  const start = performance.now();
  replica.start();
  const { replica: owner } = await replica.reach(position, signal);
  const levelAfterMs = performance.now() - start;
  const isCopied = replica.copiedBytes > 0 || owner !== killed?.replica;
  if (!isGone || killed === null || missed === 0) return { isCopied, observed: null };
  const period = { fromMs, toMs: Date.now() };
  return {
    isCopied,
    observed: { ...{ pid, missed, levelAfterMs, period }, position: formatLsn(killed.position) },
  };
}

/** The end of everything that is committed now. */
export async function insertPosition(session: PgSession): Promise<Lsn> {
  const { lsn } = await session.queryOne(POSITION_SQL);
  return parseLsn(lsn ?? '', 'position of Postgres');
}

/** Waits for an effect; null when it does not show. */
async function seen<T>(
  what: string,
  signal: AbortSignal,
  look: () => T | undefined,
): Promise<T | null> {
  try {
    return await until(what, look, { limitMs: EFFECT_MS_MAX, signal });
  } catch (error) {
    if (hasCode(error, 'TIMEOUT')) return null;
    throw error;
  }
}
