/** `tidelock lockstep`: streams of any table or view by its transaction ids. One file per subcommand. */
import type { Command } from 'commander';
import { register as registerCheck } from './lockstep-check.ts';
import { register as registerFollow } from './lockstep-follow.ts';
import { register as registerInstall } from './lockstep-install.ts';
import { register as registerServe } from './lockstep-serve.ts';

export function register(program: Command): void {
  const lockstep = program
    .command('lockstep')
    .description(
      'stream any table or view that carries a transaction id, without logical decoding',
    );
  registerInstall(lockstep);
  registerCheck(lockstep);
  registerFollow(lockstep);
  registerServe(lockstep);
}
