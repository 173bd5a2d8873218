/** POST /v1/upload: the local transactions of a file that writes. docs/merge.md has the rules. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import { messageOf, TidelockError } from '../../core/errors.ts';
import { REJECTION_CODES, type Upload } from '../../core/upload.ts';
import type { UploadResult } from '../../engine/uploads.ts';
import { LargeUpload } from '../../protocol/large-upload.ts';
import { encodeUploadAnswer, UPLOAD_TYPE } from '../../protocol/upload.ts';
import { readUpload } from '../../protocol/upload-reader.ts';
import { requireUnexpired } from '../auth.ts';
import type { ServerContext } from '../context.ts';
import type { Metrics } from '../metrics.ts';
import { COUNT, failures, json, object, POSITION, type Schema, TIMELINE } from '../schemas.ts';
import { clientSignal, withoutIdleLimit } from '../send.ts';
import type { UploadPlace } from '../upload-room.ts';

/** What is longer when it is unpacked is read piece by piece, and may have one transaction only. */
const LARGE_BYTES_MIN = 8 * 1024 * 1024;

const ANSWER: Schema = object({
  accepted: { ...COUNT, description: 'Every transaction up to here has its outcome.' },
  position: { ...POSITION, description: 'A file at or after it has everything that landed.' },
  timeline: TIMELINE,
  rejected: {
    type: 'array',
    description: 'Refused transactions that the file has not settled.',
    items: object(
      {
        number: COUNT,
        code: { enum: Object.keys(REJECTION_CODES) },
        message: { type: 'string' },
        table: { type: 'string' },
        key: { type: 'array', items: {} },
      },
      ['table', 'key'],
    ),
  },
});

const FAILURES = failures([
  ...(['BUSY', 'NOT_READY', 'SOURCE_DOWN', 'BAD_POSITION'] as const),
  ...([
    'SITE_TAKEN',
    'SITES_FULL',
    'SITE_CLONED',
    'UPLOAD_GAP',
    'RESYNC_FIRST',
    'TABLE_HELD',
  ] as const),
]);

declare module 'fastify' {
  interface FastifyRequest {
    uploadPlace?: UploadPlace;
  }
}

type Unpack = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const UNPACK: Readonly<Record<string, Unpack>> = {
  identity: async (bytes) => bytes,
  gzip: promisify(gunzip) as Unpack,
  zstd: promisify(zstdDecompress) as Unpack,
};

/** Adds the route, with a parser of its body that no other route has. */
export function addUpload(scope: FastifyInstance, context: ServerContext, metrics: Metrics): void {
  scope.decorateRequest('uploadPlace');
  scope.addContentTypeParser(UPLOAD_TYPE, { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  scope.route(uploadRoute(context, metrics));
}

function uploadRoute(context: ServerContext, metrics: Metrics): RouteOptions {
  const { uploadBodyBytesMax } = context.config.limits;
  return {
    method: 'POST',
    url: '/v1/upload',
    bodyLimit: uploadBodyBytesMax,
    config: { scope: 'write' },
    // Before the body is read, and after the token was.
    onRequest: async (request, reply) => {
      // Who left while the token was checked is told nothing more, and would never give the place back.
      clientSignal(reply.raw).throwIfAborted();
      const place = context.uploadRoom.enter(request.access.subject);
      reply.raw.once('close', () => place.leave());
      request.uploadPlace = place;
    },
    preParsing: async (request, _reply, body) => {
      const length = Number(request.headers['content-length'] ?? 0);
      if (length > uploadBodyBytesMax) throw bodyTooLarge(uploadBodyBytesMax);
      return request.uploadPlace?.counted(body) ?? body;
    },
    errorHandler: (error) => {
      throw error.code === 'FST_ERR_CTP_BODY_TOO_LARGE' ? bodyTooLarge(uploadBodyBytesMax) : error;
    },
    schema: {
      summary: 'Merge local transactions of a file into Postgres',
      consumes: [UPLOAD_TYPE],
      querystring: object({}),
      response: {
        200: json('Everything is committed or refused.', ANSWER),
        ...FAILURES,
      },
    },
    handler: async (request, reply) => {
      context.draining.throwIfAborted();
      const leave = await context.uploads.enter(clientSignal(reply.raw));
      try {
        await withoutIdleLimit(reply, async () => {
          const start = context.clock.now();
          const result = await apply(context, request);
          metrics.uploaded(result, (context.clock.now() - start) / 1000);
          await reply.type('application/json; charset=utf-8').send(bodyOf(result));
        });
      } finally {
        leave();
      }
      return reply;
    },
  };
}

function bodyOf({ accepted, timeline, position, rejected }: UploadResult): string {
  return encodeUploadAnswer({ accepted, timeline, position, rejected });
}

/** The client may leave meanwhile: what it sent is applied all the same, and told when it asks again. */
async function apply(context: ServerContext, request: FastifyRequest): Promise<UploadResult> {
  const { access } = request;
  const upload = await readBytes(await unpack(request, context.config.limits.uploadBytesMax));
  requireUnexpired(access, context.clock.wallMs());
  const { subject: userid, claims, selectors } = access;
  return await context.engine.uploads.apply(upload, { userid, claims, selectors });
}

/** A large upload is checked without holding up everybody else. */
async function readBytes(bytes: Buffer): Promise<Upload> {
  if (bytes.length < LARGE_BYTES_MIN) return readUpload(textOf(bytes));
  const large = new LargeUpload(bytes);
  for (const _ of large.check()) await nextTurn();
  return large.upload;
}

function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw unreadable(messageOf(error), error);
  }
}

async function unpack({ body, headers }: FastifyRequest, bytesMax: number): Promise<Buffer> {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  const unpackBytes = Object.hasOwn(UNPACK, encoding) ? UNPACK[encoding] : undefined;
  if (unpackBytes === undefined || !Buffer.isBuffer(body)) throw unreadable(`as ${encoding}`);
  try {
    const bytes = await unpackBytes(body, { maxOutputLength: bytesMax });
    if (bytes.length > bytesMax) throw tooLarge(bytesMax);
    return bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(bytesMax);
    throw error instanceof TidelockError ? error : unreadable(messageOf(error), error);
  }
}

function tooLarge(bytesMax: number): TidelockError {
  return new TidelockError({
    code: 'TOO_LARGE',
    message: `the upload has more than ${bytesMax} bytes when it is unpacked (uploadBytesMax)`,
    hint: 'write fewer rows in one transaction, or raise uploadBytesMax at the server',
  });
}

function bodyTooLarge(bytesMax: number): TidelockError {
  return new TidelockError({
    code: 'TOO_LARGE',
    message: `the body of the upload has more than ${bytesMax} bytes (uploadBodyBytesMax)`,
    hint: 'write fewer rows in one transaction, or raise uploadBodyBytesMax at the server',
  });
}

function unreadable(why: string, cause?: unknown): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `the body of the upload cannot be read: ${why}`,
    hint: `send ${UPLOAD_TYPE} in UTF-8, as it is or with Content-Encoding gzip or zstd`,
    cause,
  });
}
