/** Every command with its options, as the program has them. */
import { Command } from 'commander';
import { register as registerDemo } from '../../../src/cli/demo.ts';
import { register as registerDoctor } from '../../../src/cli/doctor.ts';
import { register as registerReplicate } from '../../../src/cli/replicate.ts';
import { register as registerServe } from '../../../src/cli/serve.ts';
import { register as registerShell } from '../../../src/cli/shell.ts';
import { register as registerSql } from '../../../src/cli/sql.ts';
import { register as registerToken } from '../../../src/cli/token.ts';
import { register as registerUninstall } from '../../../src/cli/uninstall.ts';
import { register as registerVerify } from '../../../src/cli/verify.ts';

/** `serve` leaves the flags of `settings` to their own table. */
export function commandsOf(settings: ReadonlySet<string>): readonly string[] {
  const program = new Command();
  const all = [registerServe, registerReplicate, registerVerify, registerDoctor, registerToken];
  for (const register of [...all, registerUninstall, registerDemo, registerShell, registerSql]) {
    register(program);
  }
  return program.commands.flatMap((command) => [
    command.name(),
    ...command.options
      .filter(
        ({ hidden, long }) => !hidden && !(command.name() === 'serve' && settings.has(long ?? '')),
      )
      .map(({ flags }) => `${command.name()} ${flags}`),
  ]);
}
