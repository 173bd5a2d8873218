/** The HTTP server: routes over an engine, streams through the pump, everything within limits. */
import type { Socket } from 'node:net';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { messageOf, TidelockError } from '../core/errors.ts';
import type { SqlCounts } from '../core/sql-counts.ts';
import type { Engine } from '../engine/api.ts';
import type { RowStreams } from '../lockstep/api.ts';
import { addRoutes, bind, createApp } from './app.ts';
import type { Clock } from './clock.ts';
import type { ServerConfig } from './config.ts';
import type { ServerContext } from './context.ts';
import { type Dashboard, openDashboard } from './dashboard/dashboard.ts';
import { Gate } from './gate.ts';
import { holderSelectors } from './holder-selectors.ts';
import { LockstepReaders } from './lockstep/readers.ts';
import { lockstepRoutes } from './lockstep/route.ts';
import type { Log } from './log.ts';
import { Metrics } from './metrics.ts';
import { Pump } from './pump.ts';
import { digestRoute } from './routes/digest.ts';
import { feedRoute } from './routes/feed.ts';
import { healthRoute, readyRoute } from './routes/health.ts';
import { deleteLeaseRoute, putLeaseRoute } from './routes/leases.ts';
import { metricsRoute } from './routes/metrics.ts';
import { openapiRoute } from './routes/openapi.ts';
import { sessionRoute } from './routes/session.ts';
import { differenceRoute, snapshotRoute } from './routes/snapshot.ts';
import { statusRoute } from './routes/status.ts';
import { tablesRoute } from './routes/tables.ts';
import { tokensRoute } from './routes/tokens.ts';
import { addUpload } from './routes/upload.ts';
import { waitRoute } from './routes/wait.ts';
import type { RunsPort } from './runs/port.ts';
import { openRuns, type RunsService } from './runs/service.ts';
import { transicatorRoutes } from './transicator/routes.ts';
import { UploadRoom } from './upload-room.ts';
import { viewRoutes } from './view-routes.ts';

const VISIT_MS = 1000;

export type ServerOptions = {
  readonly engine: Engine;
  /** Streams of tables and views by transaction id; undefined = none. Closed with the server. */
  readonly lockstep?: RowStreams | undefined;
  /** Views, offered like tables under /views; undefined = none. */
  readonly views?: Engine | undefined;
  /** What the SQL port counts, for the metrics; undefined = there is none. */
  readonly sql?: SqlCounts | undefined;
  /** The run manager of an area; undefined = none. */
  readonly runs?: RunsPort | undefined;
  readonly config: ServerConfig;
  readonly clock: Clock;
  readonly log: Log;
};

export type TidelockServer = {
  /** Binds and serves. Throws `BAD_CONFIG` when the address is taken, unknown, or open without tokens. */
  listen(): Promise<{ readonly url: string }>;
  /** Ends feeds after their current transaction and lets snapshots finish, within `drainS`; then closes. */
  drain(): Promise<void>;
  /** Cuts everything. */
  close(): Promise<void>;
};

/** The parts behind one server. Nothing listens before `listen`. Throws `BAD_CONFIG` for unusable keys. */
export function createServer(options: ServerOptions): TidelockServer {
  const { app, context, pumps, metrics, dashboard, runs, startDraining } = assemble(options);
  const { config, sql } = options;
  if (sql !== undefined) metrics.addSql(sql);
  const close = async (): Promise<void> => {
    startDraining();
    for (const pump of pumps) pump.close();
    dashboard.close();
    runs?.close();
    await context.lockstep?.close();
    metrics.close();
    app.server.closeAllConnections();
    await app.close();
  };
  return {
    listen: async () => {
      await app.ready();
      return { url: await bind(app, config) };
    },
    drain: async () => {
      startDraining();
      dashboard.close();
      runs?.close();
      const drainMs = config.limits.drainS * 1000;
      await Promise.all([
        ...pumps.map((pump) => pump.drain(drainMs)),
        context.snapshots.whenEmpty(drainMs),
        context.uploads.whenEmpty(drainMs),
        context.lockstep?.close(),
      ]);
      await close();
    },
    close,
  };
}

type Parts = {
  readonly app: FastifyInstance;
  readonly context: ServerContext;
  readonly pumps: readonly Pump[];
  readonly metrics: Metrics;
  readonly dashboard: Dashboard;
  readonly runs: RunsService | null;
  readonly startDraining: () => void;
};

