/** `tidelock stress worker`: started by `stress two-way`, one process for each of its databases. */
import type { Command } from 'commander';
import { plantedTwowayBug } from '../bench/twoway/bugs/planted.ts';
import type { WorkerSettings } from '../bench/twoway/worker-news.ts';
import { runWorker } from '../bench/twoway/worker-program.ts';

export function register(stress: Command): void {
  stress
    .command('worker', { hidden: true })
    .argument('<settings>', 'as JSON')
    .action((text: string) => {
      const settings = JSON.parse(text) as WorkerSettings;
      plantedTwowayBug(settings.bug ?? undefined, process.env);
      return runWorker(settings);
    });
}
