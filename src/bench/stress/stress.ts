/**
 * One-way stress: senders, receivers, faults, evidence.
 *
 *   Postgres, tables, oracle, accounts, server -> receivers and senders at once (faults beside them)
 *   -> final markers -> quiet at a known position -> last reads -> comparison -> run.json
 *
 * What it means is judged from the folder alone. Tells what happens through a `Report`; prints nothing.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode, messageOf } from '../../core/errors.ts';
import { Closers } from '../closers.ts';
import { together } from '../until.ts';
import type { RunFile } from './evidence.ts';
import { EvidenceWriter } from './evidence-writer.ts';
import { openCluster, openReceivers } from './open-run.ts';
import type { Oracle } from './oracle/oracle.ts';
import { drawPlan, type PlannedFault } from './plan.ts';
import { fileOf } from './receiver-process.ts';
import {
  type Report,
  type Running,
  replicaNames,
  runErrorOf,
  type Stage,
  type StressOptions,
} from './run.ts';
import { runFaults } from './run-faults.ts';
import { startSampling } from './sampler.ts';
import { ownSelector, STRESS_TABLES, selectorsOf, senderOf } from './schema.ts';
import { Sender } from './sender.ts';
import { type Settled, settle } from './settle.ts';

/** Groups that a sender may have under way. */
const GROUPS_MAX = 20;
/** What a run may take besides its duration: starts, recoveries, the way to quiet. */
const OVERTIME_MS_MAX = 240_000;
const ORACLE_MS_MAX = 10_000;

/** Runs to the end. Never throws for what happens in the run: `run.end` tells how it ended. */
export async function runStress(
  options: StressOptions,
  report: Report,
  interrupted: AbortSignal,
): Promise<RunFile> {
  const evidence = new EvidenceWriter(options.dir, Date.now());
  const closers = new Closers();
  const bound = AbortSignal.timeout(options.durationMs + OVERTIME_MS_MAX);
  const signal = AbortSignal.any([interrupted, bound]);
  const plan = planOf(options);
  const begun = runFileOf(options, plan, evidence);
  evidence.writeRun(begun);
  let ending: Ending;
  try {
    const settled = await work({ options, evidence, report, closers, signal }, plan);
    ending = { how: 'quiet', reason: null, ...settled };
  } catch (error) {
    const how = howOf(error, interrupted, bound);
    ending = { how, reason: messageOf(error), error: runErrorOf(error), ...NOWHERE };
  }
  report.progress('stopping everything');
  await closers.close().catch((error: unknown) => report.line(`stopping: ${messageOf(error)}`));
  const run = { ...begun, end: { durationMs: evidence.now(), ...ending } };
  evidence.close();
  evidence.writeRun(run);
  if (options.isCleanedUp) cleanUp(options);
  return run;
}

type Ending = Omit<NonNullable<RunFile['end']>, 'durationMs'>;
const NOWHERE: Settled = { position: '0/0', comparison: [] };

function howOf(error: unknown, interrupted: AbortSignal, bound: AbortSignal): Ending['how'] {
  if (interrupted.aborted) return 'interrupted';
  return bound.aborted || hasCode(error, 'TIMEOUT') ? 'stuck' : 'failed';
}

async function work(stage: Stage, plan: readonly PlannedFault[]): Promise<Settled> {
  const { options, evidence, report, closers, signal } = stage;
  const { cluster, admin, oracle } = await openCluster(stage);
  const senders = openSenders(stage, cluster.url);
  const receivers = await openReceivers(stage, cluster, (replica, ends) => {
    for (const [id, group] of ends) senders[senderOf(id)]?.acknowledge(group, replica);
  });
  const running: Running = { cluster, admin, senders, receivers };
  const sampling = startSampling(stage, running);
  closers.add(() => sampling.stop());
  report.progress('writing');
  await writing(stage, { admin, oracle }, [
    ...senders.map((sender) => () => sender.run()),
    async (both) => {
      try {
        // The first copies race the senders; the clock and the faults start when everybody has one.
        await Promise.all(receivers.map((receiver) => receiver.ready(both)));
        const endMs = evidence.now() + options.durationMs;
        await runFaults({ ...stage, signal: both }, running, { plan, endMs });
        await sleep(Math.max(0, endMs - evidence.now()), undefined, { signal: both });
      } finally {
        for (const sender of senders) sender.stop();
      }
    },
  ]);
  return settle(stage, running, {
    ...{ oracle, tables: STRESS_TABLES },
    lastLook: (receiver) => receiver.finish(signal),
  });
}

/** What fails meanwhile is judged, too: up to its end the oracle tells what was committed. */
async function writing(
  { signal }: Stage,
  { admin, oracle }: Pick<Running, 'admin'> & { readonly oracle: Oracle },
  tasks: Parameters<typeof together>[1],
): Promise<void> {
  try {
    await together(signal, tasks);
  } catch (error) {
    if (signal.aborted) throw error;
    try {
      await oracle.close(await admin.position({ limitMs: ORACLE_MS_MAX, signal }));
    } catch {
      // Postgres is away: the evidence ends where it ends, and the run has failed anyway.
    }
    throw error;
  }
}

function openSenders(stage: Stage, url: string): readonly Sender[] {
  const { options, evidence, closers, signal } = stage;
  const { senders, seed, receivers } = options;
  const dropped = new AbortController();
  closers.add(async () => dropped.abort());
  return Array.from({ length: senders }, (_, sender) => {
    const holders = replicaNames(receivers).filter((_, receiver) =>
      selectorsOf(receiver, options).includes(ownSelector(sender)),
    );
    return new Sender({
      ...{ url, sender, senders, seed, evidence, receivers: holders, groupsMax: GROUPS_MAX },
      signal: AbortSignal.any([signal, dropped.signal]),
    });
  });
}

function planOf({ seed, durationMs, receivers, faults }: StressOptions): readonly PlannedFault[] {
  return drawPlan({ ...faults, seed, durationMs, receivers: replicaNames(receivers) });
}

function runFileOf(
  options: StressOptions,
  plan: readonly PlannedFault[],
  evidence: EvidenceWriter,
): RunFile {
  const { id, seed, protocol, durationMs, senders, receivers, faultsText, versions } = options;
  return {
    ...{ format: 1, id, seed, protocol, plan, versions, tables: STRESS_TABLES },
    startedAt: new Date(evidence.startedAtMs).toISOString(),
    options: {
      ...{ durationMs, senders, receivers, faults: faultsText },
      stack: options.stack === null ? 'own' : 'given',
    },
    replicas: replicaNames(receivers).map((replica, index) => ({
      ...{ replica, selectors: selectorsOf(index, options) },
      file: fileOf('.', replica),
    })),
    ...{ bug: options.bug, end: null },
  };
}

/** What was needed to run goes; what was found out stays. */
function cleanUp({ dir }: StressOptions): void {
  for (const folder of ['postgres', 'server', 'replicas']) {
    rmSync(join(dir, folder), { recursive: true, force: true });
  }
}
