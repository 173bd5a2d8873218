/** `tidelock stress`: what it is proven with. One file per subcommand. */
import type { Command } from 'commander';
import { register as registerCheck } from './stress-check.ts';
import { register as registerMutants } from './stress-mutants.ts';
import { register as registerOneWay } from './stress-one-way.ts';
import { register as registerReceiver } from './stress-receiver.ts';
import { register as registerServer } from './stress-server.ts';
import { register as registerTwoWay } from './stress-two-way.ts';
import { register as registerTwowayServer } from './stress-twoway-server.ts';
import { register as registerWorker } from './stress-worker.ts';

export function register(program: Command): void {
  const stress = program
    .command('stress')
    .description('load and faults on the real thing, every transaction checked');
  registerOneWay(stress);
  registerTwoWay(stress);
  registerCheck(stress);
  registerMutants(stress);
  registerReceiver(stress);
  registerServer(stress);
  registerWorker(stress);
  registerTwowayServer(stress);
}
