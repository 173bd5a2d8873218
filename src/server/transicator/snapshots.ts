/** GET /snapshots: where the snapshot is. GET /data: the snapshot, as JSON, protobuf or a SQLite file. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { RowSnapshot } from '../../engine/api.ts';
import { snapshotHead, snapshotTail, TableJson } from '../../protocol/transicator/snapshot-json.ts';
import { headerFrame, rowFrames, tableFrame } from '../../protocol/transicator/snapshot-proto.ts';
import { requireSelectors } from '../auth.ts';
import type { ParsedQuery } from '../input.ts';
import { clientSignal, sendChunks, withoutIdleLimit } from '../send.ts';
import type { TransicatorContext } from './context.ts';
import { sendTransicatorError, TransicatorError } from './errors.ts';
import { negotiateForm, parseScopes } from './input.ts';
import { requireUp } from './marked-down.ts';
import { DATA_SCHEMA, JSON_TYPE, PROTOBUF_TYPE, SNAPSHOTS_SCHEMA, SQLITE_TYPE } from './schemas.ts';

const FORMS = { json: JSON_TYPE, sqlite: SQLITE_TYPE, proto: PROTOBUF_TYPE } as const;
type Form = keyof typeof FORMS;

const READ_BYTES = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
/** Rows whose texts are in memory together. */
const PIECE_ROWS = 100;
/** Behind the body of a protobuf snapshot: the number of its rows. Without it the body is not complete. */
const ROWS_TRAILER = 'Transicator-Snapshot-Rows';
const TXID_HEADER = 'Transicator-Snapshot-TXID';

export function snapshotsRoute(context: TransicatorContext): RouteOptions {
  return {
    ...common(context),
    url: `${context.settings.prefix}/snapshots`,
    schema: SNAPSHOTS_SCHEMA,
    handler: async (request, reply) => {
      requireUp(context);
      const selectors = scopesOf(context, request);
      const type = negotiateForm(request.headers.accept, Object.values(FORMS));
      const form = Object.entries(FORMS).find(([, offered]) => offered === type)?.[0];
      if (form === undefined) {
        throw new TransicatorError(
          'UNSUPPORTED_MEDIA_TYPE',
          `use ${Object.values(FORMS).join(', ')}`,
        );
      }
      const query = selectors.map((selector) => `selector=${selector}`).join('&');
      const location = `${context.settings.prefix}/data?${query}&type=${form}`;
      return await reply.code(303).header('location', location).send();
    },
  };
}

export function dataRoute(context: TransicatorContext): RouteOptions {
  return {
    ...common(context),
    url: `${context.settings.prefix}/data`,
    schema: DATA_SCHEMA,
    handler: async (request, reply) => {
      requireUp(context);
      const form = formOf(request.query as ParsedQuery);
      if (form === null) return await reply.code(400).send();
      const selectors = scopesOf(context, request);
      const signal = clientSignal(reply.raw);
      const leave = await context.snapshots.enter(signal);
      try {
        await withoutIdleLimit(reply, () => send({ context, reply, selectors, signal }, form));
      } finally {
        leave();
      }
    },
  };
}

function common({ log }: TransicatorContext) {
  return {
    method: 'GET' as const,
    exposeHeadRoute: false,
    config: { scope: 'read' as const },
    validatorCompiler: () => () => true,
    errorHandler: (error: unknown, _request: FastifyRequest, reply: FastifyReply) =>
      sendTransicatorError(error, reply, { log, badParameter: 'INVALID_REQUEST_PARAM' }),
  };
}

/** Throws `MISSING_SCOPE`, `INVALID_REQUEST_PARAM`, `TOKEN_FORBIDS`. */
function scopesOf(context: TransicatorContext, request: FastifyRequest): readonly string[] {
  const { selectorsMax } = context.config.limits;
  const code = 'INVALID_REQUEST_PARAM';
  const selectors = parseScopes(request.query as ParsedQuery, { selectorsMax, code });
  if (selectors.length === 0) {
    throw new TransicatorError('MISSING_SCOPE', 'name one or more: ?scope=a&scope=b');
  }
  requireSelectors(request.access, selectors);
  return selectors;
}

