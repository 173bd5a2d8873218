/** Performs the plan: two lanes side by side, one fault after the other in each. */
import { setTimeout as sleep } from 'node:timers/promises';
import { together } from '../until.ts';
import { statusOf } from './cluster.ts';
import { FaultLog, isHealed } from './fault-log.ts';
import { type FaultName, isOfNetwork, isOfReceiver, type PlannedFault } from './plan.ts';
import {
  disturbReceiver,
  forgetReceiver,
  freezeReceiver,
  killReceiver,
} from './receiver-faults.ts';
import type { ReceiverProcess } from './receiver-process.ts';
import type { Running, Setting } from './run.ts';
import {
  cutWalsender,
  dropSenders,
  dropSlot,
  type FaultWork,
  freezePostgres,
  freezeServer,
  killPostgres,
  killServer,
  redeliveredSince,
  restartPostgres,
} from './server-faults.ts';
import { healed } from './settle.ts';

const HEALED_MS_MAX = 60_000;
/** How much longer a run goes on for a kind of fault that it has not met yet: a slow machine is late. */
const LATE_MS_MAX = 60_000;

export type When = {
  readonly plan: readonly PlannedFault[];
  /** What has not begun by then does not begin, unless it is the first of its kind. */
  readonly endMs: number;
};

export async function runFaults(stage: Setting, running: Running, when: When): Promise<void> {
  const { plan, endMs } = when;
  const lanes = [
    plan.filter(({ fault }) => !isOfReceiver(fault)),
    plan.filter(({ fault }) => isOfReceiver(fault)),
  ];
  const fromMs = stage.evidence.now();
  await together(
    stage.signal,
    lanes.map((lane) => async (signal) => {
      const met = new Set<FaultName>();
      for (const planned of lane) {
        const lastMs = met.has(planned.fault) ? endMs : endMs + LATE_MS_MAX;
        const waitMs = fromMs + planned.atMs - stage.evidence.now();
        await sleep(Math.max(0, waitMs), undefined, { signal });
        if (stage.evidence.now() >= lastMs) continue;
        met.add(planned.fault);
        const outcome = await runFault({ ...stage, signal }, running, planned);
        const atS = (stage.evidence.now() / 1000).toFixed(1).padStart(5);
        stage.report.line(`${atS} s  ${lineOf(outcome)}`);
      }
    }),
  );
}

/** What became of a fault. */
export type FaultOutcome = {
  readonly planned: PlannedFault;
  /** What was seen of it; empty: it has not been exercised. */
  readonly effects: readonly string[];
  readonly isHealed: boolean;
  readonly ms: number;
  /** Why it could not be performed here. */
  readonly why: string | null;
};

/** Performs one fault and waits until everything is as before. */
export async function runFault(
  stage: Setting,
  running: Running,
  planned: PlannedFault,
): Promise<FaultOutcome> {
  const perform = performerOf(planned, running);
  if (typeof perform === 'string') {
    // No effect is told: the judge calls it "not exercised", and the reason stands beside it.
    const log = new FaultLog(stage, planned, { why: perform });
    log.end(true);
    return { planned, effects: [], isHealed: true, ms: log.ms, why: perform };
  }
  const log = new FaultLog(stage, planned);
  const work = { planned, stage, running, log };
  const before = (await statusOf(running.cluster.server))?.counters.redelivered ?? 0;
  await perform(work);
  const isWell = await isHealed(() => heal(work));
  if (!isOfReceiver(planned.fault)) await redeliveredSince(work, before);
  log.end(isWell);
  return { planned, effects: log.effects, isHealed: isWell, ms: log.ms, why: null };
}

/** A fault in one line. */
function lineOf({ planned, effects, isHealed, ms, why }: FaultOutcome): string {
  const { fault, target } = planned;
  if (why !== null) return `${fault}: NOT EXERCISED, ${why}`;
  const where = isOfReceiver(fault) ? `${fault} ${target}` : fault;
  const what = effects.join('; ') || 'NO EFFECT SEEN';
  return `${where}: ${what}; ${isHealed ? `healed after ${ms} ms` : 'NOT HEALED IN TIME'}`;
}

type Perform = (work: FaultWork) => Promise<void>;

/** How it is done, or why it cannot be done here. */
function performerOf({ fault, target }: PlannedFault, running: Running): Perform | string {
  const { postgres, serverProcess } = running.cluster;
  const ofPostgres = (perform: typeof killPostgres): Perform | string =>
    postgres === null
      ? 'the Postgres of --postgres is not ours'
      : (work) => perform(work, postgres);
  const ofServer = (perform: typeof killServer): Perform | string =>
    serverProcess === null
      ? 'the server of --server is not ours'
      : (work) => perform(work, serverProcess);
  const receiver = running.receivers.find(({ replica }) => replica === target);
  const ofReceiver = (perform: typeof killReceiver): Perform | string =>
    receiver === undefined ? `there is no ${target}` : (work) => perform(work, receiver);
  if (isOfNetwork(fault))
    return ofReceiver((work, disturbed) => disturbReceiver(work, disturbed, fault));
  const performers: Readonly<Record<typeof fault, Perform | string>> = {
    'kill-postgres': ofPostgres(killPostgres),
    'restart-postgres': ofPostgres(restartPostgres),
    'freeze-postgres': ofPostgres(freezePostgres),
    'cut-walsender': cutWalsender,
    'drop-senders': dropSenders,
    'drop-slot': dropSlot,
    'kill-server': ofServer(killServer),
    'freeze-server': ofServer(freezeServer),
    'kill-receiver': ofReceiver(killReceiver),
    'freeze-receiver': ofReceiver(freezeReceiver),
    'forget-receiver': ofReceiver(forgetReceiver),
  };
  return performers[fault];
}

/** The server has everything; after a fault of a receiver, that one has it too. */
async function heal({ stage, running, planned }: FaultWork): Promise<void> {
  const receiver = running.receivers.find(({ replica }) => replica === planned.target);
  if (receiver === undefined) {
    await healed(stage, running, HEALED_MS_MAX);
    return;
  }
  await caughtUp(receiver, stage, running);
}

async function caughtUp(
  receiver: ReceiverProcess,
  { signal }: Setting,
  { admin }: Running,
): Promise<void> {
  const wait = { limitMs: HEALED_MS_MAX, signal };
  await receiver.reach(await admin.position(wait), wait);
}
