/** Kills and freezes of the whole of an embedded Postgres. Each tells what was seen of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../core/errors.ts';
import type { EmbeddedPostgres } from '../../postgres/embedded.ts';
import { PgSession } from '../../postgres/session.ts';
import { isAlive } from '../stress/launched.ts';
import { BACKENDS_SQL, signalTo } from '../stress/server-faults.ts';
import { until } from '../until.ts';

const GONE_MS_MAX = 10_000;
/** Until the server has found the stream again: its waits grow to 10 s. */
const STREAMING_MS_MAX = 30_000;

export type PostgresFault = {
  readonly postgres: EmbeddedPostgres;
  readonly url: string;
  /** Whether the Tidelock server reads its changes. */
  readonly isStreaming: () => Promise<boolean>;
  /** How long it is away, or stands still. */
  readonly holdMs: number;
  readonly signal: AbortSignal;
};

/** `kill -9` of all its processes, as in a power cut; then crash recovery. */
export async function killPostgres(fault: PostgresFault): Promise<readonly string[]> {
  const { postgres, url, holdMs, signal } = fault;
  const { pid } = postgres;
  const backends = await backendsOf(url);
  const seen: string[] = [];
  postgres.kill();
  for (const backend of backends) signalTo(backend, 'SIGKILL');
  try {
    await until('the postmaster is gone', () => !isAlive(pid), { limitMs: GONE_MS_MAX, signal });
    seen.push(`postmaster ${pid} and ${backends.length} processes are gone`);
    await rest(holdMs, signal);
  } finally {
    const startMs = performance.now();
    await postgres.restart();
    seen.push(`recovered in ${Math.round(performance.now() - startMs)} ms`);
  }
  return [...seen, ...(await streamsAgain(fault))];
}

/** All of its processes stand still; connections stay open and say nothing. */
export async function freezePostgres(fault: PostgresFault): Promise<readonly string[]> {
  const { postgres, url, holdMs, signal } = fault;
  const session = await PgSession.connect({ url });
  const pids = [postgres.pid, ...(await backendsOf(url))];
  let isAnswered = false;
  for (const pid of pids) signalTo(pid, 'SIGSTOP');
  const answer = session.query('SELECT').finally(() => {
    isAnswered = true;
  });
  try {
    await rest(holdMs, signal);
  } finally {
    for (const pid of pids) signalTo(pid, 'SIGCONT');
  }
  const seen = isAnswered ? [] : [`a query had no answer for ${holdMs} ms`];
  await answer.catch(() => undefined);
  await session.end();
  return [...seen, ...(await streamsAgain(fault))];
}

async function backendsOf(url: string): Promise<readonly number[]> {
  const session = await PgSession.connect({ url });
  try {
    return (await session.query(BACKENDS_SQL)).map(({ pid }) => Number(pid));
  } finally {
    await session.end();
  }
}

async function streamsAgain({ isStreaming, signal }: PostgresFault): Promise<readonly string[]> {
  const startMs = performance.now();
  try {
    const wait = { limitMs: STREAMING_MS_MAX, signal };
    await until('the server streams again', isStreaming, wait);
    return [`the server streams after ${Math.round(performance.now() - startMs)} ms more`];
  } catch (error) {
    if (hasCode(error, 'TIMEOUT')) return [];
    throw error;
  }
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined); // what was stopped is started again in any case
}