function formOf(query: ParsedQuery): Form | null {
  const type = [query.type ?? []].flat()[0] ?? 'json';
  return type === 'json' || type === 'sqlite' || type === 'proto' ? type : null;
}

type Delivery = {
  readonly context: TransicatorContext;
  readonly reply: FastifyReply;
  readonly selectors: readonly string[];
  readonly signal: AbortSignal;
};

function send(delivery: Delivery, form: Form): Promise<void> {
  return form === 'sqlite' ? sendFile(delivery) : sendRows(delivery, form);
}

async function sendFile({ context, reply, selectors, signal }: Delivery): Promise<void> {
  const { naming } = context.settings;
  const file = await context.source.file({ selectors, signal, naming });
  try {
    const hash = createHash('sha256');
    for await (const bytes of createReadStream(file.path, { highWaterMark: READ_BYTES })) {
      hash.update(bytes as Buffer);
    }
    await deliver(
      { context, reply, selectors, signal },
      {
        chunks: createReadStream(file.path, { highWaterMark: READ_BYTES }),
        headers: {
          'content-type': SQLITE_TYPE,
          'content-length': file.sizeBytes,
          [TXID_HEADER]: file.snapshot,
          etag: `"${hash.digest('hex')}"`,
        },
      },
    );
  } finally {
    await file.release();
  }
}

/** Both forms come straight from the one transaction; the socket's pace is Postgres' pace. */
async function sendRows(delivery: Delivery, form: 'json' | 'proto'): Promise<void> {
  const { context, selectors, signal, reply } = delivery;
  const rows = await context.source.openRows({ selectors, signal });
  try {
    const count = { rows: 0 };
    const isProto = form === 'proto';
    await deliver(delivery, {
      chunks: joined(isProto ? protoPieces(rows, count) : jsonPieces(rows)),
      headers: {
        'content-type': FORMS[form],
        [TXID_HEADER]: rows.snapshot,
        ...(isProto ? { trailer: ROWS_TRAILER } : {}),
      },
      beforeEnd: () => {
        if (isProto) reply.raw.addTrailers({ [ROWS_TRAILER]: String(count.rows) });
      },
    });
  } finally {
    await rows.close();
  }
}

function deliver(
  { context, reply, signal }: Delivery,
  body: {
    readonly chunks: AsyncIterable<Uint8Array>;
    readonly headers: OutgoingHttpHeaders;
    readonly beforeEnd?: () => void;
  },
): Promise<void> {
  const stallMs = context.config.limits.stallS * 1000;
  return sendChunks({ reply, signal, stallMs, sent: context.snapshotBytes, ...body });
}

async function* jsonPieces(rows: RowSnapshot): AsyncGenerator<Uint8Array> {
  const { snapshot, timestamp, tables } = rows;
  const hasTables = tables.length > 0;
  yield Buffer.from(snapshotHead({ snapshot, timestamp, hasTables }));
  for (const [at, table] of tables.entries()) {
    const text = new TableJson(table, at === 0);
    yield Buffer.from(text.open());
    for await (const chunk of rows.rows(table)) {
      for (let start = 0; start < chunk.length; start += PIECE_ROWS) {
        const piece = chunk.slice(start, start + PIECE_ROWS);
        yield Buffer.from(piece.map((row) => text.row(row)).join(''));
      }
    }
    yield Buffer.from(text.close());
  }
  yield Buffer.from(snapshotTail(hasTables));
}

async function* protoPieces(
  rows: RowSnapshot,
  count: { rows: number },
): AsyncGenerator<Uint8Array> {
  yield headerFrame(rows.timestamp, rows.snapshot);
  for (const table of rows.tables) {
    yield tableFrame(table);
    for await (const chunk of rows.rows(table)) {
      count.rows += chunk.length;
      yield rowFrames(table, chunk);
    }
  }
}

/** Small pieces together, as a socket likes them. */
async function* joined(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    waiting.push(piece);
    bytes += piece.byteLength;
    if (bytes < CHUNK_BYTES) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}
