/** `tidelock runs kill`, `rm`, `set`, `lock`, `unlock`: what is done to runs and results that are there. */
import type { Command } from 'commander';
import { TidelockError } from '../../core/errors.ts';
import {
  type Action,
  type RunRow,
  STATES,
  type State,
  type StatePair,
  type TaskRow,
} from '../../planner/rows.ts';
import { type ActionArgs, actionArgs } from '../../runs/action-args.ts';
import { findRun, type ReadRuns } from '../../runs/run-results.ts';
import { addHomeFlags, type HomeFlags } from './home.ts';
import { isFiltered, nothingFits, wants } from './list.ts';
import { naming } from './look.ts';
import { isServed, JSON_OPTION, openSession, runnerOf, type Session, wordsOf } from './session.ts';
import { failureOf, putAction, untilEnded } from './tasks.ts';

type Flags = HomeFlags & {
  readonly target?: string;
  readonly name?: string;
  readonly pattern?: string;
  readonly state?: string;
  readonly status?: string;
  readonly comment?: string;
  readonly yes?: true;
  readonly json?: true;
};

/** Before anything that was queued: a kill that waits is none. */
const PRIORITY = 2000;

export function register(runs: Command): void {
  selecting(runs.command('kill').description('end executions, and let the rest of them not start'))
    .option(...JSON_OPTION)
    .action((flags: Flags) => act('kill', flags));
  filtering(
    addHomeFlags(
      runs.command('rm').description('remove results and their directories; kills first'),
    )
      .option('--target <target>', 'of the run; needed when several targets have such a run')
      .option('--name <name>', 'of the run, or: last; needed'),
  )
    .option('--yes', 'also when the whole run is meant')
    .option(...JSON_OPTION)
    .action((flags: Flags) => remove(flags));
  selecting(runs.command('set').description('give results another state by force; it is recorded'))
    .argument('<state/status>', 'COMPLETED/WAIVED, NOT_STARTED/n/a, ...')
    .option('--comment <text>', 'why')
    .option(...JSON_OPTION)
    .action((to: string, flags: Flags) => act('set-state', flags, pairOf(to)));
  naming(runs.command('lock').description('let nothing of a run be changed or removed'))
    .option('--comment <text>', 'why')
    .option(...JSON_OPTION)
    .action((flags: Flags) => act('lock', flags));
  naming(runs.command('unlock').description('take the lock away'))
    .option('--comment <text>', 'why')
    .option(...JSON_OPTION)
    .action((flags: Flags) => act('unlock', flags));
}

function selecting(command: Command): Command {
  return filtering(naming(command));
}

function filtering(command: Command): Command {
  return command
    .option('--pattern <pattern>', 'only these tests and items: build,check/small%')
    .option('--state <list>', 'only results in these states')
    .option('--status <list>', 'only results with these statuses');
}

function pairOf(text: string): StatePair {
  const at = text.indexOf('/');
  const [state, status] = [text.slice(0, at), text.slice(at + 1)];
  if (at > 0 && (STATES as readonly string[]).includes(state) && status !== '') {
    return { state: state as State, status };
  }
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: `${text} is not STATE/STATUS, as COMPLETED/PASS is`,
    hint: `states are ${STATES.join(', ')}; statuses PASS, WARN, WAIVED, FAIL, n/a, ..`,
  });
}

async function remove(flags: Flags): Promise<void> {
  if (flags.name === undefined) {
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: 'which run is to be removed?',
      hint: 'name it: --name NAME, or --name last',
    });
  }
  const isWhole = [flags.pattern, flags.state, flags.status].every((flag) => flag === undefined);
  if (isWhole && flags.yes !== true) {
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: 'this would remove the whole run',
      hint: 'say so with --yes, or name tests with --pattern',
    });
  }
  await act('remove-runs', flags);
}

async function act(action: Action, flags: Flags, to: StatePair | null = null): Promise<void> {
  const session = await openSession(flags);
  try {
    const { store } = session;
    const read: ReadRuns = (query) => store.read(query);
    const run = await findRun(read, flags.name ?? 'last', flags.target);
    await requireSome(read, run, flags);
    const args = actionArgs({
      ...{ target: run.target, name: run.name, pattern: flags.pattern ?? '%', to },
      ...{ states: wordsOf(flags.state), statuses: wordsOf(flags.status) },
      comment: flags.comment ?? '',
    });
    const task = await performed(session, action, args);
    if (task.state !== 'done') throw failureOf(task);
    const result = task.result as Readonly<Record<string, unknown>>;
    if (flags.json === true) console.log(JSON.stringify({ action, ...args, result }));
    else console.log(`${run.target} ${run.name}: ${action}${toText(to)}: ${countsOf(result)}`);
  } finally {
    await session.close();
  }
}

const toText = (to: StatePair | null): string => (to === null ? '' : ` ${to.state}/${to.status}`);

/** A misspelt selection must not look as if it had been done. */
async function requireSome(read: ReadRuns, run: RunRow, flags: Flags): Promise<void> {
  if (!isFiltered(flags)) return;
  const { tests = [] } = await read({ kind: 'tests', runId: run.id });
  if (!tests.some(wants(flags))) throw nothingFits(run);
}

/** What came of an action, in words. */
export function countsOf(result: Readonly<Record<string, unknown>>): string {
  const words = Object.entries(result).filter(([name]) => name !== 'runId' && name !== 'counts');
  return words.length === 0
    ? 'done'
    : words.map(([name, n]) => `${Array.isArray(n) ? n.length : n} ${name}`).join(', ');
}

/** By the runner that serves, or one of our own for this only. */
export async function performed(
  session: Session,
  action: Action,
  args: ActionArgs,
): Promise<TaskRow> {
  const request = { action, args, priority: PRIORITY, dedupeKey: null };
  const runner = isServed(session) ? null : runnerOf(session);
  runner?.start();
  try {
    const { id } = runner === null ? await putAction(session, request) : runner.submit(request);
    return await untilEnded(session, id);
  } finally {
    runner?.stop();
  }
}
