/** What every HTTP server of ours has: limits, access check, form of errors, and how it listens. */
import type { Socket } from 'node:net';
import swagger from '@fastify/swagger';
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteOptions,
} from 'fastify';
import { messageOf, TidelockError } from '../core/errors.ts';
import { PROTOCOL_VERSION } from '../protocol/feed.ts';
import { authorize, type OwnSelectors } from './auth.ts';
import { bindAddress } from './bind.ts';
import { onClientError } from './client-error.ts';
import type { Clock } from './clock.ts';
import { needsTokens, type ServerConfig } from './config.ts';
import { sendError } from './errors.ts';
import { BAD_QUERY, type ParsedQuery, parseQuery } from './input.ts';
import { requireLocalHost } from './local-host.ts';
import type { Log } from './log.ts';
import { answerUnknown, RouteTable } from './not-found.ts';
import { createTokenVerifier } from './tokens.ts';

/** How often node looks for requests that take too long to arrive. */
const CHECK_MS_MAX = 5000;
const KEEP_ALIVE_MS = 30_000;
/** Request headers besides the URL. */
const HEADER_BYTES = 16 * 1024;
const PARAMETER_LENGTH_MAX = 200;
const BACKLOG = 4096;
/** Longer than any heartbeat or wait: a connection on which nothing moves for so long is dead. */
const IDLE_MS_MAX = 120_000;

export type AppParts = {
  readonly config: ServerConfig;
  readonly clock: Clock;
  readonly log: Log;
  /** Without it a token reads what it names. */
  readonly ownSelectors?: OwnSelectors | undefined;
  /** True while a socket belongs to a stream: nothing else may be written to it. */
  readonly carries: (socket: Socket) => boolean;
};

/** Fastify with our limits, our error form and our access check, but without routes. */
export function createApp(parts: AppParts): FastifyInstance {
  const { config, clock, log, carries, ownSelectors = () => [] } = parts;
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
    clientErrorHandler: (error, socket) => onClientError(error, socket, carries(socket)),
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
    if (carries(request.raw.socket)) return abandon(request.raw.socket, reply);
    checkUrl(request, limits.urlBytesMax);
    if (verifier === null) requireLocalHost(request.headers.host);
    request.access = await authorize(request, verifier, ownSelectors);
  });
  return app;
}

/** Adds routes, their OpenAPI document, and an answer for everything else. `plugin` adds to a scope of its own. */
export function addRoutes(
  app: FastifyInstance,
  routes: readonly RouteOptions[],
  plugin: (scope: FastifyInstance) => void = () => undefined,
): void {
  const table = new RouteTable();
  app.addHook('onRoute', (route) => table.note(route));
  app.setNotFoundHandler((request, reply) => answerUnknown(table, request, reply));
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Tidelock', version: String(PROTOCOL_VERSION) },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
  });
  app.register(async (scope) => {
    for (const route of routes) scope.route(route);
  });
  app.register(async (scope) => plugin(scope));
}

/** Listens. Throws `BAD_CONFIG` when the address is taken, unknown, or open without tokens. */
export async function bind(app: FastifyInstance, config: ServerConfig): Promise<string> {
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
