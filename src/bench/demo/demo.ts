/**
 * The demo: the whole product on real data, with faults, and a verdict.
 *
 *   Postgres -> places -> engine and server -> replicas -> workload (a cut, a kill, a rollback)
 *   -> quiet at a known position -> comparison -> judge -> verdict -> serving until it is closed
 *
 * Writers, receivers, faults, oracle and judge are those of the stress (src/bench/stress), over tables of its own.
 * Tells what happens through a `Report`; prints nothing.
 */
import { join } from 'node:path';
import { Closers } from '../closers.ts';
import type { RunFile, VerdictFile } from '../stress/evidence.ts';
import type { Launch } from '../stress/launched.ts';
import type { PlannedFault } from '../stress/plan.ts';
import type { ReceiverProcess, Told } from '../stress/receiver-process.ts';
import type { FaultOutcome } from '../stress/run-faults.ts';
import { type Settled, settle } from '../stress/settle.ts';
import { judgeFolder } from '../stress/verdict.ts';
import { runFileOf, startEvidence } from './baseline.ts';
import { checkReplica, plantWrongRow } from './check.ts';
import { type Exercise, exercise, FAULT_PLAN } from './exercise.ts';
import { type Demo, openReplicas, openStack, stopwatch } from './open.ts';
import { EVIDENCE_TABLES, type LoadedPlaces } from './places.ts';
import type { ReplicaFacts, Report, Stage, WorkloadFacts } from './report.ts';
import { problemsOf, type ReplicaCheck } from './verdict.ts';

/** One replica each. */
const SELECTORS = ['FR', 'DE', 'IT', 'JP'] as const;

/** The workload also writes here: places enter and leave what is replicated. */
const UNWATCHED = 'CH';
const COUNTRIES = [...SELECTORS, UNWATCHED];

/** What tests break to see the verdict fail. */
export const PLANTS = ['wrong-row', 'no-cut', 'no-kill'] as const;
export type Plant = (typeof PLANTS)[number];

export type DemoOptions = {
  /** Folder of everything: Postgres, the server's log, the replicas. */
  readonly dir: string;
  /** Undefined: the usual one when it is free. */
  readonly port: number | undefined;
  readonly seed: number;
  /** Fewer places than there are: for tests. */
  readonly placesMax: number | undefined;
  readonly plant: Plant | undefined;
  readonly launch: Launch;
};

export type DemoResult = {
  readonly verdict: 'PASS' | 'FAIL';
  /** Why it is no PASS. */
  readonly problems: readonly string[];
  readonly seed: number;
  /** The workload lies before it, and nothing was written between it and the comparison. */
  readonly position: string;
  readonly rows: number;
  readonly changes: number;
  readonly transactions: number;
  /** Committed rows that a replica does not have as they were written. */
  readonly lost: number;
  /** Milliseconds from commit to a replica's commit, outside of faults. */
  readonly latency: VerdictFile['latency'];
  readonly workload: WorkloadFacts;
  readonly faults: readonly FaultOutcome[];
  /** What the judge says to each property, and its report with plots. */
  readonly properties: VerdictFile['properties'];
  readonly report: string;
  readonly opened: readonly ReplicaFacts[];
  readonly replicas: readonly ReplicaCheck[];
  readonly places: LoadedPlaces;
  readonly dir: string;
  readonly server: string;
  readonly postgres: string;
  /** A position shortly before the end of the workload: a feed from here shows rows at once. */
  readonly recent: string;
  readonly durationMs: number;
};

export type Watcher = {
  onApplied(selector: string, told: Told): void;
  /** The replica's process ended although nobody wanted it. */
  onLost(selector: string): void;
};

export type RunningDemo = {
  readonly result: DemoResult;
  /** Tells what happens to the replicas from now on. */
  watch(watcher: Watcher): void;
  /** Stops everything that was started, the last first. Calling it again is harmless. */
  close(): Promise<void>;
};

/** Runs up to the verdict; what was started goes on until `close`. Aborting stops everything and throws. */
export async function startDemo(
  options: DemoOptions,
  report: Report,
  signal: AbortSignal,
): Promise<RunningDemo> {
  const closers = new Closers();
  try {
    const { result, receivers } = await run(options, { report, signal, closers });
    return {
      result,
      watch: (watcher) => {
        for (const receiver of receivers) watch(receiver, watcher);
      },
      close: () => closers.close(),
    };
  } catch (error) {
    await closers.close();
    signal.throwIfAborted();
    throw error;
  }
}

