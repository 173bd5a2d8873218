/** The HTTP server: routes over an engine, streams through the pump, everything within limits. */
import type { Socket } from 'node:net';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { messageOf, TidelockError } from '../core/errors.ts';
import type { Engine } from '../engine/api.ts';
import { PROTOCOL_VERSION } from '../protocol/feed.ts';
import { authorize } from './auth.ts';
import { bindAddress } from './bind.ts';
import { onClientError } from './client-error.ts';
import type { Clock } from './clock.ts';
import { needsTokens, type ServerConfig } from './config.ts';
import type { ServerContext } from './context.ts';
import { sendError } from './errors.ts';
import { Gate } from './gate.ts';
import { BAD_QUERY, type ParsedQuery, parseQuery } from './input.ts';
import { requireLocalHost } from './local-host.ts';
import type { Log } from './log.ts';
import { Metrics } from './metrics.ts';
import { answerUnknown, RouteTable } from './not-found.ts';
import { Pump } from './pump.ts';
import { digestRoute } from './routes/digest.ts';
import { feedRoute } from './routes/feed.ts';
import { healthRoute, readyRoute } from './routes/health.ts';
import { deleteLeaseRoute, putLeaseRoute } from './routes/leases.ts';
import { metricsRoute } from './routes/metrics.ts';
import { openapiRoute } from './routes/openapi.ts';
import { differenceRoute, snapshotRoute } from './routes/snapshot.ts';
import { statusRoute } from './routes/status.ts';
import { tablesRoute } from './routes/tables.ts';
import { waitRoute } from './routes/wait.ts';
import { createTokenVerifier } from './tokens.ts';
import { transicatorRoutes } from './transicator/routes.ts';

/** How often node looks for requests that take too long to arrive. */
const CHECK_MS_MAX = 5000;
const KEEP_ALIVE_MS = 30_000;
/** Request headers besides the URL. */
const HEADER_BYTES = 16 * 1024;
const PARAMETER_LENGTH_MAX = 200;
const BACKLOG = 4096;
const VISIT_MS = 1000;
/** Longer than any heartbeat or wait: a connection on which nothing moves for so long is dead. */
const IDLE_MS_MAX = 120_000;

export type ServerOptions = {
  readonly engine: Engine;
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
  const { app, context, metrics, startDraining } = assemble(options);
  const { config } = options;
  const close = async (): Promise<void> => {
    startDraining();
    context.pump.close();
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
      const drainMs = config.limits.drainS * 1000;
      await Promise.all([context.pump.drain(drainMs), context.snapshots.whenEmpty(drainMs)]);
      await close();
    },
    close,
  };
}

type Parts = {
  readonly app: FastifyInstance;
  readonly context: ServerContext;
  readonly metrics: Metrics;
  readonly startDraining: () => void;
};

function assemble({ engine, config, clock, log }: ServerOptions): Parts {
  const { limits } = config;
  const draining = new AbortController();
  const upper = () => engine.upper;
  const pump = new Pump({
    clock,
    stallMs: limits.stallS * 1000,
    stalledBytesMax: limits.stalledBytesMax,
    visitMs: VISIT_MS,
    upper,
    onEnd: (reason, error) => {
      metrics.streamEnded(reason);
      if (reason === 'failed') tellEnd(log, error);
    },
  });
  const line = { queueMax: limits.queueMax, queueMs: limits.queueS * 1000 };
  const context: ServerContext = {
    ...{ engine, config, clock, pump, upper },
    snapshots: new Gate({ name: 'snapshots', runningMax: limits.snapshotsMax, ...line }),
    digests: new Gate({ name: 'digests', runningMax: limits.digestsMax, ...line }),
    snapshotBytes: { count: 0 },
    changesBytes: { count: 0 },
    mark: { isDown: false },
    draining: draining.signal,
  };
  const metrics = new Metrics(context);
  const app = createApp(context, log);
  addRoutes(app, { context, metrics, log });
  const startDraining = (): void => draining.abort(shuttingDown());
  return { app, context, metrics, startDraining };
}

function shuttingDown(): TidelockError {
  return new TidelockError({
    code: 'NOT_READY',
    message: 'the server is shutting down',
    hint: 'connect again in a moment; a feed resumes where it ended',
  });
}

