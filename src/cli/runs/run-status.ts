/** `tidelock runs run-status`: what people say of a run as a whole, beside the results of its tests. */
import type { Command } from 'commander';
import { TidelockError } from '../../core/errors.ts';
import { rollUp } from '../../planner/rollup.ts';
import type { RunRow } from '../../planner/rows.ts';
import type { WriteBatch } from '../../planner/run-store.ts';
import { findRun, type ReadRuns } from '../../runs/run-results.ts';
import type { HomeFlags } from './home.ts';
import { naming, reading } from './look.ts';
import { JSON_OPTION, openSession, type Session } from './session.ts';

type Flags = HomeFlags & {
  readonly target?: string;
  readonly name: string;
  readonly comment?: string;
  readonly json?: true;
};

type Said = {
  readonly target: string;
  readonly run: string;
  readonly status: string;
  /** False: nobody has set one, it is the worst of the results. */
  readonly isSet: boolean;
  readonly comment: string;
};

export function register(runs: Command): void {
  naming(
    runs.command('run-status').description('the status of a run as a whole: read it, or set it'),
  )
    .argument(
      '[status]',
      'any word: accepted, PASS, ...; without it the one that is set is printed',
    )
    .option('--comment <text>', 'why')
    .option(...JSON_OPTION)
    .action((status: string | undefined, flags: Flags) =>
      status === undefined
        ? reading(flags, async (read) => print(await said(read, flags), flags))
        : set(status, flags),
    );
}

async function said(read: ReadRuns, { name, target }: Flags): Promise<Said> {
  const run = await findRun(read, name, target);
  const { events = [] } = await read({ kind: 'notes', runId: run.id });
  const note = events.findLast((event) => event.new !== null);
  const status = note?.new ?? rollUp(run.counts).status;
  const about = { target: run.target, run: run.name };
  return { ...about, status, isSet: note !== undefined, comment: note?.cause ?? '' };
}

function print({ status, ...rest }: Said, { json }: Flags): void {
  console.log(json === true ? JSON.stringify({ ...rest, status }) : status);
}

async function set(status: string, flags: Flags): Promise<void> {
  const session = await openSession(flags);
  try {
    const read: ReadRuns = (query) => session.store.read(query);
    const run = await findRun(read, flags.name, flags.target);
    if (run.isLocked) throw locked(run);
    await write(session, noteOf(session, run, { status, comment: flags.comment ?? '' }));
    print(await said(read, flags), flags);
  } finally {
    await session.close();
  }
}

function noteOf(
  { host }: Session,
  { id: runId }: RunRow,
  { status, comment }: { readonly status: string; readonly comment: string },
): WriteBatch {
  const event = { kind: 'note' as const, runId, testId: null, old: null };
  const note = { kind: 'note' as const, event: { ...event, new: status, cause: comment } };
  return { actor: `${host}.${process.pid}`, writes: [note] };
}

async function write({ home, away }: Session, batch: WriteBatch): Promise<void> {
  if (away === null) home?.store.write(batch);
  else await away.write(batch);
}

const locked = ({ target, name }: RunRow): TidelockError =>
  new TidelockError({
    code: 'RUN_LOCKED',
    message: `run ${name} of ${target} is locked: nothing of it is changed`,
    hint: 'unlock it with: tidelock runs unlock',
  });
