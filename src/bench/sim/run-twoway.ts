/** Runs sites that write, and has the run judged: by what only a simulation can see, and by the judge of the two-way runs. */
import type { TwowayPlan } from '../../sim/twoway/plan.ts';
import { runTwoway, type TwowayResult } from '../../sim/twoway/world.ts';
import { judgeEvidence } from '../twoway/judge.ts';
import type { SimMutant } from './mutants.ts';
import type { Finding } from './run-plan.ts';
import { TwowayRecorder } from './twoway-recorder.ts';

/** Properties that the run itself looks at. */
const OWN_CHECKED = ['P2', 'P9', 'P12', 'P13', 'P27'] as const;

export type TwowayOutcome = Omit<TwowayResult, 'findings'> & {
  /** Those of the run itself first. */
  readonly findings: readonly Finding[];
  readonly own: readonly Finding[];
  /** How often each property was looked at. */
  readonly checked: readonly (readonly [string, number])[];
};

export async function runTwowayPlan(
  plan: TwowayPlan,
  options: {
    readonly mutant?: SimMutant | undefined;
    readonly onLine?: (line: string) => void;
  } = {},
): Promise<TwowayOutcome> {
  const recorder = new TwowayRecorder(plan);
  const { mutant, onLine } = options;
  const result = await runTwoway(plan, { bug: mutant?.twoway, observer: recorder, onLine });
  const evidence = recorder.evidence();
  const properties = evidence === null ? [] : judgeEvidence(evidence).properties;
  const found = properties
    .filter(({ verdict }) => verdict === 'fail')
    .map(({ property, witness }) => ({ property, witness }));
  return {
    ...result,
    own: result.findings,
    findings: [...result.findings, ...found],
    checked: [
      ...OWN_CHECKED.map((property) => [property, 1] as const),
      ...properties.map(({ property, checked }) => [property, checked] as const),
    ],
  };
}
