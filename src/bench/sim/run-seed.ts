/** What one seed stands for: a run of the one-way world, and one of sites that write. */
import { hash } from 'node:crypto';
import { planOf } from '../../sim/generate.ts';
import { twowayPlanOf } from '../../sim/twoway/plan.ts';
import { runTwoway } from '../../sim/twoway/world.ts';
import type { SimMutant } from './mutants.ts';
import { type Finding, runPlan } from './run-plan.ts';
import type { SeedDone } from './seeds.ts';

/** Properties that a two-way run looks at. */
const TWOWAY_CHECKED = ['P2', 'P9', 'P12', 'P13', 'P27'] as const;

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
      ? await runTwoway(twowayPlanOf(seed), mutant?.twoway ?? null, onLine ?? null)
      : null;
  const hashes = [one?.result.hash, two?.hash].filter((hash) => hash !== undefined);
  const checked = one?.verdicts.map(({ property, checked: times }) => [property, times] as const);
  const twoway: readonly Finding[] = two?.findings ?? [];
  return {
    ...{ seed, findings: one?.findings ?? [], twoway },
    hash: hash('sha256', hashes.join()).slice(0, 32),
    steps: (one?.result.steps ?? 0) + (two?.steps ?? 0),
    seen: [...(one?.result.seen ?? []), ...(two?.seen ?? [])],
    checked: [
      ...(checked ?? []),
      ...(two === null ? [] : TWOWAY_CHECKED.map((property) => [property, 1] as const)),
    ],
  };
}