async function run(
  options: DemoOptions,
  stage: Stage,
): Promise<{ result: DemoResult; receivers: readonly ReceiverProcess[] }> {
  const elapsedMs = stopwatch();
  const { seed, dir, launch } = options;
  const stack = await openStack(options, stage);
  const { demo, opened } = await openReplicas({ selectors: SELECTORS, dir, launch }, stack, stage);
  const { exercised, settled } = await prove(demo, options, stage);
  const { faults, facts, recent } = exercised;
  const replicas = await check(demo, settled, stage);
  const { verdict: judged, report } = await judgeRun(demo, { seed, settled, elapsedMs }, stage);
  const { rolledBackRows, kinds, changes, transactions } = facts;
  const problems = problemsOf({
    ...{ replicas, faults, judged, kinds, rolledBackRows, plan: FAULT_PLAN },
  });
  const { places, server, postgres } = stack;
  const result: DemoResult = {
    verdict: problems.length === 0 ? 'PASS' : 'FAIL',
    ...{ problems, seed, position: settled.position, changes, transactions, recent },
    rows: sum(settled.comparison.map(({ rows }) => rows)),
    lost: sum(settled.comparison.map(({ differences }) => differences.length)),
    ...{ latency: judged.latency, properties: judged.properties, report, workload: facts, faults },
    ...{ opened, replicas, places, dir, server, postgres },
    durationMs: elapsedMs(),
  };
  return { result, receivers: demo.running.receivers };
}

/** The workload with its faults, up to a quiet position; all of it in the evidence. */
async function prove(
  demo: Demo,
  { seed, plant }: DemoOptions,
  stage: Stage,
): Promise<{ readonly exercised: Exercise; readonly settled: Settled }> {
  const { stack, running, evidence } = demo;
  const { report, signal, closers } = stage;
  const { receivers } = running;
  const begun = { session: stack.session, url: stack.postgres, countries: COUNTRIES, evidence };
  const { oracle, position } = await startEvidence(begun);
  closers.add(() => oracle.abort());
  for (const receiver of receivers) receiver.recordedFrom = position;
  const omitted = omittedBy(plant);
  const exercised = await exercise({ seed, countries: COUNTRIES, omitted }, demo, stage);
  report.fact({ kind: 'workload', ...exercised.facts });
  for (const fault of exercised.faults) report.fact({ kind: 'fault', fault });
  const elapsedMs = stopwatch();
  let quietMs: number | undefined;
  const setting = { ...stage, evidence, report: { progress: report.progress, line: () => {} } };
  const settled = await settle(setting, running, {
    ...{ oracle, tables: EVIDENCE_TABLES },
    lastLook: async (receiver, target) => {
      quietMs ??= elapsedMs();
      if (plant === 'wrong-row' && receiver === receivers[0]) plantWrongRow(receiver.file);
      await receiver.hasRead(target, signal);
    },
  });
  report.fact({ kind: 'quiet', position: settled.position, durationMs: quietMs ?? 0 });
  // What is written while the demo goes on serving is nobody's evidence.
  for (const receiver of receivers) receiver.recordedFrom = null;
  return { exercised, settled };
}

function omittedBy(plant: Plant | undefined): PlannedFault['fault'] | undefined {
  if (plant === 'no-cut') return 'cut-walsender';
  return plant === 'no-kill' ? 'kill-receiver' : undefined;
}

async function check(
  demo: Demo,
  { comparison }: Settled,
  { report, signal }: Stage,
): Promise<readonly ReplicaCheck[]> {
  const checks: ReplicaCheck[] = [];
  for (const receiver of demo.running.receivers) {
    const compared = comparison.find(({ replica }) => replica === receiver.replica);
    if (compared === undefined) continue;
    report.progress(`comparing ${receiver.replica} with Postgres`);
    const found = await checkReplica(demo, receiver, compared, signal);
    report.fact({ kind: 'check', check: found });
    checks.push(found);
  }
  return checks;
}

/** The judge reads the folder, and nothing else. */
async function judgeRun(
  { evidence, running }: Demo,
  ended: { readonly seed: number; readonly settled: Settled; readonly elapsedMs: () => number },
  { report: tell }: Stage,
): ReturnType<typeof judgeFolder> {
  tell.progress('judging');
  const { seed, settled, elapsedMs } = ended;
  evidence.writeRun(
    runFileOf(evidence, {
      ...{ seed, plan: FAULT_PLAN, versions: {} },
      replicas: running.receivers.map(({ replica, selectors }) => ({
        ...{ replica, selectors, file: join('..', 'replicas', `${replica}.db`) },
      })),
      end: { durationMs: elapsedMs(), how: 'quiet', reason: null, ...settled } as RunFile['end'],
    }),
  );
  evidence.flush();
  const judged = await judgeFolder(evidence.dir);
  const { properties, latency } = judged.verdict;
  const named = (verdict: string): readonly string[] =>
    properties.filter((one) => one.verdict === verdict).map(({ property }) => property);
  const { checked = 0 } = properties.find(({ property }) => property === 'P1') ?? {};
  tell.fact({
    ...{ kind: 'judge', checked, passed: named('pass').length },
    ...{ failed: named('fail'), report: judged.report },
  });
  tell.fact({ kind: 'latency', latency });
  return judged;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function watch(receiver: ReceiverProcess, watcher: Watcher): void {
  receiver.onApplied = (told) => watcher.onApplied(receiver.replica, told);
  receiver.onLost = () => watcher.onLost(receiver.replica);
}
