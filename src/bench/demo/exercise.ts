/** The workload of the demo, with its faults beside it. */
import { assert } from '../../core/assert.ts';
import { formatLsn } from '../../core/lsn.ts';
import { together, until } from '../until.ts';
import {
  type CutFault,
  cutConnection,
  type Fault,
  insertPosition,
  type KillFault,
  killReplica,
} from './faults.ts';
import type { Stack } from './open.ts';
import type { ReplicaProcess } from './replica-process.ts';
import type { Stage, WorkloadFacts } from './report.ts';
import { TRANSACTIONS, Workload } from './workload.ts';

/** The workload also writes here: places enter and leave what is replicated. */
const UNWATCHED = 'CH';
const KILLED = 'IT';

/** When the faults come, as shares of the workload. */
const CUT_AT = 0.25;
const KILL_AT = 0.5;
/** A feed that starts here has rows to show. */
const RECENT_AT = 0.95;
const REACHED_MS_MAX = 120_000;

export type ExerciseOptions = {
  readonly seed: number;
  /** For tests: a fault that is left out must be missed. */
  readonly omitted: Fault['kind'] | undefined;
};

export type Exercise = {
  readonly workload: Workload;
  readonly facts: WorkloadFacts;
  readonly faults: readonly Fault[];
  /** A position shortly before the end. */
  readonly recent: string;
};

type Parts = Stack & { readonly replicas: readonly ReplicaProcess[] };

export async function exercise(
  { seed, omitted }: ExerciseOptions,
  parts: Parts,
  { report, signal, closers }: Stage,
): Promise<Exercise> {
  const { postgres: url, engine, session, replicas } = parts;
  report.progress('preparing the workload');
  const countries = [...replicas.map(({ selector }) => selector), UNWATCHED];
  const workload = await Workload.prepare({ url, countries, seed });
  closers.add(() => workload.close());
  const redelivered = (): number => engine.status().counters.redelivered;
  const redeliveredBefore = redelivered();
  let cut: CutFault['observed'] = null;
  let kill: Omit<KillFault, 'kind' | 'selector'> = { observed: null, isCopied: false };
  let recent = '';
  workload.onCommitted = () => report.progress(progressOf(workload));
  await together(signal, [
    (both) => workload.run(both),
    async (both) => {
      await reached(workload, CUT_AT, both);
      if (omitted !== 'connection cut')
        cut = await cutConnection({ session, engine, signal: both });
    },
    async (both) => {
      await reached(workload, KILL_AT, both);
      if (omitted === 'replica killed') return;
      kill = await killReplica({
        ...{ replica: killedOf(replicas), workload, session, signal: both },
      });
    },
    async (both) => {
      await reached(workload, RECENT_AT, both);
      recent = formatLsn(await insertPosition(session));
    },
  ]);
  const faults: readonly Fault[] = [
    { kind: 'connection cut', observed: cut, redelivered: redelivered() - redeliveredBefore },
    { kind: 'replica killed', selector: KILLED, ...kill },
  ];
  return { workload, facts: factsOf(workload), faults, recent };
}

async function reached(workload: Workload, share: number, signal: AbortSignal): Promise<void> {
  await until(
    `${share * 100} % of the workload are done`,
    () => workload.transactions >= TRANSACTIONS * share,
    { limitMs: REACHED_MS_MAX, signal },
  );
}

function killedOf(replicas: readonly ReplicaProcess[]): ReplicaProcess {
  const replica = replicas.find(({ selector }) => selector === KILLED);
  assert(replica !== undefined, `there is a replica of ${KILLED} to kill`);
  return replica;
}

function progressOf({ transactions, changes }: Workload): string {
  return `writing: ${transactions} of ${TRANSACTIONS} transactions, ${changes} changes`;
}

function factsOf(workload: Workload): WorkloadFacts {
  const { transactions, changes, kinds, durationMs, rolledBack } = workload;
  return { transactions, changes, kinds, durationMs, rolledBackRows: rolledBack?.ids.length ?? 0 };
}
