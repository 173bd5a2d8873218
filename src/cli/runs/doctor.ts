/** `tidelock runs doctor`: what stands in the way of an area's runs, and what to do about it. */
import type { Command } from 'commander';
import { TidelockError } from '../../core/errors.ts';
import { actionArgs } from '../../runs/action-args.ts';
import { examineRuns, orphanedRuns } from '../../runs/doctor.ts';
import { report } from '../doctor.ts';
import { commandLine, shortPath } from '../options.ts';
import { performed } from './actions.ts';
import { addHomeFlags, type HomeFlags, homeWords } from './home.ts';
import { JSON_OPTION, openSession, type Session } from './session.ts';
import { failureOf } from './tasks.ts';

type Flags = HomeFlags & { readonly markIncompletes?: true; readonly json?: true };

const HELP = `
Checks the area, its disks, both databases, the sync, the server's file, executions without a runner, and folders without
a run. Exit code 0: nothing stands in the way. 1: something does.
`;

export function register(runs: Command): void {
  addHomeFlags(runs.command('doctor').description("what stands in the way of the area's runs"))
    .option(
      '--mark-incompletes',
      'first end executions that no runner has: those that are gone are DEAD',
    )
    .option(...JSON_OPTION)
    .addHelpText('after', HELP)
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const session = await openSession(flags);
  try {
    const { home, book } = session;
    if (home === null) throw offHome();
    const marked = flags.markIncompletes === true ? await mark(session) : 0;
    await home.syncer.carried(SYNC_MS_MAX).catch(() => undefined); // it says how far it is
    const findings = examineRuns({
      ...{ area: book.area, notes: book.findings, home, now: Date.now(), pathText: shortPath },
      commandText: (...words) => commandLine(...words, ...homeWords(flags)),
    });
    const isFit = findings.every(({ level }) => level !== 'fail');
    if (flags.json === true) console.log(JSON.stringify({ fit: isFit, marked, findings }));
    else {
      if (marked > 0) console.log(`${marked} executions without a runner have ended`);
      console.log(report(findings));
    }
    if (!isFit) process.exitCode = 1;
  } finally {
    await session.close();
  }
}

const SYNC_MS_MAX = 5000;

/** By a kill, which takes over what still lives. How many there were. */
async function mark(session: Session): Promise<number> {
  const { home } = session;
  if (home === null) return 0;
  const orphaned = orphanedRuns(home.store, home.identity, Date.now());
  for (const { run, tests } of orphaned) {
    const pattern = tests.map(({ name, itemPath }) =>
      itemPath === '' ? name : `${name}/${itemPath}`,
    );
    const args = actionArgs({ target: run.target, name: run.name, pattern: pattern.join(',') });
    const task = await performed(session, 'kill', args);
    if (task.state !== 'done') throw failureOf(task);
  }
  return orphaned.reduce((sum, { tests }) => sum + tests.length, 0);
}

const offHome = (): TidelockError =>
  new TidelockError({
    code: 'OFF_HOME',
    message: 'this host is not the home of the area: its databases are not here',
    hint: 'run the doctor on the home host',
  });
