/**
 * GET /v1/snapshot: a first copy, as SQLite file or NDJSON.
 * POST /v1/snapshot: the difference between what a replica holds and what Postgres holds, as NDJSON.
 */
import { createReadStream } from 'node:fs';
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import { formatLsn } from '../../core/lsn.ts';
import type { HeldDigests, SnapshotRequest } from '../../engine/api.ts';
import { requireSelectors } from '../auth.ts';
import type { ServerContext } from '../context.ts';
import { negotiate, parseSelectors } from '../input.ts';
import { leaseName } from '../lease-names.ts';
import {
  BUCKETS,
  failures,
  media,
  object,
  POSITION,
  REPLICA,
  type Schema,
  SELECTORS,
  TIMELINE,
} from '../schemas.ts';
import { clientSignal, sendChunks, withoutIdleLimit } from '../send.ts';

const SQLITE = 'application/vnd.sqlite3';
const NDJSON = 'application/x-ndjson';
/** Large, because every piece costs a turn through thread pool, stream and socket. */
const READ_BYTES = 1024 * 1024;
const BUCKETS_MAX = 65_536;

type SnapshotInput = { selectors: readonly string[]; replica: string | undefined };
type SnapshotQuery = { selector: string[]; replica?: string };
type DifferenceBody = { selectors: string[]; replica?: string; held: HeldDigests };

const LINES: Schema = media('One JSON object a line; see docs/protocol.md.', NDJSON, {
  ...object({ type: { type: 'string' } }),
  additionalProperties: true,
});

const FAILURES = failures([
  'BAD_SELECTOR',
  'NOT_ACCEPTABLE',
  'BUSY',
  'NOT_READY',
  'SOURCE_DOWN',
  'TIMEOUT',
]);

export function snapshotRoute(context: ServerContext): RouteOptions {
  return {
    method: 'GET',
    url: '/v1/snapshot',
    exposeHeadRoute: false,
    config: { scope: 'read' },
    schema: {
      summary: 'All rows of the selectors, equal to Postgres at one position',
      querystring: object({ selector: SELECTORS, replica: REPLICA }, ['replica']),
      response: { 200: snapshotAnswer(), ...FAILURES },
    },
    handler: async (request, reply) => {
      const query = request.query as SnapshotQuery;
      const form = negotiate(request.headers.accept, [SQLITE, NDJSON]);
      if (form === null) throw notAcceptable();
      const input = { selectors: query.selector, replica: query.replica };
      await serve({ context, request, reply, input }, (snapshot) =>
        form === SQLITE ? sendFile(context, reply, snapshot) : sendLines(context, reply, snapshot),
      );
    },
  };
}

export function differenceRoute(context: ServerContext): RouteOptions {
  return {
    method: 'POST',
    url: '/v1/snapshot',
    bodyLimit: context.config.limits.digestBodyBytesMax,
    config: { scope: 'read' },
    schema: {
      summary: 'Only the rows that differ from what a replica holds',
      querystring: object({}),
      body: object({ selectors: SELECTORS, replica: REPLICA, held: heldSchema() }, ['replica']),
      response: { 200: LINES, ...FAILURES },
    },
    handler: async (request, reply) => {
      const { selectors, replica, held } = request.body as DifferenceBody;
      requireBuckets(held);
      await serve({ context, request, reply, input: { selectors, replica } }, (snapshot) =>
        sendLines(context, reply, snapshot, held),
      );
    },
  };
}

function snapshotAnswer(): Schema {
  const text = { type: 'string', format: 'binary' };
  return {
    description: 'A SQLite file, or NDJSON when the Accept header asks for it.',
    headers: {
      'tidelock-position': { ...POSITION, description: 'Of the SQLite file.' },
      'tidelock-timeline': TIMELINE,
    },
    content: {
      [SQLITE]: { schema: text },
      [NDJSON]: { schema: { type: 'string', description: 'One JSON object a line.' } },
    },
  };
}

function heldSchema(): Schema {
  return object({
    bucketCount: { type: 'integer', minimum: 1, maximum: BUCKETS_MAX },
    tables: BUCKETS,
  });
}

type Exchange = {
  readonly context: ServerContext;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly input: SnapshotInput;
};

/** Checks the request, waits for its turn, sends; gives the place back whatever happens. */
async function serve(
  { context, request, reply, input }: Exchange,
  send: (snapshot: SnapshotRequest) => Promise<void>,
): Promise<void> {
  const selectors = parseSelectors(input.selectors, context.config.limits.selectorsMax);
  requireSelectors(request.access, selectors);
  context.draining.throwIfAborted();
  const replica = leaseName(request.access, input.replica);
  const signal = clientSignal(reply.raw);
  const leave = await context.snapshots.enter(signal);
  try {
    await withoutIdleLimit(reply, () => send({ selectors, replica, signal }));
  } finally {
    leave();
  }
}

async function sendFile(
  context: ServerContext,
  reply: FastifyReply,
  snapshot: SnapshotRequest,
): Promise<void> {
  const file = await context.engine.snapshotFile(snapshot);
  try {
    const chunks = createReadStream(file.path, { highWaterMark: READ_BYTES });
    await sendChunks({
      reply,
      chunks,
      signal: snapshot.signal,
      stallMs: context.config.limits.stallS * 1000,
      sent: context.snapshotBytes,
      headers: {
        'content-type': SQLITE,
        'content-length': file.sizeBytes,
        'tidelock-position': formatLsn(file.ts),
        'tidelock-timeline': file.timeline,
      },
    });
  } finally {
    await file.release();
  }
}

async function sendLines(
  context: ServerContext,
  reply: FastifyReply,
  snapshot: SnapshotRequest,
  held?: HeldDigests,
): Promise<void> {
  await sendChunks({
    reply,
    chunks: context.engine.snapshotLines(snapshot, held),
    signal: snapshot.signal,
    stallMs: context.config.limits.stallS * 1000,
    sent: context.snapshotBytes,
    headers: { 'content-type': NDJSON },
  });
}

function requireBuckets(held: HeldDigests): void {
  const wrong = Object.entries(held.tables).find(
    ([, buckets]) => buckets.length !== held.bucketCount,
  );
  if (wrong === undefined) return;
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: `table ${JSON.stringify(wrong[0].slice(0, 60))} has ${wrong[1].length} buckets, bucketCount is ${held.bucketCount}`,
    hint: 'send one digest per bucket',
  });
}

function notAcceptable(): TidelockError {
  return new TidelockError({
    code: 'NOT_ACCEPTABLE',
    message: 'none of the accepted formats is served here',
    hint: `send Accept: ${SQLITE} or ${NDJSON}`,
  });
}
