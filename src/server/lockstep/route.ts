/** GET /lockstep/{relation}: rows of any table or view, then what becomes of them. */
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import type { Engine } from '../../engine/api.ts';
import type { RowStreams, StreamRequest } from '../../lockstep/api.ts';
import { type HeartbeatFormat, type LockstepMode, parseSince } from '../../protocol/lockstep.ts';
import { type Access, requireSelectors } from '../auth.ts';
import type { ServerContext } from '../context.ts';
import type { Gate } from '../gate.ts';
import { parseSelectors } from '../input.ts';
import type { Log } from '../log.ts';
import { failures, media, object, type Schema } from '../schemas.ts';
import { LogStream, parseLogSince } from './log-stream.ts';
import type { LockstepReaders } from './readers.ts';
import { ResponseSink } from './response-sink.ts';
import { SpoolSink } from './spool-sink.ts';

const HEARTBEAT_S = 10;
const HEARTBEAT_S_MAX = 60;
const CONTENT_TYPE = 'application/json';
/** What may wait for one reader. */
const BUFFER_BYTES_MAX = 1024 * 1024;

type Query = {
  since?: string;
  heartbeat: number;
  follow: '0' | '1';
  mode: LockstepMode;
  heartbeat_format: HeartbeatFormat;
  selector?: string[];
};

const QUERY: Schema = {
  type: 'object',
  // The original client adds parameters of its own.
  additionalProperties: true,
  properties: {
    since: {
      type: 'string',
      description:
        'The largest `since` of the rows that were processed; 0 or nothing: from the start.',
    },
    heartbeat: {
      type: 'number',
      ...{ minimum: 1, maximum: HEARTBEAT_S_MAX, default: HEARTBEAT_S },
      description: 'Idle seconds after which a heartbeat comes.',
    },
    follow: {
      ...{ type: 'string', enum: ['0', '1'], default: '1' },
      description: '0: end after snapshot_completed, with Content-Length.',
    },
    mode: {
      ...{ type: 'string', enum: ['lockstep', 'strict'], default: 'lockstep' },
      description:
        'lockstep: soon, at least once. strict: in order, each row version once, behind the oldest open transaction.',
    },
    selector: {
      ...{ type: 'array', items: { type: 'string' } },
      description:
        'Of a replicated table without txid: its rows with these selectors, out of the change log; repeatable.',
    },
    heartbeat_format: {
      ...{ type: 'string', enum: ['control', 'lockstep'], default: 'control' },
      description: 'lockstep: `{"heartbeat":true}`, which the original client knows.',
    },
  },
};

/** None, where nothing is to be streamed. */
export function lockstepRoutes(
  context: Pick<ServerContext, 'lockstep' | 'lockstepReaders' | 'config'> &
    Partial<Pick<ServerContext, 'engine' | 'draining' | 'snapshots'>>,
  log: Log,
): readonly RouteOptions[] {
  const { lockstep, lockstepReaders: readers, config, engine, draining, snapshots } = context;
  if (lockstep === null) return [];
  const wrote = (bytes: number): void => {
    readers.bytesOut += bytes;
  };
  const { stallS, selectorsMax, streamsMax } = config.limits;
  return [
    lockstepRoute({
      ...{ streams: lockstep, readers, log, wrote, engine, draining, snapshots },
      ...{ selectorsMax, streamsMax },
      stallMs: stallS * 1000,
    }),
  ];
}

type LockstepRouteOptions = {
  readonly streams: RowStreams;
  readonly log: Log;
  /** Undefined: there is no change log here. */
  readonly engine: Engine | undefined;
  readonly draining: AbortSignal | undefined;
  readonly snapshots: Gate | undefined;
  readonly readers: LockstepReaders;
  readonly selectorsMax: number;
  readonly streamsMax: number;
  readonly stallMs: number;
  readonly wrote: (bytes: number) => void;
};

function lockstepRoute(options: LockstepRouteOptions): RouteOptions {
  return {
    method: 'GET',
    url: '/lockstep/:relation',
    exposeHeadRoute: false,
    config: { scope: 'read' },
    schema: {
      summary: 'Rows of a table or view as a stream, one JSON object in each HTTP chunk',
      params: object({ relation: { type: 'string' } }),
      querystring: QUERY,
      response: {
        200: media('One JSON object a chunk; see docs/lockstep.md.', CONTENT_TYPE, {
          ...object({}),
          additionalProperties: true,
        }),
        ...failures(['BAD_POSITION', 'NOT_FOUND', 'RELATION_UNFIT', 'SOURCE_DOWN', 'BUSY']),
      },
    },
    handler: async (request, reply) => {
      options.readers.requireRoom(options.streamsMax);
      if ((request.query as Query).selector !== undefined) {
        return streamLog(options, request, reply);
      }
      requireEverything(request.access);
      const wanted = requestOf(request);
      const stream = await options.streams.open(wanted);
      stream.run(wanted.isFollowing ? startResponse(options, reply) : startSpool(options, reply));
    },
  };
}

