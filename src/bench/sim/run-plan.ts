/** Runs one plan and has it judged: by the judge of the stress runs, and by what only a simulation can see. */
import type { Plan } from '../../sim/plan.ts';
import { type RunResult, World } from '../../sim/world.ts';
import type { RunFile, Verdict } from '../stress/evidence.ts';
import { judgeStreams } from '../stress/judge/judge.ts';
import type { SimMutant } from './mutants.ts';
import { EVIDENCE_TABLES, Recorder } from './recorder.ts';

/** Something that is wrong with a run. */
export type Finding = {
  /** `P1` .. `P31`. */
  readonly property: string;
  readonly witness: readonly string[];
};

export type Outcome = {
  readonly plan: Plan;
  /** Empty: nothing is wrong. The first one is what the run is known by. */
  readonly findings: readonly Finding[];
  readonly result: RunResult;
  readonly verdicts: readonly Verdict[];
};

/** Longer than any run, and larger than what any run writes. */
const LEASE_S_MIN = 600;
const LOG_BYTES_MIN = 1_000_000;

export async function runPlan(
  plan: Plan,
  options: {
    readonly mutant?: SimMutant | undefined;
    readonly onLine?: (line: string) => void;
  } = {},
): Promise<Outcome> {
  const { mutant, onLine } = options;
  const recorder = new Recorder();
  const plants = mutant?.plants(() => world.scheduler) ?? {};
  const world: World = new World({ plan, observer: recorder, plants, onLine });
  const result = await world.run();
  const { properties } = await judgeStreams(runFileOf(plan, result), recorder.streams);
  const found = properties
    .filter(({ verdict }) => verdict === 'fail')
    .map(({ property, witness }) => ({ property, witness }));
  const own = ownFindings(plan, result);
  return { plan, findings: [...own, ...found], result, verdicts: properties };
}

/** What the judge of a real run cannot see. */
function ownFindings(plan: Plan, result: RunResult): readonly Finding[] {
  const { ending, failure, reason, seen } = result;
  if (ending === 'failed') {
    return [{ property: 'P31', witness: [reason ?? String(failure)] }];
  }
  const findings: Finding[] = [];
  const mismatches = seen.get('mismatch') ?? 0;
  if (mismatches > 0) {
    const witness = `a digest of the server did not agree with a replica's (${mismatches} times)`;
    findings.push({ property: 'P24', witness: [witness] });
  }
  const tooOld = seen.get('error TOO_OLD') ?? 0;
  if (tooOld > 0 && isHeldForAll(plan)) {
    const witness = `a replica was told that it is older than the log (${tooOld} times), which was to be kept for it`;
    findings.push({ property: 'P25', witness: [witness] });
  }
  return findings;
}

/** Faults after which a lease, or the position that it speaks of, may be gone. */
const LOSES_LEASES: ReadonlySet<string> = new Set([
  'lose-server',
  'fill-log',
  'jump-clock',
  'lose-receiver',
]);

/** Nothing in this plan takes away what a lease promises: neither its time, nor the log's size, nor a disk. */
function isHeldForAll({ server, actions }: Plan): boolean {
  if (server.leaseS < LEASE_S_MIN || server.logBytesMax < LOG_BYTES_MIN) return false;
  return !actions.some((action) => action.kind === 'fault' && LOSES_LEASES.has(action.fault));
}

function runFileOf(plan: Plan, result: RunResult): RunFile {
  const names = new Map(
    result.comparison.map(({ replica }, index) => [plan.replicas[index]?.name, replica]),
  );
  return {
    ...{ format: 1, id: `seed-${plan.seed}`, startedAt: '', seed: plan.seed, protocol: 'native' },
    ...{ options: {}, plan: [], versions: {}, tables: EVIDENCE_TABLES, bug: null },
    replicas: plan.replicas.map(({ name, selectors }) => ({
      ...{ replica: names.get(name) ?? name, selectors, file: '' },
    })),
    end: {
      ...{ durationMs: result.durationMs, position: result.endPosition },
      how: result.ending === 'done' ? 'quiet' : 'stuck',
      reason: result.reason,
      comparison: result.comparison.map(({ replica, differences }) => ({
        ...{ replica, rows: 0, differences },
      })),
    },
  };
}
