/** `tidelock runs run`, `tidelock runs rerun`: start a run, or go on with one, and watch it to its end. */
import { type Command, InvalidArgumentError } from 'commander';
import { messageOf, TidelockError } from '../core/errors.ts';
import { planText } from '../planner/print.ts';
import type { TaskRow } from '../planner/rows.ts';
import type { RerunRule } from '../planner/types.ts';
import type { Quarantined } from '../report/quarantine.ts';
import { type ActionArgs, actionArgs, type NewAction, runKey } from '../runs/action-args.ts';
import { dryRun } from '../runs/dry-run.ts';
import { isServing } from '../runs/new-runner.ts';
import { readQuarantine } from '../runs/quarantine.ts';
import { collect, smallCountOption } from './options.ts';
import { ProgressLine } from './progress-line.ts';
import {
  EXIT_INTERNAL,
  EXIT_INTERRUPTED,
  exitCodeOf,
  finishedLine,
  printEnding,
} from './runs-ending.ts';
import { Follower } from './runs-follow.ts';
import { addHomeFlags, type HomeFlags } from './runs-home.ts';
import {
  JSON_OPTION,
  openSession,
  runnerOf,
  type Session,
  SLOTS,
  setVarsOf,
  targetOf,
  warnOf,
} from './runs-session.ts';
import { interruptible } from './runs-signals.ts';
import { failureOf, putAction } from './runs-tasks.ts';

type Flags = HomeFlags & {
  readonly target?: string;
  readonly reqtarg?: true;
  readonly name?: string;
  readonly pattern?: string;
  readonly modepatt?: string;
  readonly tags?: string;
  readonly dryRun?: true;
  readonly rerun?: string;
  readonly clean?: true;
  readonly queue?: true;
  readonly slots: number;
  readonly setVar?: readonly string[];
  readonly json?: true;
};

type RerunFlags = Flags & {
  readonly failed?: true;
  readonly downstream?: true;
  readonly all?: true;
  readonly status?: string;
};

/** Before what others have queued: somebody sits and waits. */
const FOREGROUND_PRIORITY = 1000;

const HELP = `
Exit code 0: all good. 1: some are bad. 2: used wrongly, or a configuration is wrong. 3: interrupted. 4: a bug of ours.
Ctrl-C once: nothing more starts, what runs is ended. Twice: at once.
`;

export function register(runs: Command): void {
  const run = options(runs.command('run').description('run tests of an area, and watch them'))
    .option('--dry-run', 'print what would run, why, and in which order')
    .option('--rerun <list>', 'run again what has one of these states or statuses: FAIL,ABORT')
    .option('--clean', 'run again what is not PASS, WARN or WAIVED, in emptied directories')
    .addHelpText('after', HELP);
  run.action((flags: Flags) => start(flags, 'run', ruleOf(flags)));
  const rerun = options(runs.command('rerun').description('run tests of a run again'))
    .option('--failed', 'what failed (the default)')
    .option('--downstream', 'what failed, and all that waits for it')
    .option('--all', 'everything')
    .option('--status <list>', 'what has one of these states or statuses: FAIL,ABORT')
    .option('--dry-run', 'print what would run, why, and in which order')
    .addHelpText('after', HELP);
  rerun.action((flags: RerunFlags) => start(flags, 'rerun', rerunRuleOf(flags)));
}

function options(command: Command): Command {
  return addHomeFlags(command)
    .option(
      '--target <target>',
      'a value for each field; default: the only one of runconfigs.config',
    )
    .option('--reqtarg', 'runconfigs.config must have a section for the target')
    .option('--name <name>', 'name of the run; default: the date and time', nameOption)
    .option('--pattern <pattern>', 'tests and items: build,check/small%; default: TESTPATT, or all')
    .option('--modepatt <key>', 'take the pattern from this key of runconfigs.config')
    .option('--tags <list>', 'only tests with these tags')
    .option('--set-var <name=value>', 'into the environment of all tests (repeatable)', collect)
    .option('--slots <number>', 'executions at once', smallCountOption, SLOTS)
    .option('--queue', 'leave it to a runner that serves the area, and return')
    .option(...JSON_OPTION);
}

function nameOption(text: string): string {
  if (text !== '' && !/[/\p{Cc}]/u.test(text) && text !== '.' && text !== '..') return text;
  throw new InvalidArgumentError('a name without "/" is needed.');
}

const listOf = (text: string): readonly string[] =>
  text.split(',').flatMap((word) => (word.trim() === '' ? [] : [word.trim()]));

function ruleOf({ rerun, clean }: Flags): RerunRule {
  if (clean === true) return { kind: 'clean' };
  return rerun === undefined ? { kind: 'none' } : { kind: 'matching', names: listOf(rerun) };
}

function rerunRuleOf({ all, status, downstream }: RerunFlags): RerunRule {
  if (all === true) return { kind: 'all' };
  if (status !== undefined) return { kind: 'matching', names: listOf(status) };
  return { kind: 'failed', downstream: downstream === true };
}

type Verb = 'run' | 'rerun';

