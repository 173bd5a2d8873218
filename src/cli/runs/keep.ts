/** `tidelock runs archive`, `prune`, `rollup`: what is kept of runs, and where. */
import type { Command } from 'commander';
import { Argument } from 'commander';
import { actionArgs } from '../../runs/action-args.ts';
import { ARCHIVE_MODES, type ArchiveMode, runsBeyond } from '../../runs/more-actions.ts';
import { findRun, type ReadRuns, runsOf } from '../../runs/run-results.ts';
import { smallCountOption } from '../options.ts';
import { countsOf, performed } from './actions.ts';
import { addHomeFlags, type HomeFlags } from './home.ts';
import { JSON_OPTION, openSession, type Session, targetOf } from './session.ts';
import { failureOf } from './tasks.ts';

type Flags = HomeFlags & {
  readonly target?: string;
  readonly name: string;
  readonly pattern: string;
  readonly keep: number;
  readonly json?: true;
};

type Request = Parameters<typeof performed>[1];

export function register(runs: Command): void {
  addHomeFlags(runs.command('archive').description('work areas as archives, and back'))
    .addArgument(
      new Argument('<mode>', 'save-remove removes what was saved').choices(ARCHIVE_MODES),
    )
    .option('--target <target>', 'of the run; needed when several targets have such a run')
    .option('--name <name>', 'of the run, or: last', 'last')
    .option('--pattern <pattern>', 'only these tests and items', '%')
    .option(...JSON_OPTION)
    .action((mode: ArchiveMode, flags: Flags) =>
      withSession(flags, async (session) => {
        const run = await findRun((query) => session.store.read(query), flags.name, flags.target);
        const { target, name } = run;
        const args = actionArgs({ target, name, pattern: flags.pattern, more: { mode } });
        await perform(session, 'archive', { args, flags });
      }),
    );
  addHomeFlags(runs.command('prune').description('remove old runs; locked ones stay'))
    .requiredOption('--keep <count>', 'runs that stay of each target', smallCountOption)
    .option('--target <target>', 'only of this target')
    .option(...JSON_OPTION)
    .action((flags: Flags) =>
      withSession(flags, async (session) => {
        const read: ReadRuns = (query) => session.store.read(query);
        for (const { target, name } of runsBeyond(await runsOf(read, flags.target), flags.keep)) {
          await perform(session, 'remove-runs', { args: actionArgs({ target, name }), flags });
        }
      }),
    );
  addHomeFlags(runs.command('rollup').description('the latest result of each test as one run'))
    .requiredOption('--name <name>', 'of the run that is filled')
    .option('--target <target>', 'default: the only one of runconfigs.config')
    .option('--pattern <pattern>', 'only these tests and items', '%')
    .option(...JSON_OPTION)
    .action((flags: Flags) =>
      withSession(flags, async (session) => {
        const target = await targetOf(session, flags.target);
        const args = actionArgs({ target, name: flags.name, pattern: flags.pattern });
        await perform(session, 'rollup', { args, flags });
      }),
    );
}

async function withSession(flags: Flags, act: (session: Session) => Promise<void>): Promise<void> {
  const session = await openSession(flags);
  try {
    await act(session);
  } finally {
    await session.close();
  }
}

async function perform(
  session: Session,
  action: Request,
  { args, flags }: { readonly args: ReturnType<typeof actionArgs>; readonly flags: Flags },
): Promise<void> {
  const task = await performed(session, action, args);
  if (task.state !== 'done') throw failureOf(task);
  const result = task.result as Readonly<Record<string, unknown>>;
  if (flags.json === true) console.log(JSON.stringify({ action, ...args, result }));
  else console.log(`${args.target} ${args.name}: ${action}: ${countsOf(result)}`);
}
