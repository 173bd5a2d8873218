/** The last part of a run: quiet at a known position, a last look of every reader, the comparison. */
import { until } from '../until.ts';
import { statusOf } from './cluster.ts';
import { compare } from './compare.ts';
import type { EvidenceTable, RunFile } from './evidence.ts';
import type { Oracle } from './oracle/oracle.ts';
import { isAt, type ReceiverProcess } from './receiver-process.ts';
import type { Running, Setting } from './run.ts';

const QUIET_MS_MAX = 90_000;

export type Settled = Pick<NonNullable<RunFile['end']>, 'position' | 'comparison'>;

export type Settling = {
  readonly oracle: Oracle;
  readonly tables: readonly EvidenceTable[];
  /** Resolves when the receiver's reader has seen the position. */
  readonly lastLook: (receiver: ReceiverProcess, position: string) => Promise<void>;
};

/** The writers have ended. Throws `TIMEOUT` when a replica does not get there. */
export async function settle(
  { report, signal }: Setting,
  { receivers, admin }: Running,
  { oracle, tables, lastLook }: Settling,
): Promise<Settled> {
  const wait = { limitMs: QUIET_MS_MAX, signal };
  const position = await admin.position(wait);
  report.progress(`waiting until every replica is at ${position}`);
  await Promise.all(receivers.map((receiver) => receiver.reach(position, wait)));
  report.progress('reading every replica for the last time');
  await Promise.all(receivers.map((receiver) => lastLook(receiver, position)));
  report.progress('waiting for the oracle');
  await unlessAborted(oracle.close(position), signal);
  report.progress('comparing every column of every row');
  const session = await admin.session();
  const comparison: Settled['comparison'][number][] = [];
  for (const { replica, selectors, file } of receivers) {
    const work = { session, replica, selectors, file, tables };
    comparison.push(await compare(work));
  }
  return { position, comparison };
}

/** Waits until the server reads changes and has everything that is committed now. */
export async function healed(
  { signal }: Setting,
  running: Running,
  limitMs: number,
): Promise<string> {
  const wait = { limitMs, signal };
  const position = await running.admin.position(wait);
  await until(
    `the server has ${position}`,
    async () => {
      const status = await statusOf(running.cluster.server);
      return status?.source.state === 'streaming' && isAt(status.log.upper, position);
    },
    wait,
  );
  return position;
}

/** What goes on behind is ended by the run's closers. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