async function start(flags: Flags, verb: Verb, rerun: RerunRule): Promise<void> {
  const session = await openSession(flags);
  try {
    if (flags.json !== true) warnOf(session);
    const args = await argsOf(session, flags, rerun);
    if (flags.dryRun === true) await showPlan(session, args, flags);
    else if (flags.queue === true) queue(session, { verb, args, flags });
    else await perform(session, { verb, args, flags });
  } catch (error) {
    if (error instanceof TidelockError) throw error;
    console.error(`error INTERNAL: ${messageOf(error)}`);
    process.exitCode = EXIT_INTERNAL;
  } finally {
    await session.close();
  }
}

async function argsOf(session: Session, flags: Flags, rerun: RerunRule): Promise<ActionArgs> {
  const target = await targetOf(session, flags.target);
  const setVars = setVarsOf(flags.setVar);
  const book = await session.book.target(target, setVars);
  if (flags.reqtarg === true) book.requireDeclared();
  const named = flags.modepatt === undefined ? null : book.pattern(flags.modepatt);
  const pattern = flags.pattern ?? named ?? book.pattern() ?? '%';
  const name = flags.name ?? new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  return actionArgs({ target, name, pattern, tags: flags.tags ?? null, rerun, setVars });
}

async function showPlan(session: Session, args: ActionArgs, { json }: Flags): Promise<void> {
  const { target, name: run, pattern, tags, rerun } = args;
  const book = await session.book.target(target, args.setVars);
  const about = { store: session.store, area: session.book.area, book };
  const plan = await dryRun(about, { target, run, pattern, tags, rerun });
  console.log(json === true ? JSON.stringify(plan) : planText(plan).trimEnd());
}

type Work = { readonly verb: Verb; readonly args: ActionArgs; readonly flags: Flags };

function actionOf({ verb, args }: Work): NewAction {
  const dedupeKey = runKey(args.target, args.name);
  return { action: verb, args, priority: FOREGROUND_PRIORITY, dedupeKey };
}

function queue(session: Session, work: Work): void {
  const { id, isNew } = putAction(session, actionOf(work));
  const { target, name } = work.args;
  if (work.flags.json === true) console.log(JSON.stringify({ kind: 'queued', task: id, isNew }));
  else console.log(`${target} ${name}: task ${id}${isNew ? '' : ', which was there already'}`);
}

/** With a runner of its own, unless somebody serves the area or has this very run under way. */
async function perform(session: Session, work: Work): Promise<void> {
  const { store, book } = session;
  const quarantine = readQuarantine(book.area.home); // a wrong one is told before anything runs
  const runner = isServing(store) ? null : runnerOf(session, work.flags.slots);
  const startedAt = performance.now();
  runner?.start();
  const { id, isNew } =
    runner === null ? putAction(session, actionOf(work)) : runner.submit(actionOf(work));
  if (!isNew) console.error('this run is under way already: following it (Ctrl-C leaves it alone)');
  const signals = interruptible({
    onFirst: () => (isNew && runner !== null ? runner.interrupt() : leave()),
    onSecond: () => runner?.interruptNow(),
  });
  try {
    const task = await followed(session, work, { id, onLook: () => takeOver(isNew) });
    while (runner !== null && !runner.isIdle) await pause();
    ending(session, work, { task, ms: performance.now() - startedAt, quarantine });
    if (signals.isInterrupted) process.exitCode = EXIT_INTERRUPTED;
  } finally {
    signals.release();
    runner?.stop();
  }

  /** Whoever ran it may have died. */
  function takeOver(isOurs: boolean): void {
    if (!isOurs) runner?.takeOver();
  }
}

function leave(): never {
  process.exit(EXIT_INTERRUPTED);
}

const PAUSE_MS = 20;
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

async function followed(
  { store }: Session,
  { args, flags }: Work,
  { id, onLook }: { readonly id: number; readonly onLook: () => void },
): Promise<TaskRow> {
  const progress = new ProgressLine(process.stderr, () => performance.now());
  const follower = new Follower({
    ...{ store, target: args.target, name: args.name, taskId: id, progress, onLook },
    onFinished: (row) => {
      progress.clear();
      console.log(
        flags.json === true ? JSON.stringify({ kind: 'test', ...row }) : finishedLine(row),
      );
    },
  });
  return await follower.follow();
}

type Ending = {
  readonly task: TaskRow;
  readonly ms: number;
  readonly quarantine: readonly Quarantined[];
};

function ending({ store }: Session, { args, flags }: Work, { task, ms, quarantine }: Ending): void {
  if (task.state !== 'done') throw failureOf(task);
  const { runs = [] } = store.read({ kind: 'runs' });
  const run = runs.find((one) => one.target === args.target && one.name === args.name);
  if (run === undefined) throw failureOf(task);
  const rows = store.read({ kind: 'tests', runId: run.id }).tests ?? [];
  if (rows.length === 0) throw nothingMatches(args);
  const exitCode = exitCodeOf(rows, quarantine);
  if (flags.json === true) console.log(JSON.stringify({ kind: 'run', ...run, ms, exitCode }));
  else printEnding({ run, rows, ms, area: flags.area, quarantine });
  process.exitCode = exitCode;
}

/** A misspelt pattern must not look like a run in which all is good. */
function nothingMatches({ pattern, tags }: ActionArgs): TidelockError {
  const withTags = tags === null ? '' : ` with the tags ${tags}`;
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `no test of the area matches the pattern ${pattern}${withTags}: nothing was run`,
    hint: 'see what there is: tidelock runs run --dry-run --pattern %',
  });
}
