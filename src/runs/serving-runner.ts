/** The runner of a server: takes whatever is queued for the area. */
import type { Environment } from '../area/types.ts';
import { openAreaBook } from './area-book.ts';
import type { LocalRuns } from './database/home.ts';
import { newRunner } from './new-runner.ts';

export type ServingRunnerOptions = {
  readonly local: LocalRuns;
  readonly environment: Environment;
  readonly slots: number;
  readonly onTrouble: (error: unknown) => void;
};

/** Throws what reading the area throws. Gives the one who ends it; what runs is left to the next runner. */
export async function startServingRunner(options: ServingRunnerOptions): Promise<() => void> {
  const { local, environment, slots, onTrouble } = options;
  const { store, identity, place } = local;
  const book = await openAreaBook(place.area, environment);
  const runner = newRunner({
    store,
    book,
    identity,
    slots,
    onTrouble,
    isServing: true,
    now: Date.now,
  });
  runner.start();
  return () => runner.stop();
}
