/** A run from its start to its end, as the one who started it sees it: with a runner of its own, or following another. */
import { TidelockError } from '../../core/errors.ts';
import type { TaskRow } from '../../planner/rows.ts';
import type { Quarantined } from '../../report/quarantine.ts';
import type { ActionArgs, NewAction } from '../../runs/action-args.ts';
import { readQuarantine } from '../../runs/quarantine.ts';
import { commandLine } from '../options.ts';
import { EXIT_INTERRUPTED, endingText, exitCodeOf, finishedLine, shownFailures } from './ending.ts';
import { Follower } from './follow.ts';
import { type HomeFlags, homeWords } from './home.ts';
import { tailsOf } from './log.ts';
import { outliveReaders, type RunOutput } from './output.ts';
import { isServed, runnerOf, type Session } from './session.ts';
import { interruptible } from './signals.ts';
import { failureOf, putAction } from './tasks.ts';

export type Work = {
  readonly verb: 'run' | 'rerun';
  readonly args: ActionArgs;
  readonly flags: HomeFlags & { readonly slots: number };
  readonly output: RunOutput;
};

/** Before what others have queued: somebody sits and waits. */
const FOREGROUND_PRIORITY = 1000;

function actionOf({ verb, args }: Work): NewAction {
  const dedupeKey = null; // what runs the same run is one task anyway
  return { action: verb, args, priority: FOREGROUND_PRIORITY, dedupeKey };
}

export async function queue(session: Session, work: Work): Promise<void> {
  const { id, isNew } = await putAction(session, actionOf(work));
  const { target, name } = work.args;
  work.output.say(`${target} ${name}: task ${id}${isNew ? '' : ', which was there already'}`, {
    ...{ kind: 'queued', task: id, isNew, target, name },
  });
}

/** With a runner of its own, unless somebody serves the area or has this very run under way. */
export async function perform(session: Session, work: Work): Promise<void> {
  const { store, book, away } = session;
  const quarantine = readQuarantine(book.area.home); // a wrong one is told before anything runs
  outliveReaders();
  const runner = isServed(session) ? null : runnerOf(session, work.flags.slots);
  const startedAt = performance.now();
  runner?.start();
  const since = store.seq;
  const { id, isNew } =
    runner === null ? await putAction(session, actionOf(work)) : runner.submit(actionOf(work));
  const isOurs = isNew && runner !== null;
  const signals = interruptible({
    says: isOurs ? STOPPING : leavingText(work),
    onFirst: () => (isOurs ? runner.interrupt() : leave()),
    onSecond: () => runner?.interruptNow(),
  });
  if (!isNew)
    work.output.note('this run is under way already: following it (Ctrl-C leaves it alone)');
  try {
    const onLook = (): void => {
      away?.requireAnswers();
      if (!isNew) runner?.takeOver(); // whoever ran it may have died
    };
    const { task, ran } = await followed(session, work, { id, since, onLook });
    while (runner !== null && !runner.isIdle) await pause();
    const { isInterrupted } = signals;
    await end(session, work, {
      task,
      ran,
      ms: performance.now() - startedAt,
      quarantine,
      isInterrupted,
    });
  } finally {
    signals.release();
    runner?.stop();
  }
}

const STOPPING = 'stopping: nothing more starts, what runs is ended; Ctrl-C again ends it at once';

function leavingText({ args: { target, name }, flags }: Work): string {
  const words = ['--target', target, '--name', name, ...homeWords(flags)];
  return `leaving: the run goes on; end it with: ${commandLine('kill', ...words)}`;
}

function leave(): never {
  process.exit(EXIT_INTERRUPTED);
}

const PAUSE_MS = 20;
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

/** With the number of executions that have come to an end meanwhile. */
async function followed(
  { store }: Session,
  { args, output }: Work,
  { id, since, onLook }: { readonly id: number; since: number; onLook: () => void },
): Promise<{ readonly task: TaskRow; readonly ran: number }> {
  let ran = 0;
  const follower = new Follower({
    ...{ store, target: args.target, name: args.name, taskId: id, since, output, onLook },
    onFinished: (row) => {
      if (row.state !== 'NOT_STARTED') ran += 1;
      output.say(finishedLine(row), { kind: 'test', ...row });
    },
  });
  return { task: await follower.follow(), ran };
}

type Ending = {
  readonly task: TaskRow;
  readonly ran: number;
  readonly ms: number;
  readonly quarantine: readonly Quarantined[];
  readonly isInterrupted: boolean;
};

async function end(session: Session, work: Work, ending: Ending): Promise<void> {
  const { store } = session;
  const { task, ms, quarantine } = ending;
  const { args, flags: home, output } = work;
  if (task.state !== 'done') throw failureOf(task);
  const { runs = [] } = store.read({ kind: 'runs' });
  const run = runs.find((one) => one.target === args.target && one.name === args.name);
  if (run === undefined) throw failureOf(task);
  const rows = store.read({ kind: 'tests', runId: run.id }).tests ?? [];
  if (rows.length === 0) throw nothingMatches(args);
  const exitCode = ending.isInterrupted ? EXIT_INTERRUPTED : exitCodeOf(rows, quarantine);
  const tailOf = await tailsOf(session, shownFailures(rows));
  const text = endingText({ run, rows, ms, home, quarantine, tailOf, ran: ending.ran });
  output.say(text, { kind: 'run', ...run, ms, exitCode });
  process.exitCode = exitCode;
}

export function nothingMatches({
  pattern,
  tags,
}: Pick<ActionArgs, 'pattern' | 'tags'>): TidelockError {
  const withTags = tags === null ? '' : ` with the tags ${tags}`;
  const what = pattern === '' ? 'the empty pattern' : `the pattern ${pattern}`;
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `no test of the area matches ${what}${withTags}: nothing was run`,
    hint: 'see what there is: tidelock runs run --dry-run --pattern %',
  });
}
