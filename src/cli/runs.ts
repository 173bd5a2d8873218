/** `tidelock runs`: tests of an area as a managed run. One file per group of verbs; this one only lists them. */
import type { Command } from 'commander';
import { register as registerConfig } from './runs-config.ts';
import { register as registerInit } from './runs-init.ts';

export function register(program: Command): void {
  const runs = program.command('runs').description('run the tests of an area, and watch them');
  registerInit(runs);
  registerConfig(runs);
}
