/** GET /v1/feed: the resumable stream of changes. */
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import { parseLsn, type Ts } from '../../core/lsn.ts';
import type { Feed } from '../../engine/api.ts';
import { requireSelectors } from '../auth.ts';
import type { ServerContext } from '../context.ts';
import { FeedStream } from '../feed-stream.ts';
import { parseSelectors } from '../input.ts';
import { leaseName } from '../lease-names.ts';
import {
  failures,
  media,
  object,
  POSITION_INPUT,
  REPLICA,
  type Schema,
  SELECTORS,
  TIMELINE,
} from '../schemas.ts';

const HEARTBEAT_S_MAX = 60;
const WAIT_S_MAX = 60;

type FeedQuery = {
  selector: string[];
  since?: string;
  timeline?: string;
  replica?: string;
  digest: '0' | '1';
  follow: '0' | '1';
  wait_s: number;
  heartbeat_s?: number;
};

const SWITCH = { type: 'string', enum: ['0', '1'] } as const;

const QUERY: Schema = {
  type: 'object',
  additionalProperties: false,
  required: ['selector'],
  properties: {
    selector: SELECTORS,
    since: {
      ...POSITION_INPUT,
      description: 'Deliver what committed after this; without it, what commits from now on.',
    },
    timeline: { ...TIMELINE, description: 'The timeline that `since` belongs to.' },
    replica: REPLICA,
    digest: {
      ...SWITCH,
      default: '0',
      description: '1: progress lines carry digests (with follow=1).',
    },
    follow: { ...SWITCH, default: '1', description: '0: end when everything is delivered.' },
    wait_s: {
      type: 'number',
      minimum: 0,
      maximum: WAIT_S_MAX,
      default: 0,
      description:
        'Long poll: with follow=0, wait up to so many seconds for the first transaction.',
    },
    heartbeat_s: {
      type: 'number',
      minimum: 1,
      maximum: HEARTBEAT_S_MAX,
      description: 'Idle seconds after which a heartbeat line comes.',
    },
  },
};

export function feedRoute(context: ServerContext): RouteOptions {
  return {
    method: 'GET',
    url: '/v1/feed',
    exposeHeadRoute: false,
    config: { scope: 'read' },
    schema: {
      summary: 'Changes in commit order, as a stream that ends only on request',
      querystring: QUERY,
      response: {
        200: media('One JSON object a line; see docs/protocol.md.', 'application/x-ndjson', {
          ...object({ type: { type: 'string' } }),
          additionalProperties: true,
        }),
        ...failures([
          'BAD_POSITION',
          'BAD_SELECTOR',
          'TOO_OLD',
          'TIMELINE_CHANGED',
          'BUSY',
          'NOT_READY',
        ]),
      },
    },
    handler: async (request, reply) => {
      const feed = openFeed(context, request);
      stream(context, request, reply, feed);
    },
  };
}

function openFeed(context: ServerContext, request: FastifyRequest): Feed {
  const query = request.query as FeedQuery;
  const selectors = parseSelectors(query.selector, context.config.limits.selectorsMax);
  requireSelectors(request.access, selectors);
  requireRoom(context);
  return context.engine.openFeed({
    selectors,
    since: sinceOf(query, context),
    timeline: query.timeline,
    replica: leaseName(request.access, query.replica),
    // A reader that ends when it has caught up is gone before a scan is done.
    wantsDigests: query.digest === '1' && query.follow !== '0',
  });
}

function sinceOf(query: FeedQuery, context: ServerContext): Ts {
  return query.since === undefined ? context.upper() : parseLsn(query.since, 'since');
}

function requireRoom(context: ServerContext): void {
  context.draining.throwIfAborted();
  const { streamsMax } = context.config.limits;
  if (context.pump.count >= streamsMax) {
    throw new TidelockError({
      code: 'BUSY',
      message: `all ${streamsMax} streams are taken`,
      hint: 'try again later, or raise the setting streamsMax',
    });
  }
}

function stream(
  context: ServerContext,
  request: FastifyRequest,
  reply: FastifyReply,
  feed: Feed,
): void {
  const query = request.query as FeedQuery;
  const response = reply.raw;
  const { socket } = response;
  // A response that waits behind an earlier one has no socket yet.
  if (socket === null) {
    feed.close();
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: 'a feed was requested behind another request on the same connection',
      hint: 'use a connection of its own for a feed',
    });
  }
  reply.hijack();
  context.pump.refreshNow();
  socket.cork();
  response.writeHead(200, {
    'content-type': 'application/x-ndjson',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  response.flushHeaders();
  const heartbeatS = query.heartbeat_s ?? context.config.heartbeatS;
  const mode = {
    isFollowing: query.follow === '1',
    waitMs: query.wait_s * 1000,
    heartbeatMs: heartbeatS * 1000,
    expiresAtMs: request.access.expiresAtMs,
  };
  context.pump.add(new FeedStream({ host: context.pump.host, feed, response, socket, mode }));
  socket.uncork();
}
