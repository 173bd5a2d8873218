/**
 * Judges a run by its evidence and nothing else: no database, no product. The same judge serves the run that
 * has just ended, an old run, and a run with a planted bug.
 */
import { parseLsn } from '../../../core/lsn.ts';
import type {
  ApplyEvent,
  OpEvent,
  OracleEvent,
  ReadEvent,
  RunFile,
  VerdictFile,
} from '../evidence.ts';
import { Checker } from './checker.ts';
import { type CommitEntry, Commits } from './commits.ts';
import { readFacts } from './facts.ts';
import { Findings } from './findings.ts';
import { History } from './history.ts';
import { Latency } from './latency.ts';
import { Model } from './model.ts';
import {
  faultCounts,
  type Judged,
  judgeRun,
  overall,
  slotLosses,
  verdictsOf,
} from './properties.ts';
import { FolderStreams, readRun, type Streams } from './streams.ts';
import { explain } from './witness.ts';
import { Writers } from './writers.ts';

/** Throws `BAD_REQUEST` when the folder holds no run. */
export async function judge(folder: string): Promise<VerdictFile> {
  return await judgeStreams(readRun(folder), new FolderStreams(folder));
}

/** The same for a run whose evidence need not be in a folder. */
export async function judgeStreams(run: RunFile, streams: Streams): Promise<VerdictFile> {
  const findings = new Findings();
  const facts = await readFacts(streams);
  const history = new History(run.replicas.map(({ selectors }) => selectors));
  const writers = new Writers(run.tables, findings);
  const commits = new Commits();
  const checker = new Checker(history, findings);
  const judged: Judged = { run, facts, findings, checker, commits };
  const parts = { ...judged, streams, history, writers };
  await streams.each<OpEvent>('op', (event) => writers.takeOp(event));
  await takeOracle(parts);
  writers.finish(run.end?.durationMs ?? 0);
  const latency = new Latency(facts.faults);
  await takeApplies(parts, latency);
  await takeReads(parts);
  await explain(checker.incidents, { streams, tables: run.tables, findings });
  for (const sentence of streams.flaws) {
    findings.add({ property: 'P31', t: run.end?.durationMs ?? 0, sentence, rows: [] });
  }
  judgeRun(judged);
  const properties = verdictsOf(findings);
  const { rows, durationMs } = commits;
  return {
    verdict: overall(properties),
    properties,
    faults: faultCounts(run, facts.faults),
    latency: latency.result(),
    rowsPerSecond: durationMs === 0 ? 0 : Math.round((rows / durationMs) * 1000),
    cpuPerRowMs:
      facts.serverCpuS === null || rows === 0
        ? null
        : Math.round((facts.serverCpuS / rows) * 1e6) / 1000,
  };
}

type Parts = Judged & {
  readonly streams: Streams;
  readonly history: History;
  readonly writers: Writers;
};

/** Runs the model, and counts the cases that the properties speak of. */
async function takeOracle({
  run,
  streams,
  history,
  writers,
  commits,
  findings,
}: Parts): Promise<void> {
  const model = new Model(run.tables);
  const held = new Set(run.replicas.flatMap(({ selectors }) => selectors));
  await streams.each<OracleEvent>('oracle', (event) => {
    const position = parseLsn(event.ts, 'ts');
    if (position <= commits.lastPosition) {
      const sentence = `the oracle tells ${event.ts} after a later commit`;
      findings.add({ property: 'P31', t: event.t, sentence, rows: [] });
      return;
    }
    const invokedAt = writers.takeOracle(event);
    const transitions = model.apply(event);
    history.note(transitions, position);
    const { committedAt } = event;
    commits.push({ position, committedAt, invokedAt, rows: event.changes.length });
    for (const { before, after } of transitions) {
      if (before === null || after === null || before.selector === after.selector) continue;
      if (held.has(before.selector) || held.has(after.selector)) findings.check('P17');
    }
  });
  for (const sentence of model.flaws) {
    findings.add({ property: 'P31', t: 0, sentence, rows: [] });
  }
}

async function takeApplies(parts: Parts, latency: Latency): Promise<void> {
  const { streams, checker, history, commits, findings } = parts;
  await streams.each<ApplyEvent>('apply', (event, index) => {
    const before = checker.positionOf(event.replica);
    checker.apply(event, index);
    const position = checker.positionOf(event.replica);
    if (event.kind !== 'apply') {
      findings.check('P7', commits.inFlightAt(position));
      return;
    }
    checkAfterLoss(parts, event, commits.at(position));
    for (const between of history.ofSet(event.selectors).between(before, position)) {
      const commit = commits.at(between);
      if (commit !== undefined) latency.add(commit.committedAt, event.t);
    }
  });
}

/** What committed after its slot was gone cannot be in the stream that a replica follows: a copy comes first. */
function checkAfterLoss(
  { facts, checker, findings }: Parts,
  { replica, t, ts }: ApplyEvent,
  commit: CommitEntry | undefined,
): void {
  for (const { id, effect } of slotLosses(facts)) {
    if (effect === null || commit === undefined || commit.committedAt <= effect.t) continue;
    if (checker.copiedAt(replica) >= effect.t) continue;
    const sentence = `${replica} applied ${ts}, which committed after its slot was lost (${id}), and had taken no new copy: nobody told it`;
    findings.add({ property: 'P20', t, sentence, rows: [] });
  }
}

async function takeReads({ streams, checker, writers, findings }: Parts): Promise<void> {
  await streams.each<ReadEvent>('read', (event, index) => {
    checker.read(event, index);
    findings.check('P22');
    for (const { table, key, row } of event.delta ?? []) {
      const tx = row === null ? undefined : writers.rolledBackBy(table, row);
      if (tx === undefined) continue;
      const sentence = `a read of ${event.replica} at ${event.ts} shows ${table} ${key.join(', ')} as ${tx} wrote it, which was rolled back`;
      findings.add({ property: 'P3', t: event.t, sentence, rows: [] });
    }
  });
}
