/** Runs one plan and has it judged: by the judge of the stress runs, and by what only a simulation can see. */
import type { Plan } from '../../sim/plan.ts';
import { type Plants, type RunResult, World } from '../../sim/world.ts';
import type { RunFile, Verdict } from '../stress/evidence.ts';
import { judgeStreams } from '../stress/judge/judge.ts';
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

export async function runPlan(
  plan: Plan,
  options: { readonly plants?: Plants; readonly onLine?: (line: string) => void } = {},
): Promise<Outcome> {
  const recorder = new Recorder();
  const world = new World({ plan, observer: recorder, ...options });
  const result = await world.run();
  const { properties } = await judgeStreams(runFileOf(plan, result), recorder.streams);
  const found = properties
    .filter(({ verdict }) => verdict === 'fail')
    .map(({ property, witness }) => ({ property, witness }));
  return { plan, findings: [...ownFindings(result), ...found], result, verdicts: properties };
}

/** What the judge of a real run cannot see. */
function ownFindings({ ending, failure, reason, seen }: RunResult): readonly Finding[] {
  if (ending === 'failed') {
    return [{ property: 'P31', witness: [reason ?? String(failure)] }];
  }
  const mismatches = seen.get('mismatch') ?? 0;
  if (mismatches === 0) return [];
  const witness = [`a digest of the server did not agree with a replica's (${mismatches} times)`];
  return [{ property: 'P24', witness }];
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
