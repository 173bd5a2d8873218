/**
 * One run: set-up, databases in processes of their own, disturbances beside them, quiet, comparison. What it means is
 * judged from the folder. Tells what happens through a report; prints nothing.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, messageOf } from '../../core/errors.ts';
import { PgSession } from '../../postgres/session.ts';
import { Closers } from '../closers.ts';
import { EvidenceWriter } from '../stress/evidence-writer.ts';
import { type Report, runErrorOf } from '../stress/run.ts';
import { together } from '../until.ts';
import { compareRows, ownersOf, rowsInFile, rowsInPostgres, shownBy } from './compare.ts';
import { type Comparison, FILES, type Leak, type TwowayRun } from './evidence.ts';
import { openWorkers } from './open-workers.ts';
import { userId } from './options.ts';
import { Recorder } from './recorder.ts';
import type { Segment } from './rows.ts';
import { runFaults } from './run-faults.ts';
import type { TwowayOptions } from './run-options.ts';
import { openStack, type Stack, type Stage } from './stack.ts';
import type { WorkerProcess } from './worker-process.ts';

const LEVEL_MS_MAX = 120_000;
/** Everybody sends, then everybody fetches what the others sent. */
const LEVEL_ROUNDS = 2;

/** What the judge needs of the end. */
export type Final = {
  readonly comparisons: readonly Comparison[];
  /** Whose writes the cells are, in all of Postgres. */
  readonly shown: Readonly<Record<string, readonly Segment[]>>;
  /** Rows of each owner. */
  readonly owners: Readonly<Record<string, number>>;
  /** Keys that no user made and each user must still own, or have deleted: their owners. */
  readonly treasures: Readonly<Record<string, string>>;
};

/** Runs to the end. Never throws for what happens in the run: `end` tells how it ended. */
export async function runTwoway(
  options: TwowayOptions,
  report: Report,
  interrupted: AbortSignal,
): Promise<TwowayRun> {
  const evidence = new EvidenceWriter(options.dir, Date.now(), ['fault', 'proc']);
  for (const folder of ['logs', 'history', 'databases']) {
    mkdirSync(join(options.dir, folder), { recursive: true, mode: 0o755 });
  }
  const closers = new Closers();
  const bound = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([interrupted, bound]);
  const recorder = new Recorder(options.dir, evidence);
  const stage: Stage = { options, evidence, report, closers, signal };
  let stack: Stack | null = null;
  let end: Omit<TwowayRun['end'], 'durationMs' | 'finished'>;
  try {
    stack = await openStack(stage);
    const settleMs = await work(stage, stack, recorder);
    end = { how: 'quiet', reason: null, settleMs };
  } catch (error) {
    const isLate = bound.aborted || hasCode(error, 'TIMEOUT');
    const how = interrupted.aborted ? 'interrupted' : isLate ? 'stuck' : 'failed';
    end = { how, reason: messageOf(error), error: runErrorOf(error), settleMs: null };
  }
  report.progress('stopping everything');
  await closers.close().catch((error: unknown) => report.line(`stopping: ${messageOf(error)}`));
  recorder.addServerErrors(join(options.dir, 'logs', 'server.log'));
  const run = runOf({ options, evidence, recorder, stack, end });
  recorder.close();
  evidence.close();
  writeJson(options.dir, FILES.run, run);
  if (options.isCleanedUp) cleanUp(options);
  return run;
}

async function work(stage: Stage, stack: Stack, recorder: Recorder): Promise<number> {
  const { options, report, closers, signal, evidence } = stage;
  const workers = openWorkers(stage, stack, recorder);
  closers.add(async () => void (await Promise.all(workers.map((worker) => worker.stop()))));
  report.progress('writing');
  const ended = new AbortController();
  await together(signal, [
    async (both) => {
      try {
        const wait = { limitMs: options.timeoutMs, signal: both };
        await Promise.all(workers.map((worker) => worker.finished(wait)));
      } finally {
        ended.abort();
      }
    },
    (both) =>
      runFaults({ ...stage, signal: both }, { stack, workers, recorder, ended: ended.signal }),
  ]);
  const startMs = evidence.now();
  report.progress('waiting until all are level');
  const wait = { limitMs: LEVEL_MS_MAX, signal };
  for (let round = 0; round < LEVEL_ROUNDS; round++) {
    await Promise.all(workers.map((worker) => worker.level(wait)));
  }
  const settleMs = evidence.now() - startMs;
  report.progress('comparing every column of every row');
  writeJson(options.dir, FILES.final, await compareAll(stack, workers));
  writeJson(options.dir, FILES.leaks, await searchLeaks(stack, workers));
  return settleMs;
}

async function compareAll(stack: Stack, workers: readonly WorkerProcess[]): Promise<Final> {
  const session = await PgSession.connect({ url: stack.postgresUrl });
  try {
    return await compareWith(session, stack, workers);
  } finally {
    await session.end();
  }
}

async function compareWith(
  session: PgSession,
  { table, places }: Stack,
  workers: readonly WorkerProcess[],
): Promise<Final> {
  const all = await rowsInPostgres(session, table, null);
  const comparisons: Comparison[] = [];
  for (const [index, { database, user }] of places.entries()) {
    const file = rowsInFile(workers[index]?.file ?? '', table);
    const postgres = user === null ? all : await rowsInPostgres(session, table, userId(user));
    comparisons.push(compareRows(database, table, { postgres, file }));
  }
  const treasures = [...all].flatMap(([key, row]) =>
    key.startsWith('treasure') || key.startsWith('forged')
      ? [[key, table.user === null ? '' : (row[table.user] ?? '')] as const]
      : [],
  );
  return {
    ...{ comparisons, shown: shownBy(table, all), owners: ownersOf(table, all) },
    treasures: Object.fromEntries(treasures),
  };
}

async function searchLeaks(
  { places }: Stack,
  workers: readonly WorkerProcess[],
): Promise<readonly Leak[]> {
  const found: Leak[] = [];
  for (const [index, { database, leaks, user }] of places.entries()) {
    const worker = workers[index];
    if (leaks === null || user === null || worker === undefined) continue;
    await leaks.file(worker.file);
    await leaks.file(worker.logFile);
    found.push(leaks.result(`db${database} of ${userId(user)}`));
  }
  return found;
}

function runOf(parts: {
  readonly options: TwowayOptions;
  readonly evidence: EvidenceWriter;
  readonly recorder: Recorder;
  readonly stack: Stack | null;
  readonly end: Omit<TwowayRun['end'], 'durationMs' | 'finished'>;
}): TwowayRun {
  const { options, evidence, recorder, stack, end } = parts;
  const { id, seed, databases, iterations, rows, versions, bug } = options;
  const { scale, workload, isRls, faults } = options;
  return {
    ...{ format: 1, id, seed, databases, iterations, rows, versions, bug },
    startedAt: new Date(evidence.startedAtMs).toISOString(),
    options: { scale, workload, isRls, faults, stack: options.stack === null ? 'own' : 'given' },
    table: stack?.table ?? null,
    faults: recorder.faults,
    end: { ...end, durationMs: evidence.now(), finished: recorder.finished },
  };
}

function writeJson(dir: string, file: string, value: unknown): void {
  writeFileSync(join(dir, file), `${JSON.stringify(value, null, 1)}\n`);
}

/** What was needed to run goes; what was found out stays. */
function cleanUp({ dir }: TwowayOptions): void {
  for (const folder of ['postgres', 'server', 'databases']) {
    rmSync(join(dir, folder), { recursive: true, force: true });
  }
}
