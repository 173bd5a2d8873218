/**
 * The demo: the whole product on real data, with faults, and a verdict.
 *
 *   Postgres -> places -> engine and server -> replicas -> workload (a cut, a kill, a rollback)
 *   -> quiet at a known position -> comparison -> verdict -> serving until it is closed
 *
 * Tells what happens through a `Report`; prints nothing.
 */
import type { ReplicaEventOf } from '../../client/events.ts';
import { formatLsn, type Lsn } from '../../core/lsn.ts';
import { Closers } from '../closers.ts';
import { checkReplica, ghostsInPostgres, plantWrongRow } from './check.ts';
import { type Exercise, exercise } from './exercise.ts';
import { type Fault, insertPosition, type Period } from './faults.ts';
import { type Latencies, latenciesOf, samplesOf } from './latency.ts';
import { openReplicas, openStack, type Stack, stopwatch } from './open.ts';
import type { LoadedPlaces } from './places.ts';
import type { Launch, ReplicaProcess } from './replica-process.ts';
import type { ReplicaFacts, Report, Stage, WorkloadFacts } from './report.ts';
import { judge, type ReplicaCheck } from './verdict.ts';

/** One replica each. */
const SELECTORS = ['FR', 'DE', 'IT', 'JP'] as const;

/** Changes nothing, and tells every replica how far Postgres is. */
const BEACON_SQL = `UPDATE kind SET edits = edits WHERE code = 'PPL'`;

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
  readonly latencies: Latencies;
  readonly workload: WorkloadFacts;
  readonly faults: readonly Fault[];
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
  onApplied(selector: string, event: ReplicaEventOf<'applied'>): void;
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
    const { result, replicas } = await run(options, { report, signal, closers });
    return {
      result,
      watch: (watcher) => {
        for (const replica of replicas) watch(replica, watcher);
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
): Promise<{ result: DemoResult; replicas: readonly ReplicaProcess[] }> {
  const elapsedMs = stopwatch();
  const { seed, plant, dir, launch } = options;
  const stack = await openStack(options, stage);
  const { replicas, opened } = await openReplicas(
    { selectors: SELECTORS, dir, launch },
    stack,
    stage,
  );
  const sinceMs = Date.now();
  const exercised = await exercise(
    { seed, omitted: omittedBy(plant) },
    { ...stack, replicas },
    stage,
  );
  const { faults, facts, recent } = exercised;
  stage.report.fact({ kind: 'workload', ...facts });
  for (const fault of faults) stage.report.fact({ kind: 'fault', fault });
  const position = await quieten(stack, replicas, stage);
  if (plant === 'wrong-row' && replicas[0] !== undefined) plantWrongRow(replicas[0].file);
  const checks = await check(stack, replicas, exercised, stage);
  const latencies = latenciesAt(replicas, faults, sinceMs);
  stage.report.fact({ kind: 'latency', latencies });
  const { rolledBack } = exercised.workload;
  const problems = judge({
    ...{ replicas: checks, faults, latencies, rolledBack, kinds: facts.kinds },
    ghostsInPostgres: await ghostsInPostgres(stack.session, rolledBack),
  });
  const { changes, transactions } = facts;
  const { places, server, postgres } = stack;
  const result: DemoResult = {
    verdict: problems.length === 0 ? 'PASS' : 'FAIL',
    ...{ problems, seed, position: formatLsn(position), changes, transactions, latencies },
    rows: checks.reduce((sum, { comparison }) => sum + comparison.rows, 0),
    lost: checks.reduce((sum, { comparison }) => sum + comparison.lost, 0),
    ...{ workload: facts, faults, opened, replicas: checks, places, dir, server, postgres, recent },
    durationMs: elapsedMs(),
  };
  return { result, replicas };
}

function omittedBy(plant: Plant | undefined): Fault['kind'] | undefined {
  if (plant === 'no-cut') return 'connection cut';
  return plant === 'no-kill' ? 'replica killed' : undefined;
}

/** Waits until every replica has all that is committed. The writers have ended. */
async function quieten(
  { session }: Stack,
  replicas: readonly ReplicaProcess[],
  { report, signal }: Stage,
): Promise<Lsn> {
  const elapsedMs = stopwatch();
  report.progress('waiting until the replicas have everything');
  const position = await insertPosition(session);
  // Otherwise a replica would learn that nothing follows with the next heartbeat only.
  await session.query(BEACON_SQL);
  await Promise.all(replicas.map((replica) => replica.reach(position, signal)));
  report.fact({ kind: 'quiet', position: formatLsn(position), durationMs: elapsedMs() });
  return position;
}

async function check(
  { session, server }: Stack,
  replicas: readonly ReplicaProcess[],
  { workload }: Exercise,
  { report, signal }: Stage,
): Promise<readonly ReplicaCheck[]> {
  const { written, rolledBack } = workload;
  const checks: ReplicaCheck[] = [];
  for (const replica of replicas) {
    report.progress(`comparing ${replica.selector} with Postgres`);
    const found = await checkReplica({ session, server, replica, written, rolledBack, signal });
    report.fact({ kind: 'check', check: found });
    checks.push(found);
  }
  return checks;
}

function latenciesAt(
  replicas: readonly ReplicaProcess[],
  faults: readonly Fault[],
  sinceMs: number,
): Latencies {
  return latenciesOf(
    replicas.map(({ selector, applied }) => ({
      samples: samplesOf(applied, sinceMs),
      faults: faults.flatMap((fault) => periodFor(fault, selector)),
    })),
  );
}

/** When the fault was holding up this replica: a cut holds up all of them. */
function periodFor(fault: Fault, selector: string): readonly Period[] {
  if (fault.observed === null) return [];
  if (fault.kind === 'replica killed' && fault.selector !== selector) return [];
  return [fault.observed.period];
}

function watch(replica: ReplicaProcess, watcher: Watcher): void {
  const { selector } = replica;
  replica.onApplied = (event) => watcher.onApplied(selector, event);
  replica.onLost = () => watcher.onLost(selector);
}