/** Fastify with our limits, our error form and our access check, but without routes. */
function createApp(context: ServerContext, log: Log): FastifyInstance {
  const { config, pump, clock } = context;
  const { limits } = config;
  const requestMs = limits.requestS * 1000;
  const app = Fastify({
    ...{ bodyLimit: limits.bodyBytesMax, requestTimeout: requestMs },
    ...{ keepAliveTimeout: KEEP_ALIVE_MS, connectionTimeout: IDLE_MS_MAX },
    http: {
      maxHeaderSize: limits.urlBytesMax + HEADER_BYTES,
      headersTimeout: requestMs,
      connectionsCheckingInterval: Math.min(CHECK_MS_MAX, requestMs),
    },
    routerOptions: { querystringParser: parseQuery, maxParamLength: PARAMETER_LENGTH_MAX },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: 'array', allErrors: false } },
    frameworkErrors: (error, _request, reply) => sendError(error, reply, log),
    clientErrorHandler: (error, socket) => onClientError(error, socket, pump.carries(socket)),
    // Without Fastify's own logger an idle stream does not keep its request alive.
    logger: false,
  });
  app.removeContentTypeParser('text/plain');
  app.server.maxConnections = limits.connectionsMax;
  app.setErrorHandler((error, _request, reply) => sendError(error, reply, log));
  // The schemas of answers are documents that a test holds; answers are written as they are.
  app.setSerializerCompiler(() => JSON.stringify);
  app.decorateRequest('access');
  const verifier = createTokenVerifier(config.tokens, clock);
  app.addHook('onRequest', async (request, reply) => {
    if (pump.carries(request.raw.socket)) return abandon(request.raw.socket, reply);
    checkUrl(request, limits.urlBytesMax);
    if (verifier === null) requireLocalHost(request.headers.host);
    request.access = await authorize(request, verifier);
  });
  return app;
}

function addRoutes(
  app: FastifyInstance,
  parts: { readonly context: ServerContext; readonly metrics: Metrics; readonly log: Log },
): void {
  const { context, metrics, log } = parts;
  const routes = new RouteTable();
  app.addHook('onRoute', (route) => routes.note(route));
  app.setNotFoundHandler((request, reply) => answerUnknown(routes, request, reply));
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Tidelock', version: String(PROTOCOL_VERSION) },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
  });
  const all = [
    ...[feedRoute, snapshotRoute, differenceRoute, digestRoute, statusRoute, tablesRoute],
    ...[waitRoute, putLeaseRoute, deleteLeaseRoute, readyRoute],
  ].map((route) => route(context));
  app.register(async (scope) => {
    const more = transicatorRoutes(context, log);
    for (const route of [...all, healthRoute(), metricsRoute(metrics), openapiRoute(), ...more]) {
      scope.route(route);
    }
  });
}

async function bind(app: FastifyInstance, config: ServerConfig): Promise<string> {
  const host = await bindAddress(config.host, needsTokens(config.tokens));
  try {
    return await app.listen({ host, port: config.port, backlog: BACKLOG });
  } catch (cause) {
    throw new TidelockError({
      code: 'BAD_CONFIG',
      message: `cannot listen on ${config.host} port ${config.port}: ${messageOf(cause)}`,
      hint: hintForBind(cause, config.port),
      cause,
    });
  }
}

function hintForBind(cause: unknown, port: number): string {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE')
    return `stop the other program or use another port: --port ${port + 1}`;
  if (code === 'EACCES') return 'ports below 1024 need rights; use a higher one: --port 7700';
  return 'use an address of this machine, for example --host 127.0.0.1';
}

function checkUrl(request: FastifyRequest, urlBytesMax: number): void {
  if (request.url.length > urlBytesMax) {
    throw new TidelockError({
      code: 'TOO_LARGE',
      message: `the address has ${request.url.length} bytes, ${urlBytesMax} are allowed`,
      hint: 'name fewer selectors in one request',
    });
  }
  const broken = (request.query as ParsedQuery | null)?.[BAD_QUERY];
  if (broken === undefined) return;
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: `the query has broken percent-encoding: ${JSON.stringify(broken.slice(0, 60))}`,
    hint: 'encode values with encodeURIComponent',
  });
}

/** A request behind a running feed: its answer could never be sent, so the connection ends. */
function abandon(socket: Socket, reply: FastifyReply): void {
  reply.hijack();
  socket.destroy();
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