/** A replicated table, out of the change log. */
function streamLog(
  options: LockstepRouteOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { engine, draining, snapshots, selectorsMax } = options;
  const query = request.query as Query;
  const selectors = parseSelectors(query.selector ?? [], selectorsMax);
  requireSelectors(request.access, selectors);
  const table = engine?.tables.find(({ name }) => name === relationOf(request));
  const source = engine?.transicator;
  if (engine === undefined || source === undefined || table === undefined) {
    throw notReplicated(relationOf(request));
  }
  const isFollowing = query.follow === '1';
  const wanted = {
    ...{ table, selectors, isFollowing, since: parseLogSince(query.since) },
    ...{ heartbeatMs: query.heartbeat * 1000, heartbeatFormat: query.heartbeat_format },
  };
  const sink = isFollowing ? startResponse(options, reply) : startSpool(options, reply);
  const stream = new LogStream({ engine, source, sink, snapshots }, wanted);
  void stream.run(draining ?? new AbortController().signal);
}

function relationOf(request: FastifyRequest): string {
  const { relation } = request.params as { relation: string };
  return relation.includes('.') ? relation : `public.${relation}`;
}

function notReplicated(relation: string): TidelockError {
  return new TidelockError({
    code: 'NOT_FOUND',
    message: `${relation} is not among the replicated tables of this server`,
    hint: 'they are listed in /v1/tables; without selector= any relation with a txid can be streamed',
  });
}

/** Rows of a relation have no selectors that a token could be bound to. */
function requireEverything({ selectors }: Access): void {
  if (selectors === 'any') return;
  throw new TidelockError({
    code: 'TOKEN_FORBIDS',
    message: 'the token is bound to selectors, and a Lockstep stream has every row',
    hint: 'use one for all selectors (tidelock token --any-selector), or selector= for a replicated table',
  });
}

function requestOf(request: FastifyRequest): StreamRequest {
  const query = request.query as Query;
  return {
    relation: (request.params as { relation: string }).relation,
    mode: query.mode,
    since: parseSince(query.since),
    isFollowing: query.follow === '1',
    heartbeatMs: query.heartbeat * 1000,
    heartbeatFormat: query.heartbeat_format,
  };
}

function startResponse(
  { stallMs, wrote, readers }: LockstepRouteOptions,
  reply: FastifyReply,
): ResponseSink {
  const response = reply.raw;
  const { socket } = response;
  if (socket === null) {
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: 'a stream was requested behind another request on the same connection',
      hint: 'use a connection of its own for a stream',
    });
  }
  reply.hijack();
  readers.add(response);
  readers.takeOver(socket);
  socket.setNoDelay(true);
  response.writeHead(200, {
    'content-type': CONTENT_TYPE,
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  response.flushHeaders();
  return new ResponseSink({ response, socket, bufferBytesMax: BUFFER_BYTES_MAX, stallMs, wrote });
}

function startSpool(options: LockstepRouteOptions, reply: FastifyReply): SpoolSink {
  const { log, wrote, readers } = options;
  reply.hijack();
  readers.add(reply.raw);
  return new SpoolSink({
    ...{ reply, contentType: CONTENT_TYPE, wrote },
    sendError: (error) => sendRawError(error, reply, log),
  });
}

/** After the takeover the framework answers no more. */
function sendRawError(error: unknown, reply: FastifyReply, log: Log): void {
  const { raw } = reply;
  if (raw.headersSent || raw.destroyed) return;
  const known = toKnown(error, log);
  raw.writeHead(known.status, { 'content-type': 'application/json; charset=utf-8' });
  raw.end(JSON.stringify(known));
}

function toKnown(error: unknown, log: Log): TidelockError {
  if (error instanceof TidelockError) return error;
  log.error({ err: error }, 'bug');
  return new TidelockError({
    code: 'INTERNAL',
    message: 'the server failed; its log has the details',
    cause: error,
  });
}
