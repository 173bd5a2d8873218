/** The workload of the demo, with its faults beside it: those of the stress, performed by its code. */
import type { PlannedFault } from '../stress/plan.ts';
import { type FaultOutcome, runFault } from '../stress/run-faults.ts';
import { together, until } from '../until.ts';
import type { Demo } from './open.ts';
import type { Stage, WorkloadFacts } from './report.ts';
import { TRANSACTIONS, Workload } from './workload.ts';

/** When the faults come, as shares of the workload. */
const CUT_AT = 0.25;
const KILL_AT = 0.5;
/** A feed that starts here has rows to show. */
const RECENT_AT = 0.95;
const REACHED_MS_MAX = 120_000;
const KILLED = 'IT';
/** How long the killed replica stays away: it misses transactions. */
const HOLD_MS = 1000;

/** `atMs` is when they come about. */
export const FAULT_PLAN: readonly PlannedFault[] = [
  { id: '1-cut-walsender', atMs: 1500, fault: 'cut-walsender', target: 'postgres', holdMs: 0 },
  { id: '2-kill-receiver', atMs: 3000, fault: 'kill-receiver', target: KILLED, holdMs: HOLD_MS },
];

export type ExerciseOptions = {
  readonly seed: number;
  /** Countries in which is written: those of the replicas, and one that nobody holds. */
  readonly countries: readonly string[];
  /** For tests: a fault that is left out must be missed. */
  readonly omitted: PlannedFault['fault'] | undefined;
};

export type Exercise = {
  readonly facts: WorkloadFacts;
  readonly faults: readonly FaultOutcome[];
  /** A position shortly before the end. */
  readonly recent: string;
};

export async function exercise(
  { seed, countries, omitted }: ExerciseOptions,
  { stack, running, evidence }: Demo,
  { report, signal, closers }: Stage,
): Promise<Exercise> {
  const { postgres: url, session } = stack;
  report.progress('preparing the workload');
  const workload = await Workload.prepare({ session, url, countries, seed, evidence, signal });
  closers.add(() => workload.close());
  workload.onCommitted = () => report.progress(progressOf(workload));
  let recent = '';
  const faults: FaultOutcome[] = [];
  const inject = async (planned: PlannedFault, share: number, both: AbortSignal): Promise<void> => {
    await reached(workload, share, both);
    if (planned.fault === omitted) return;
    const setting = { evidence, closers, signal: both };
    const silent = { progress: () => undefined, line: () => undefined };
    faults.push(await runFault({ ...setting, report: silent }, running, planned));
  };
  const [cut, kill] = FAULT_PLAN;
  await together(signal, [
    (both) => workload.run(both),
    async (both) => {
      if (cut !== undefined) await inject(cut, CUT_AT, both);
      if (kill !== undefined) await inject(kill, KILL_AT, both);
    },
    async (both) => {
      await reached(workload, RECENT_AT, both);
      recent = await running.admin.position({ limitMs: REACHED_MS_MAX, signal: both });
    },
  ]);
  return { facts: factsOf(workload), faults, recent };
}

async function reached(workload: Workload, share: number, signal: AbortSignal): Promise<void> {
  await until(
    `${share * 100} % of the workload are done`,
    () => workload.transactions >= TRANSACTIONS * share,
    { limitMs: REACHED_MS_MAX, signal },
  );
}

function progressOf({ transactions, changes }: Workload): string {
  return `writing: ${transactions} of ${TRANSACTIONS} transactions, ${changes} changes`;
}

function factsOf(workload: Workload): WorkloadFacts {
  const { transactions, changes, kinds, durationMs, rolledBackRows } = workload;
  return { transactions, changes, kinds, durationMs, rolledBackRows };
}
