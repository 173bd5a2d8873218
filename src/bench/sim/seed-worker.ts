/** A thread that runs seeds, one after the other, as it is told. */
import { parentPort, workerData } from 'node:worker_threads';
import { planOf } from '../../sim/generate.ts';
import { mutantNamed } from './mutants.ts';
import { runPlan } from './run-plan.ts';
import type { SeedNews, SeedSettings } from './seeds.ts';

const { mutant: name } = workerData as SeedSettings;
const mutant = name === null ? undefined : mutantNamed(name);

// What a simulated crash leaves behind belongs to a process that is gone; everything else is told by the run itself.
process.on('unhandledRejection', (error) => {
  parentPort?.postMessage({ kind: 'stray', message: String(error) } satisfies SeedNews);
});

parentPort?.on('message', async (seed: number) => {
  const { findings, result, verdicts } = await runPlan(planOf(seed), { mutant });
  const news: SeedNews = {
    ...{ kind: 'done', seed, findings, hash: result.hash, steps: result.steps },
    seen: [...result.seen],
    checked: verdicts.map(({ property, checked }) => [property, checked]),
  };
  parentPort?.postMessage(news);
});
