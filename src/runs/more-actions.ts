/** Actions of the queue that start nothing: archives, exports, pruning, and runs filled from earlier ones. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { entriesOf } from '../area/entries.ts';
import { compilePatterns, matches } from '../area/patterns.ts';
import type { Area } from '../area/types.ts';
import { messageOf, TidelockError } from '../core/errors.ts';
import type { DataRow, RunRow, StepRow, TestRow } from '../planner/rows.ts';
import type { RunStore, RunWrite } from '../planner/run-store.ts';
import { hasEnded, isWaiting } from '../planner/states.ts';
import { execOf, leavesOf } from '../report/results.ts';
import type { ActionArgs } from './action-args.ts';
import type { ActionMeans } from './actions.ts';
import { archiveFile, restoreArchive, saveArchive } from './archive.ts';
import { itemsBelow, nestedIn } from './execution/nested-areas.ts';
import { removeOwnDir } from './execution/work-area.ts';
import {
  findRun,
  REPORT_FORMATS,
  type ReadRuns,
  type ReportFormat,
  reportText,
  resultsOf,
  runsOf,
} from './run-results.ts';

/** `save-remove` removes the work area when the archive is whole. */
export const ARCHIVE_MODES = ['save', 'save-remove', 'restore'] as const;
export type ArchiveMode = (typeof ARCHIVE_MODES)[number];

const REMOVALS_MAX = 1000;
const EXTENSIONS: Readonly<Record<ReportFormat, string>> = {
  ...{ junit: 'xml', json: 'json', csv: 'csv', html: 'html' },
};

export type MoreMeans = {
  readonly area: Pick<Area, 'home' | 'fields' | 'config' | 'disks'>;
  readonly store: RunStore;
  /** Who, in events. */
  readonly actor: string;
};

export function moreActions(means: MoreMeans): ActionMeans['others'] {
  return {
    archive: (args) => archive(means, args),
    export: (args) => exportRun(means, args),
    prune: (args, taskId) => prune(means, args, taskId),
    rollup: (args) => rollUp(means, args),
  };
}

const readOf =
  ({ store }: MoreMeans): ReadRuns =>
  (query) =>
    store.read(query);

/** Where archives of an area stand: the first of `[archive-disks]`, or `archive` in the area. */
function archiveRoot({ config, home }: Pick<Area, 'config' | 'home'>): string {
  const disk = entriesOf(config, 'archive-disks')[0]?.value.trim() ?? '';
  return resolve(home, disk === '' ? 'archive' : disk);
}

async function archive(means: MoreMeans, args: ActionArgs): Promise<unknown> {
  const mode = oneOf(ARCHIVE_MODES, args.more.mode ?? 'save', 'mode of an archive');
  const run = await findRun(readOf(means), args.name, args.target);
  const wanted = mode === 'restore' ? 'ARCHIVED' : 'COMPLETED';
  const rows = selected(means, run, args).filter(({ state }) => state === wanted);
  const below = itemsBelow(testsOf(means, run));
  let done = 0;
  const failed: string[] = [];
  for (const row of rows) {
    try {
      await archiveOne(means, { run, row, mode, below: below(row.name, row.itemPath) });
      done += 1;
    } catch (error) {
      failed.push(`${execOf(row)}: ${messageOf(error)}`);
    }
  }
  if (failed.length > 0) throw failure(`${failed.length} of ${rows.length}: ${failed[0]}`);
  return { [mode === 'restore' ? 'restored' : 'archived']: done };
}

type One = {
  readonly run: RunRow;
  readonly row: TestRow;
  readonly mode: ArchiveMode;
  /** Paths of items whose work areas may be inside of its own. */
  readonly below: readonly string[];
};

async function archiveOne(means: MoreMeans, { run, row, mode, below }: One): Promise<void> {
  const { runDir, name: test, itemPath, id: testId } = row;
  if (runDir === null) return;
  const place = { target: run.target, run: run.name, test, itemPath };
  const file = archiveFile(archiveRoot(means.area), place);
  const kind = mode === 'restore' ? 'restore' : 'archive';
  const nested = nestedIn(runDir, itemPath, below);
  if (mode === 'restore') await restoreArchive(file, runDir, nested).catch(unlessThere);
  else await saveArchive(runDir, file, nested);
  write(means, {
    kind: 'transition',
    testId,
    event: { kind },
    facts: {},
    cause: `${kind}: ${file}`,
  });
  const { home, disks } = means.area;
  if (mode === 'save-remove') await removeOwnDir(runDir, place, { home, disks, below });
}

/** An archive that was saved without removing: what is there is it. */
function unlessThere(error: unknown): void {
  if (!/is there already/.test(messageOf(error))) throw error;
}

async function exportRun(means: MoreMeans, args: ActionArgs): Promise<unknown> {
  const format = oneOf(REPORT_FORMATS, args.more.format ?? 'junit', 'format');
  const run = await findRun(readOf(means), args.name, args.target);
  const name = `${run.target}/${run.name}`.replaceAll('/', '_');
  const folder = join(means.area.home, '.tidelock', 'exports');
  const file = join(folder, `${name}.${EXTENSIONS[format]}`);
  const text = reportText(await resultsOf(readOf(means), run), format, means.area.fields);
  writeWhole(file, text);
  return { file };
}

/** A reader of the file sees the old or the new one. */
export function writeWhole(file: string, text: string, mode = 0o666): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, text, { mode });
  renameSync(`${file}.new`, file);
}

