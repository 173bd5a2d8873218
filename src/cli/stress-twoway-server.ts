/** `tidelock stress twoway-server`: started by `stress two-way --plant`, a server with a bug that is to be found. */
import type { Command } from 'commander';
import { plantedTwowayBug } from '../bench/twoway/bugs/planted.ts';
import {
  type PlantedTwowayServer,
  runPlantedTwowayServer,
} from '../bench/twoway/bugs/planted-server.ts';
import { stopOnSignal } from './stop-signal.ts';

export function register(stress: Command): void {
  stress
    .command('twoway-server', { hidden: true })
    .argument('<settings>', 'as JSON')
    .action(async (text: string) => {
      const settings = JSON.parse(text) as PlantedTwowayServer;
      plantedTwowayBug(settings.bug, process.env);
      const { signal } = stopOnSignal();
      const secrets = (process.env.TIDELOCK_TOKEN_SECRETS ?? '').split(',').filter(Boolean);
      const onReady = (url: string): void => console.log(JSON.stringify({ ready: true, url }));
      await runPlantedTwowayServer(settings, { signal, secrets, onReady });
    });
}
