/** `tidelock runs run`, `tidelock runs rerun`: start a run, or go on with one, and watch it to its end. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { compilePatterns, patternOfTest } from '../../area/patterns.ts';
import { planText } from '../../planner/print.ts';
import type { RerunRule } from '../../planner/types.ts';
import { type ActionArgs, actionArgs } from '../../runs/action-args.ts';
import { dryRun } from '../../runs/dry-run.ts';
import { findRun, patternOfRows, type ReadRuns } from '../../runs/run-results.ts';
import { collect, smallCountOption } from '../options.ts';
import { nothingMatches, perform, queue, type Work } from './drive.ts';
import { addHomeFlags, type HomeFlags } from './home.ts';
import { RunOutput } from './output.ts';
import {
  JSON_OPTION,
  openSession,
  type Session,
  SLOTS,
  setVarsOf,
  targetOf,
  warnOf,
  wordsOf,
} from './session.ts';

type Flags = HomeFlags & {
  readonly target?: string;
  readonly reqtarg?: true;
  readonly name?: string;
  readonly pattern?: string;
  readonly modepatt?: string;
  readonly tags?: string;
  readonly dryRun?: true;
  readonly rerun?: string;
  readonly rerunAll?: true;
  readonly clean?: true;
  readonly queue?: true;
  readonly slots: number;
  readonly setVar?: readonly string[];
  readonly preclean?: true;
  readonly frozen?: true;
  readonly comment?: string;
  readonly log?: string;
  readonly json?: true;
};

type RerunFlags = Flags & {
  readonly failed?: true;
  readonly downstream?: true;
  readonly all?: true;
  readonly status?: string;
  readonly fromStep?: string;
  readonly step?: string;
};

const HELP = `
Exit code 0: all good. 1: some are bad. 2: used wrongly, or a configuration is wrong. 3: interrupted. 4: a bug of ours.
Ctrl-C once: nothing more starts, what runs is ended. Twice: at once.
`;

export function register(runs: Command): void {
  const run = options(runs.command('run').description('run tests of an area, and watch them'))
    .option('--name <name>', 'name of the run; default: the date and time', newNameOption)
    .option('--dry-run', 'print what would run, why, and in which order')
    .option('--rerun <list>', 'run again what has one of these states or statuses: FAIL,ABORT')
    .option('--rerun-all', 'run everything again')
    .option('--clean', 'run again what is not PASS, WARN or WAIVED, in emptied directories')
    .addHelpText('after', HELP);
  run.action((flags: Flags) => start(flags, 'run', ruleOf(flags)));
  const rerun = options(runs.command('rerun').description('run tests of a run again'))
    .option('--name <name>', 'name of the run; default: the newest one', nameOption)
    .option('--failed', 'what failed (the default)')
    .option('--downstream', 'what failed, and all that waits for it')
    .option('--all', 'everything')
    .option('--status <list>', 'what has one of these states or statuses: FAIL,ABORT')
    .option('--from-step <name>', 'this step and those after it, in the work area that is there')
    .addOption(onlyStep())
    .option('--frozen', 'as it was launched before: steps, environment, limits and files')
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
    .option('--pattern <pattern>', 'tests and items: build,check/small%; default: TESTPATT, or all')
    .option('--modepatt <key>', 'take the pattern from this key of runconfigs.config')
    .option('--tags <list>', 'only tests with these tags')
    .option('--set-var <name=value>', 'into the environment of all tests (repeatable)', collect)
    .option('--slots <number>', 'executions at once', smallCountOption, SLOTS)
    .option('--preclean', 'every test begins in an emptied directory')
    .option('-m, --comment <text>', 'is kept with the run')
    .option('--log <file>', 'what is printed goes there too')
    .option('--queue', 'leave it to a runner that serves the area, and return')
    .option(...JSON_OPTION);
}

/** Names that mean a run which is there. */
const TAKEN = ['last', 'last-good'];

function newNameOption(text: string): string {
  if (!TAKEN.includes(text)) return nameOption(text);
  throw new InvalidArgumentError(`"${text}" means a run that is there; take another name.`);
}

function nameOption(text: string): string {
  if (text !== '' && !/[/\p{Cc}]/u.test(text) && text !== '.' && text !== '..') return text;
  throw new InvalidArgumentError('a name without "/" is needed.');
}

