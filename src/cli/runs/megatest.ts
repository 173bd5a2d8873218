/** `tidelock runs megatest -run ...`: Megatest's words, said anew and done. The helper calls it outside of tests. */
import type { Command } from 'commander';
import { commandLine } from '../options.ts';
import { megatestWords } from './megatest-words.ts';

const HELP = `
Says on stderr how the same is written here, and does it. What is for the inside of a test (-step, -test-status, ..) is the helper's.
`;

export function register(runs: Command, program: Command): void {
  runs
    .command('megatest')
    .description("the same in Megatest's words")
    .argument('[words...]', '-run -target T -runname R -testpatt P, ...')
    .allowUnknownOption()
    .helpOption('--help', 'show help')
    .addHelpText('after', HELP)
    .action(async (args: readonly string[]) => {
      const words = megatestWords(args);
      console.error(`this is: ${commandLine(...words)}`);
      await program.parseAsync(['runs', ...words], { from: 'user' });
    });
}