function assemble(options: ServerOptions): Parts {
  const { engine, lockstep, views, config, clock, log } = options;
  const { limits } = config;
  const draining = new AbortController();
  const upper = () => engine.upper;
  const pumpOf = (source: Engine): Pump =>
    new Pump({
      clock,
      stallMs: limits.stallS * 1000,
      stalledBytesMax: limits.stalledBytesMax,
      visitMs: VISIT_MS,
      upper: () => source.upper,
      isFlooded: () => source.isFlooded,
      onEnd: (reason, error) => {
        metrics.streamEnded(reason);
        if (reason === 'failed') tellEnd(log, error);
      },
    });
  const pump = pumpOf(engine);
  const ofViews = views === undefined ? null : { engine: views, pump: pumpOf(views) };
  const lockstepReaders = new LockstepReaders();
  const context: ServerContext = {
    ...{ engine, config, clock, pump, upper },
    ...gatesOf(limits),
    snapshotBytes: { count: 0 },
    changesBytes: { count: 0 },
    mark: { isDown: false },
    lockstep: lockstep ?? null,
    lockstepReaders,
    draining: draining.signal,
  };
  for (const source of [engine, ...(views === undefined ? [] : [views])]) {
    source.limitChecks((signal) => context.digests.enter(signal));
  }
  const metrics = new Metrics(context);
  const onError = (err: unknown): void => log.error({ err }, 'live pages were ended');
  const dashboard = openDashboard(context, { hasRuns: options.runs !== undefined, onError });
  const runs = runsOf(options, metrics);
  const carriers = [pump, dashboard, lockstepReaders, ofViews?.pump, runs];
  const carries = (socket: Socket): boolean =>
    carriers.some((carrier) => carrier?.carries(socket) === true);
  const ownSelectors = holderSelectors(() => engine.tables);
  const app = createApp({ config, clock, log, carries, ownSelectors });
  const more = [...(ofViews === null ? [] : viewRoutes(context, ofViews)), ...(runs?.routes ?? [])];
  addRoutes(
    app,
    [...routesOf(context, { metrics, log }), ...dashboard.routes, ...more],
    (scope) => {
      addUpload(scope, context, metrics);
      if (runs !== null) scope.register(async (inner) => runs.plugin(inner));
    },
  );
  const startDraining = (): void => draining.abort(shuttingDown());
  const pumps = ofViews === null ? [pump] : [pump, ofViews.pump];
  return { app, context, pumps, metrics, dashboard, runs, startDraining };
}

/** Who waits in which line. */
function gatesOf(limits: ServerConfig['limits']) {
  const line = { queueMax: limits.queueMax, queueMs: limits.queueS * 1000 };
  return {
    snapshots: new Gate({ name: 'snapshots', runningMax: limits.snapshotsMax, ...line }),
    digests: new Gate({ name: 'digests', runningMax: limits.digestsMax, ...line }),
    uploads: new Gate({ name: 'uploads', runningMax: limits.uploadsMax, ...line }),
    uploadRoom: new UploadRoom({
      perUserMax: limits.uploadsPerUserMax,
      bytesMax: limits.uploadBufferBytesMax,
    }),
  };
}

function runsOf({ runs, config, clock, log }: ServerOptions, metrics: Metrics): RunsService | null {
  if (runs === undefined) return null;
  const stallMs = config.limits.stallS * 1000;
  const onError = (err: unknown): void => log.error({ err }, 'a stream of runs was ended');
  const service = openRuns({ port: runs, clock, stallMs, onError });
  metrics.addRuns(service);
  return service;
}

function shuttingDown(): TidelockError {
  return new TidelockError({
    code: 'NOT_READY',
    message: 'the server is shutting down',
    hint: 'connect again in a moment; a feed resumes where it ended',
  });
}

function routesOf(
  context: ServerContext,
  { metrics, log }: { readonly metrics: Metrics; readonly log: Log },
): readonly RouteOptions[] {
  const native = [
    ...[feedRoute, snapshotRoute, differenceRoute, digestRoute, statusRoute, tablesRoute],
    ...[waitRoute, putLeaseRoute, deleteLeaseRoute, readyRoute, sessionRoute, tokensRoute],
  ].map((route) => route(context));
  return [
    ...native,
    ...[healthRoute(), metricsRoute(metrics), openapiRoute()],
    ...transicatorRoutes(context, log),
    ...lockstepRoutes(context, log),
  ];
}

/** A history that ends, or a log that was cut, ends feeds: no fault of theirs, and their readers know what to do. */
function tellEnd(log: Log, error: unknown): void {
  const code = error instanceof TidelockError ? error.code : undefined;
  if (code !== 'TIMELINE_CHANGED' && code !== 'TOO_OLD') {
    log.warn({ err: error }, 'a feed was ended');
    return;
  }
  log.info({ code }, `a feed was ended: ${messageOf(error)}`);
}