function ruleOf({ rerun, rerunAll, clean }: Flags): RerunRule {
  if (rerunAll === true) return { kind: 'all' };
  if (clean === true) return { kind: 'clean' };
  return rerun === undefined ? { kind: 'none' } : { kind: 'matching', names: wordsOf(rerun) };
}

function onlyStep(): Option {
  const says = 'only this step, in the work area that is there';
  return new Option('--step <name>', says).conflicts('fromStep');
}

function rerunRuleOf({ all, status, downstream, fromStep, step }: RerunFlags): RerunRule {
  if (fromStep !== undefined) return { kind: 'steps', step: fromStep, isOnly: false };
  if (step !== undefined) return { kind: 'steps', step, isOnly: true };
  if (all === true) return { kind: 'all' };
  if (status !== undefined) return { kind: 'matching', names: wordsOf(status) };
  return { kind: 'failed', downstream: downstream === true };
}

/** Starts it, and follows it to its end unless it is left to others. */
async function start(flags: Flags, verb: Work['verb'], rerun: RerunRule): Promise<void> {
  const output = new RunOutput({ isJson: flags.json === true, file: flags.log });
  const session = await openSession(flags);
  try {
    if (flags.json !== true) warnOf(session);
    const args = await argsOf(session, flags, { verb, rerun });
    if (flags.dryRun === true) await showPlan(session, args, output);
    else if (flags.queue === true) await queue(session, { verb, args, flags, output });
    else await perform(session, { verb, args, flags, output });
  } finally {
    await session.close();
  }
}

async function argsOf(
  session: Session,
  flags: Flags,
  { verb, rerun }: { readonly verb: Work['verb']; readonly rerun: RerunRule },
): Promise<ActionArgs> {
  const { target, name, has } = await runOf(session, flags, verb);
  const setVars = setVarsOf(flags.setVar);
  const book = await session.book.target(target, setVars);
  if (flags.reqtarg === true) book.requireDeclared();
  const named = flags.modepatt === undefined ? null : book.pattern(flags.modepatt);
  const pattern = flags.pattern ?? named ?? has ?? book.pattern() ?? '%';
  const tags = flags.tags ?? null;
  requireTests(session, { pattern, tags });
  const more = {
    ...(flags.preclean === true ? { preclean: true } : {}),
    ...(flags.frozen === true ? { frozen: true } : {}),
  };
  const comment = flags.comment ?? '';
  return actionArgs({ target, name, pattern, tags, rerun, setVars, comment, more });
}

/** A rerun is of a run that is there, and without a pattern of what is in it; a run may be new. */
async function runOf(
  session: Session,
  { target, name }: Flags,
  verb: Work['verb'],
): Promise<Pick<ActionArgs, 'target' | 'name'> & { readonly has: string | null }> {
  if (verb === 'rerun') {
    const read: ReadRuns = (query) => session.store.read(query);
    const run = await findRun(read, name ?? 'last', target);
    const { tests = [] } = await read({ kind: 'tests', runId: run.id });
    return { target: run.target, name: run.name, has: patternOfRows(tests) };
  }
  const byTime = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  return { target: await targetOf(session, target), name: name ?? byTime, has: null };
}

/** A misspelt pattern must not leave an empty run behind, nor look like one in which all is good. */
function requireTests(
  { book }: Session,
  { pattern, tags }: Pick<ActionArgs, 'pattern' | 'tags'>,
): void {
  const patterns = compilePatterns(pattern);
  const names = [...book.area.tests.keys()];
  if (!names.some((name) => patternOfTest(patterns, name) !== null)) {
    throw nothingMatches({ pattern, tags });
  }
}

async function showPlan(session: Session, args: ActionArgs, output: RunOutput): Promise<void> {
  const { target, name: run, pattern, tags, rerun } = args;
  const book = await session.book.target(target, args.setVars);
  const about = { store: session.store, area: session.book.area, book };
  const plan = await dryRun(about, { target, run, pattern, tags, rerun });
  if (plan.tests.length === 0) throw nothingMatches(args);
  output.say(planText(plan).trimEnd(), plan);
}