/** Queues the removal of runs that are over, beyond the last `keep` of each target. Locked ones stay. */
async function prune(
  means: MoreMeans,
  { target, more }: ActionArgs,
  parentId: number,
): Promise<unknown> {
  const keep = Number(more.keep);
  if (!Number.isInteger(keep) || keep < 1) throw bad('prune needs keep, a whole number from 1');
  const runs = await runsOf(readOf(means), target === '' ? undefined : target);
  const old = runsBeyond(runs, keep).slice(0, REMOVALS_MAX);
  write(means, ...old.map((run) => removalOf(run, parentId)));
  return { removing: old.map(({ target: of, name }) => `${of} ${name}`) };
}

/** What pruning removes, oldest first. */
export function runsBeyond(runs: readonly RunRow[], keep: number): readonly RunRow[] {
  const targets = [...new Set(runs.map((run) => run.target))];
  return targets
    .flatMap((one) => runs.filter((run) => run.target === one).slice(0, -keep))
    .filter(({ state, isLocked }) => state === 'done' && !isLocked);
}

function removalOf({ target, name }: RunRow, parentId: number): RunWrite {
  return {
    kind: 'putTask',
    task: {
      ...{ kind: 'action', action: 'remove-runs', args: { target, name, pattern: '%' } },
      ...{ runId: null, testId: null, priority: 0, attemptsMax: 5, notBefore: 0, parentId },
      dedupeKey: `remove:${target}\0${name}`,
    },
  };
}

/** Gives a run the latest result of each execution that only earlier runs of its target have. */
async function rollUp(means: MoreMeans, args: ActionArgs): Promise<unknown> {
  const read = readOf(means);
  const { answers } = write(means, { kind: 'createRun', target: args.target, name: args.name });
  const into = await findRun(read, args.name, args.target);
  const own = leavesOf(testsOf(means, into)).filter((row) => !isWaiting(row));
  const has = new Set(own.map(execOf));
  const runs = (await runsOf(read, args.target)).filter(({ id }) => id !== into.id);
  const latest = new Map<string, { readonly row: TestRow; readonly run: RunRow }>();
  for (const run of runs)
    for (const row of selected(means, run, args))
      if (hasEnded(row) && !has.has(execOf(row))) latest.set(execOf(row), { row, run });
  for (const { row, run } of latest.values()) copyResult(means, { into, row, from: run });
  const facts = { state: 'done' } as const;
  if (into.state === 'new')
    write(means, { kind: 'setRun', runId: into.id, facts, cause: 'rolled up' });
  return { runId: answers[0]?.id, filled: latest.size };
}

type Copy = { readonly into: RunRow; readonly row: TestRow; readonly from: RunRow };

function copyResult(means: MoreMeans, { into, row, from }: Copy): void {
  const { id, name, itemPath, state, status, comment, host, runDir, log } = row;
  const toplevel = { name, itemPath: '', isToplevel: true };
  const leaf = { name, itemPath, isToplevel: false };
  const tests = itemPath === '' ? [leaf] : [toplevel, leaf];
  const { answers } = write(means, { kind: 'putTests', runId: into.id, tests });
  const testId = answers[0]?.ids?.at(-1);
  if (testId === undefined) throw failure(`no row was made for ${execOf(row)}`);
  const { steps = [] } = means.store.read({ kind: 'steps', testId: id });
  const { data = [] } = means.store.read({ kind: 'data', testId: id });
  const { startedAt, endedAt, cpuMs, rssMaxBytes, exitCode, configHash } = row;
  const facts = {
    ...{ comment, host, runDir, log, startedAt, endedAt, cpuMs, rssMaxBytes, exitCode, configHash },
  };
  const event = { kind: 'force', to: { state, status } } as const;
  write(
    means,
    { kind: 'transition', testId, event, facts, cause: `rolled up from run ${from.name}` },
    ...steps.map((step): RunWrite => ({ kind: 'putStep', testId, step: ownFacts(step) })),
    { kind: 'putData', testId, rows: data.map(ownFacts) },
  );
}

/** A row without what says whose it is. */
function ownFacts<T extends StepRow | DataRow>(row: T): Omit<T, 'id' | 'testId' | 'area' | 'seq'> {
  const { id: _id, testId: _testId, area: _area, seq: _seq, ...facts } = row;
  return facts;
}

const testsOf = ({ store }: MoreMeans, { id: runId }: RunRow): readonly TestRow[] =>
  store.read({ kind: 'tests', runId }).tests ?? [];

function selected(means: MoreMeans, run: RunRow, args: ActionArgs): TestRow[] {
  const patterns = compilePatterns(args.pattern);
  return leavesOf(testsOf(means, run)).filter(
    ({ name, itemPath, state, status }) =>
      matches(patterns, name, itemPath) &&
      (args.states.length === 0 || args.states.includes(state)) &&
      (args.statuses.length === 0 || args.statuses.includes(status)),
  );
}

const write = ({ store, actor }: MoreMeans, ...writes: RunWrite[]): ReturnType<RunStore['write']> =>
  store.write({ actor, writes });

function oneOf<T extends string>(names: readonly T[], value: unknown, what: string): T {
  const found = names.find((name) => name === value);
  if (found === undefined)
    throw bad(`${String(value)} is no ${what}: one of ${names.join(', ')} is needed`);
  return found;
}

const bad = (message: string): TidelockError => new TidelockError({ code: 'BAD_REQUEST', message });

const failure = (message: string): TidelockError =>
  new TidelockError({ code: 'RUN_FAILED', message });
