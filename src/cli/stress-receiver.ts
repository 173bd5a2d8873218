/** `tidelock stress receiver`: started by `stress one-way`, one process for each of its receivers. */
import type { Command } from 'commander';
import { plantedBug } from '../bench/stress/bugs/catalog.ts';
import type { ReceiverSettings } from '../bench/stress/receiver-news.ts';
import { runReceiver } from '../bench/stress/receiver-program.ts';

export function register(stress: Command): void {
  stress
    .command('receiver', { hidden: true })
    .argument('<settings>', 'as JSON')
    .action((text: string) => {
      const settings = JSON.parse(text) as ReceiverSettings;
      plantedBug(settings.bug ?? undefined, process.env);
      return runReceiver(settings);
    });
}
