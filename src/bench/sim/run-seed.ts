/** What one seed stands for: a run of the one-way world, and one of sites that write. */
import { hash } from 'node:crypto';
import { planOf } from '../../sim/generate.ts';
import { twowayPlanOf } from '../../sim/twoway/plan.ts';
import type { SimMutant } from './mutants.ts';
import { type Finding, runPlan } from './run-plan.ts';
import { runTwowayPlan } from './run-twoway.ts';
import type { SeedDone } from './seeds.ts';

/** A bug is planted in one of the two; the other one is not run then. */
export async function runSeed(
  seed: number,
  options: {
    readonly mutant?: SimMutant | undefined;
    readonly onLine?: (line: string) => void;
  } = {},
): Promise<SeedDone> {
  const { mutant, onLine } = options;
  const isTwoway = mutant?.twoway !== undefined;
  const one = isTwoway ? null : await runPlan(planOf(seed), { mutant, ...(onLine && { onLine }) });
  const isBoth = mutant === undefined;
  const two =
    isTwoway || isBoth
      ? await runTwowayPlan(twowayPlanOf(seed), { mutant, ...(onLine && { onLine }) })
      : null;
  const hashes = [one?.result.hash, two?.hash].filter((hash) => hash !== undefined);
  const checked = one?.verdicts.map(({ property, checked: times }) => [property, times] as const);
  const twoway: readonly Finding[] = two?.findings ?? [];
  return {
    ...{ seed, findings: one?.findings ?? [], twoway },
    hash: hash('sha256', hashes.join()).slice(0, 32),
    steps: (one?.result.steps ?? 0) + (two?.steps ?? 0),
    seen: [...(one?.result.seen ?? []), ...(two?.seen ?? [])],
    checked: [...(checked ?? []), ...(two?.checked ?? [])],
  };
}
