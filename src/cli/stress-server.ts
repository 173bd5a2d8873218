/** `tidelock stress server`: started by `stress one-way --plant`, a server with a bug that is to be found. */
import type { Command } from 'commander';
import { plantedBug } from '../bench/stress/bugs/catalog.ts';
import {
  type PlantedServerSettings,
  runPlantedServer,
} from '../bench/stress/bugs/planted-server.ts';
import { stopOnSignal } from './stop-signal.ts';

export function register(stress: Command): void {
  stress
    .command('server', { hidden: true })
    .argument('<settings>', 'as JSON')
    .action(async (text: string) => {
      const settings = JSON.parse(text) as PlantedServerSettings;
      plantedBug(settings.bug, process.env);
      const { signal } = stopOnSignal();
      const onReady = (url: string): void => console.log(JSON.stringify({ ready: true, url }));
      await runPlantedServer(settings, { signal, onReady });
    });
}
