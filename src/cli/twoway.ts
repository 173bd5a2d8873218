/** `tidelock twoway`: which tables replicas may write to. One file per subcommand. */
import type { Command } from 'commander';
import { register as registerDisable } from './twoway-disable.ts';
import { register as registerEnable } from './twoway-enable.ts';
import { register as registerInstall } from './twoway-install.ts';
import { register as registerStatus } from './twoway-status.ts';

export function register(program: Command): void {
  const twoway = program.command('twoway').description('let replicas write to tables, offline too');
  registerInstall(twoway);
  registerEnable(twoway);
  registerDisable(twoway);
  registerStatus(twoway);
}
