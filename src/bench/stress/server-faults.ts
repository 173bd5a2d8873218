/** Faults of Postgres, of connections to it, and of the server. Each tells what was seen of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EmbeddedPostgres } from '../../postgres/embedded.ts';
import { until } from '../until.ts';
import { type ServerProcess, statusOf } from './cluster.ts';
import { type FaultLog, unlessLate } from './fault-log.ts';
import { isAlive } from './launched.ts';
import type { PlannedFault } from './plan.ts';
import type { Running, Setting } from './run.ts';
import { SENDER_NAME } from './writer.ts';

const EFFECT_MS_MAX = 10_000;
/** Until what was on its way has arrived: from then on everything stands still. */
const STILL_AFTER_MS = 150;

/** Every process of the server but its first. */
export const BACKENDS_SQL = 'SELECT pid::text FROM pg_stat_activity';
/** The walsender of the server under test; the oracle reads its slot otherwise. */
const WALSENDER_SQL = `
  SELECT active_pid::text AS pid FROM pg_replication_slots
  WHERE plugin = 'pgoutput' AND database = current_database() AND active_pid IS NOT NULL`;
const TERMINATE_SQL = 'SELECT pg_terminate_backend($1::int)';
const TERMINATE_WALSENDER_SQL = `
  SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
  WHERE plugin = 'pgoutput' AND database = current_database() AND active_pid IS NOT NULL`;
const SLOT_SQL = `
  SELECT slot_name AS name FROM pg_replication_slots
  WHERE plugin = 'pgoutput' AND database = current_database()`;
const DROP_SLOT_SQL = `
  SELECT slot_name AS name, pg_drop_replication_slot(slot_name) FROM pg_replication_slots
  WHERE plugin = 'pgoutput' AND database = current_database()`;
