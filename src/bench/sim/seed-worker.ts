/** A thread that runs seeds, one after the other, as it is told. */
import { parentPort, workerData } from 'node:worker_threads';
import { mutantNamed } from './mutants.ts';
import { runSeed } from './run-seed.ts';
import type { SeedNews, SeedSettings } from './seeds.ts';

const { mutant: name } = workerData as SeedSettings;
const mutant = name === null ? undefined : mutantNamed(name);

// What a simulated crash leaves behind belongs to a process that is gone; everything else is told by the run itself.
process.on('unhandledRejection', (error) => {
  parentPort?.postMessage({ kind: 'stray', message: String(error) } satisfies SeedNews);
});

parentPort?.on('message', async (seed: number) => {
  const done = await runSeed(seed, { mutant });
  parentPort?.postMessage({ ...done, kind: 'done' } satisfies SeedNews);
});
