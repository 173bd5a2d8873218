/** The first half of the demo: everything is started, one step after the other. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatLsn } from '../../core/lsn.ts';
import type { RunningEngine } from '../../engine/engine.ts';
import type { PgSession } from '../../postgres/session.ts';
import { insertPosition } from './faults.ts';
import { type LoadedPlaces, loadPlaces, requirePlaces } from './places.ts';
import { type Launch, ReplicaProcess } from './replica-process.ts';
import type { ReplicaFacts, Stage } from './report.ts';
import { PREFERRED_PORT, startEngine, startPostgres, startServer } from './stack.ts';
import { connect } from './workload.ts';

const UPPER_MS_MAX = 30_000;

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

/** Starts one replica per selector, all at once, and waits until each has what Postgres has now. */
export async function openReplicas(
  options: { readonly selectors: readonly string[]; readonly dir: string; readonly launch: Launch },
  { session, engine, server }: Stack,
  { report, signal, closers }: Stage,
): Promise<{ replicas: readonly ReplicaProcess[]; opened: readonly ReplicaFacts[] }> {
  const elapsedMs = stopwatch();
  const { selectors, launch } = options;
  const dir = join(options.dir, 'replicas');
  mkdirSync(dir, { recursive: true });
  report.progress(`opening ${selectors.length} replicas`);
  const position = await insertPosition(session);
  await engine.waitFor(position, UPPER_MS_MAX, signal);
  const replicas = selectors.map(
    (selector) =>
      new ReplicaProcess({ launch, server, selector, file: join(dir, `${selector}.db`) }),
  );
  closers.add(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
  });
  for (const replica of replicas) replica.start();
  const open = async (replica: ReplicaProcess): Promise<ReplicaFacts> => {
    const reached = await replica.reach(position, signal);
    return {
      ...{ selector: replica.selector, copiedBytes: replica.copiedBytes },
      ...{ rows: replica.rows(), position: formatLsn(reached.position), durationMs: elapsedMs() },
    };
  };
  const opened = await Promise.all(replicas.map(open));
  for (const facts of opened) report.fact({ kind: 'replica', ...facts });
  return { replicas, opened };
}

/** Milliseconds since it was made. */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => performance.now() - start;
}