const DROP_SENDERS_SQL = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`;

export type FaultWork = {
  readonly planned: PlannedFault;
  readonly stage: Setting;
  readonly running: Running;
  readonly log: FaultLog;
};

/**
 * `kill -9` of all its processes, as in a power cut; it comes back through crash recovery. Of the postmaster
 * alone would not do: a backend that waits for another one's input or output would stay for ever, and Postgres
 * does not start beside it.
 */
export async function killPostgres(work: FaultWork, postgres: EmbeddedPostgres): Promise<void> {
  const { log, stage, planned } = work;
  const { pid } = postgres;
  const before = sendersOf(work);
  const wait = { limitMs: EFFECT_MS_MAX, signal: stage.signal };
  const backends = await work.running.admin.ask(BACKENDS_SQL, wait);
  postgres.kill();
  for (const backend of backends) signalTo(Number(backend.pid), 'SIGKILL');
  await unlessLate(until(`postmaster ${pid} is gone`, () => !isAlive(pid), wait));
  if (!isAlive(pid)) log.saw(`postmaster ${pid} is gone`);
  await sleep(planned.holdMs, undefined, { signal: stage.signal });
  const start = performance.now();
  await postgres.restart();
  log.saw(`recovered in ${msSince(start)} ms; ${brokenSince(work, before)}`);
}

/** An orderly stop, with everybody thrown out. */
export async function restartPostgres(work: FaultWork, postgres: EmbeddedPostgres): Promise<void> {
  const { log, stage, planned } = work;
  const { pid } = postgres;
  const before = sendersOf(work);
  await postgres.stop();
  if (!isAlive(pid)) log.saw(`postmaster ${pid} has stopped`);
  await sleep(planned.holdMs, undefined, { signal: stage.signal });
  await postgres.restart();
  log.saw(`started again; ${brokenSince(work, before)}`);
}

/** All of its processes stand still; connections stay open and say nothing. */
export async function freezePostgres(work: FaultWork, postgres: EmbeddedPostgres): Promise<void> {
  const { log, stage, planned, running } = work;
  const wait = { limitMs: EFFECT_MS_MAX, signal: stage.signal };
  const rows = await running.admin.ask(BACKENDS_SQL, wait);
  const pids = [postgres.pid, ...rows.map(({ pid }) => Number(pid))];
  for (const pid of pids) signalTo(pid, 'SIGSTOP');
  try {
    await sleep(STILL_AFTER_MS, undefined, { signal: stage.signal });
    const before = committedOf(running);
    await sleep(planned.holdMs, undefined, { signal: stage.signal });
    const after = committedOf(running);
    if (after === before) log.saw(`no commit for ${planned.holdMs} ms`);
  } finally {
    for (const pid of pids) signalTo(pid, 'SIGCONT');
  }
}

/** Ends the connection through which the server reads changes. */
export async function cutWalsender({ log, stage, running }: FaultWork): Promise<void> {
  const wait = { limitMs: EFFECT_MS_MAX, signal: stage.signal };
  const holder = async (): Promise<string | undefined> =>
    (await running.admin.ask(WALSENDER_SQL, wait))[0]?.pid ?? undefined;
  const before = await unlessLate(until('a walsender has the slot', holder, wait));
  if (before === null) return;
  const start = performance.now();
  await running.admin.query(TERMINATE_SQL, [before]);
  const after = await unlessLate(
    until(
      'another walsender has the slot',
      async () => {
        const pid = await holder();
        return pid !== before && pid;
      },
      wait,
    ),
  );
  if (after !== null) {
    log.saw(`walsender ${before} ended, ${after} has the slot after ${msSince(start)} ms`);
  }
}

/** Takes the server's slot away: what commits until there is a new one is not in any stream. */
export async function dropSlot({ log, stage, running }: FaultWork): Promise<void> {
  const wait = { limitMs: EFFECT_MS_MAX, signal: stage.signal };
  const slot = async (): Promise<string | undefined> =>
    (await running.admin.ask(SLOT_SQL, wait))[0]?.name ?? undefined;
  const before = await unlessLate(until('there is a slot', slot, wait));
  if (before === null) return;
  const taken = async (): Promise<string | false> => {
    await running.admin.query(TERMINATE_WALSENDER_SQL);
    const dropped = await running.admin.query(DROP_SLOT_SQL).catch(() => []);
    // One that was just being made goes with its walsender.
    return (dropped.length > 0 || (await slot()) === undefined) && before;
  };
  const name = await unlessLate(until('the slot is free and dropped', taken, wait));
  if (name !== null) log.saw(`slot ${name} is gone`);
}

/** Ends the senders' connections, in the middle of their transactions. */
export async function dropSenders(work: FaultWork): Promise<void> {
  const { log, stage, running } = work;
  const before = sendersOf(work);
  const wait = { limitMs: EFFECT_MS_MAX, signal: stage.signal };
  await running.admin.query(DROP_SENDERS_SQL, [SENDER_NAME]);
  const isNoticed = (): boolean => sendersOf(work).losses > before.losses;
  if (await unlessLate(until('a sender loses its connection', isNoticed, wait))) {
    log.saw(brokenSince(work, before));
  }
}

export async function killServer(work: FaultWork, server: ServerProcess): Promise<void> {
  const { log, stage, planned, running } = work;
  const pid = server.process?.pid ?? 0;
  const before = troublesOf(running);
  await server.process?.kill();
  if (!isAlive(pid)) log.saw(`server ${pid} is gone`);
  await sleep(planned.holdMs, undefined, { signal: stage.signal });
  const start = performance.now();
  await server.start(stage.signal);
  const lost = troublesOf(running) - before;
  log.saw(`listens again after ${msSince(start)} ms; receivers told of ${lost} errors`);
}

export async function freezeServer(work: FaultWork, server: ServerProcess): Promise<void> {
  const { log, stage, planned, running } = work;
  server.process?.freeze();
  try {
    const committed = committedOf(running);
    const [status] = await Promise.all([
      statusOf(server.url, planned.holdMs),
      sleep(planned.holdMs, undefined, { signal: stage.signal }),
    ]);
    const missed = committedOf(running) - committed;
    if (status === null) {
      log.saw(`no answer for ${planned.holdMs} ms; ${missed} transactions committed meanwhile`);
    }
  } finally {
    server.process?.thaw();
  }
}

/** What Postgres had to deliver again, as the server counted it over a fault. */
export async function redeliveredSince(work: FaultWork, before: number): Promise<void> {
  const status = await statusOf(work.running.cluster.server);
  const after = status?.counters.redelivered ?? 0;
  const redelivered = after < before ? after : after - before;
  if (redelivered > 0) work.log.saw(`transactions delivered again: ${redelivered}`);
}

type SenderTroubles = { readonly losses: number; readonly unknown: number };

function sendersOf({ running }: FaultWork): SenderTroubles {
  const counts = running.senders.map((sender) => sender.counts);
  return {
    losses: counts.reduce((sum, { losses }) => sum + losses, 0),
    unknown: counts.reduce((sum, { unknown }) => sum + unknown, 0),
  };
}

function brokenSince(work: FaultWork, before: SenderTroubles): string {
  const { losses, unknown } = sendersOf(work);
  return (
    `connections of senders broken: ${losses - before.losses}, ` +
    `at their COMMIT: ${unknown - before.unknown}`
  );
}

function committedOf({ senders }: Running): number {
  return senders.reduce((sum, { counts }) => sum + counts.committed, 0);
}

function troublesOf({ receivers }: Running): number {
  return receivers.reduce((sum, { troubles }) => sum + troubles, 0);
}

/** A process that has just ended needs no signal. */
export function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function msSince(start: number): number {
  return Math.round(performance.now() - start);
}
