/** The first half of the demo: everything is started, one step after the other. */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseLsn } from '../../core/lsn.ts';
import type { RunningEngine } from '../../engine/engine.ts';
import type { PgSession } from '../../postgres/session.ts';
import { asNumber, openSql } from '../../sqlite/sql.ts';
import { Admin } from '../stress/admin.ts';
import type { EvidenceWriter } from '../stress/evidence-writer.ts';
import type { Launch } from '../stress/launched.ts';
import { fileOf, ReceiverProcess } from '../stress/receiver-process.ts';
import type { Running } from '../stress/run.ts';
import { openEvidence } from './baseline.ts';
import { EVIDENCE_TABLES, type LoadedPlaces, loadPlaces, requirePlaces } from './places.ts';
import type { ReplicaFacts, Stage } from './report.ts';
import { PREFERRED_PORT, startEngine, startPostgres, startServer } from './stack.ts';
import { connect } from './workload.ts';

const UPPER_MS_MAX = 30_000;
const REACH_MS_MAX = 60_000;
const BUSY_WAIT_MS = 2000;

const VERSION_SQL = `SELECT current_setting('server_version') AS version`;

export type StackOptions = {
  readonly dir: string;
  readonly port: number | undefined;
  readonly placesMax: number | undefined;
};

/** The server side, running. */
export type Stack = {
  /** Of the demo's database. */
  readonly postgres: string;
  readonly session: PgSession;
  readonly places: LoadedPlaces;
  readonly engine: RunningEngine;
  readonly server: string;
};

export async function openStack(options: StackOptions, stage: Stage): Promise<Stack> {
  requirePlaces();
  const postgres = await openPostgres(options, stage);
  const session = await connect(postgres);
  stage.closers.add(() => session.end());
  const places = await openPlaces(options, session, stage);
  const { engine, server } = await openServer(options, postgres, stage);
  return { postgres, session, places, engine, server };
}

async function openPostgres({ dir }: StackOptions, stage: Stage): Promise<string> {
  const { report, signal, closers } = stage;
  const elapsedMs = stopwatch();
  report.progress('starting Postgres');
  const { postgres, url } = await startPostgres(dir);
  closers.add(() => postgres.stop());
  signal.throwIfAborted();
  const session = await connect(url);
  const { version } = await session.queryOne(VERSION_SQL);
  await session.end();
  report.fact({
    kind: 'postgres',
    version: version ?? '',
    port: postgres.port,
    durationMs: elapsedMs(),
  });
  return url;
}

async function openPlaces(
  { placesMax }: StackOptions,
  session: PgSession,
  { report, signal }: Stage,
): Promise<LoadedPlaces> {
  const elapsedMs = stopwatch();
  report.progress('loading places');
  const onProgress = (done: number, total: number): void =>
    report.progress(`loading places: ${done} of ${total}`);
  const places = await loadPlaces({ session, placesMax, signal, onProgress });
  report.fact({ kind: 'places', ...places, durationMs: elapsedMs() });
  return places;
}

async function openServer(
  options: StackOptions,
  url: string,
  { report, signal, closers }: Stage,
): Promise<{ readonly engine: RunningEngine; readonly server: string }> {
  const elapsedMs = stopwatch();
  const { dir, port } = options;
  report.progress('starting the engine');
  const onNotice = (notice: string): void => report.progress(`starting the engine: ${notice}`);
  const engine = await startEngine({ url, dir, signal, onNotice });
  closers.add(() => engine.close());
  const { server, url: address } = await startServer(engine, port);
  closers.add(() => server.close());
  const isOtherPort = Number(new URL(address).port) !== (port ?? PREFERRED_PORT);
  report.fact({ kind: 'server', url: address, isOtherPort, durationMs: elapsedMs() });
  return { engine, server: address };
}

/** Everything that runs, as the code of the stress knows it. */
export type Demo = {
  readonly stack: Stack;
  readonly running: Running;
  readonly evidence: EvidenceWriter;
};

/** Starts one replica per selector, all at once, and waits until each has what Postgres has now. */
export async function openReplicas(
  options: { readonly selectors: readonly string[]; readonly dir: string; readonly launch: Launch },
  stack: Stack,
  stage: Stage,
): Promise<{ readonly demo: Demo; readonly opened: readonly ReplicaFacts[] }> {
  const elapsedMs = stopwatch();
  const { postgres: url, engine, server } = stack;
  const { report, signal, closers } = stage;
  report.progress(`opening ${options.selectors.length} replicas`);
  const admin = new Admin(url);
  closers.add(() => admin.end());
  const evidence = openEvidence(options.dir);
  closers.add(async () => evidence.close());
  const wait = { limitMs: REACH_MS_MAX, signal };
  const position = await admin.position(wait);
  await engine.waitFor(parseLsn(position, 'position of Postgres'), UPPER_MS_MAX, signal);
  const receivers = startReceivers(options, { server, evidence, closers });
  const open = async (receiver: ReceiverProcess): Promise<ReplicaFacts> => {
    const { isNew } = await receiver.ready(signal);
    await receiver.reach(position, wait);
    const { replica: selector, file } = receiver;
    return {
      ...{ selector, rows: rowsIn(file), position: receiver.position, durationMs: elapsedMs() },
      copiedBytes: isNew ? statSync(file).size : 0,
    };
  };
  const opened = await Promise.all(receivers.map(open));
  for (const facts of opened) report.fact({ kind: 'replica', ...facts });
  const cluster = { url, server, postgres: null, serverProcess: null };
  return { demo: { stack, evidence, running: { cluster, admin, receivers, senders: [] } }, opened };
}

function startReceivers(
  { selectors, dir, launch }: Parameters<typeof openReplicas>[0],
  parts: {
    readonly server: string;
    readonly evidence: EvidenceWriter;
    readonly closers: Stage['closers'];
  },
): readonly ReceiverProcess[] {
  const { server, evidence, closers } = parts;
  for (const folder of ['replicas', 'logs']) mkdirSync(join(dir, folder), { recursive: true });
  const receivers = selectors.map((replica) => {
    const receiver = new ReceiverProcess({
      proxy: null,
      ...{ launch, evidence, server, replica, selectors: [replica], tables: EVIDENCE_TABLES },
      ...{ protocol: 'native', bug: null, onEnds: () => undefined },
      ...{ file: fileOf(dir, replica), logFile: join(dir, 'logs', `${replica}.log`) },
    });
    receiver.recordedFrom = null; // the evidence begins when everybody is level
    return receiver;
  });
  closers.add(async () => {
    await Promise.all(receivers.map(({ process }) => process?.stop()));
  });
  for (const receiver of receivers) receiver.start();
  return receivers;
}

/** Rows that a replica's file holds. */
function rowsIn(file: string): number {
  const sql = openSql(file, { timeoutMs: BUSY_WAIT_MS, isReadOnly: true });
  try {
    const row = sql.prepare('SELECT coalesce(sum(rows), 0) AS rows FROM tidelock_digests').get();
    return asNumber(row?.rows);
  } finally {
    sql.close();
  }
}

/** Milliseconds since it was made. */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => performance.now() - start;
}
