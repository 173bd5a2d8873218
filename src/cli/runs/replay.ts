/** `tidelock runs replay`: the schedule of a run as a script that can be run again. */
import type { Command } from 'commander';
import { writeWhole } from '../../runs/more-actions.ts';
import { replayRun } from '../../runs/replay.ts';
import { addHomeFlags, type HomeFlags } from './home.ts';
import { openLook, setVarsOf, targetOf } from './session.ts';

type Flags = HomeFlags & { readonly target?: string; readonly name: string; readonly out?: string };

const HELP = `
The script is for the world planner: tidelock script --rewrite FILE fills in what starts when, and why.
`;

export function register(runs: Command): void {
  addHomeFlags(runs.command('replay').description("a run's schedule as a script"))
    .option('--target <target>', 'of the run; default: the only one of runconfigs.config')
    .option('--name <name>', 'of the run, or: last', 'last')
    .option('--out <file>', 'write it there; default: print it')
    .addHelpText('after', HELP)
    .action(replay);
}

async function replay(flags: Flags): Promise<void> {
  const session = await openLook(flags);
  try {
    const target = await targetOf(session, flags.target);
    const book = await session.book.target(target, setVarsOf());
    const about = { store: session.store, area: session.book.area, book };
    const text = await replayRun(about, { target, run: flags.name });
    if (flags.out === undefined) process.stdout.write(text);
    else writeWhole(flags.out, text);
  } finally {
    await session.close();
  }
}
