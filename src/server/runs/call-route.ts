/** POST /runs/v1/call: a frame of calls. Its digest is checked before it is read, and so is the answer's. */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import {
  type AnswerFrame,
  type CallAnswer,
  DIGEST_HEADER,
  FRAME_BYTES_MAX,
  parseFrame,
  RUNS_PREFIX,
  RUNS_PROTOCOL,
  type RunCall,
} from '../../protocol/runs.ts';
import { type Access, requireSelectors } from '../auth.ts';
import { toTidelockError } from '../errors.ts';
import type { RunsParts } from './parts.ts';

const TYPE = 'application/json';

function digestOf(body: Uint8Array | string): string {
  return `sha-256=${createHash('sha256').update(body).digest('hex')}`;
}

/** The body comes as bytes: the digest is of what was sent. */
export function addCalls(scope: FastifyInstance, parts: RunsParts): void {
  scope.removeContentTypeParser(TYPE);
  scope.addContentTypeParser(
    TYPE,
    { parseAs: 'buffer', bodyLimit: FRAME_BYTES_MAX },
    (_request, body, done) => done(null, body),
  );
  scope.route({
    method: 'POST',
    url: `${RUNS_PREFIX}/call`,
    bodyLimit: FRAME_BYTES_MAX,
    config: { scope: 'read' },
    schema: { hide: true },
    handler: async (request, reply) => {
      requireSelectors(request.access, [parts.port.area]);
      const { calls } = parseFrame(bodyOf(request));
      requireWrite(request.access, calls);
      const isWrite = calls.some(({ kind }) => kind === 'write');
      const answers = await parts.line.enter(isWrite, () => calls.map((call) => act(parts, call)));
      const text = JSON.stringify({ version: RUNS_PROTOCOL, answers } satisfies AnswerFrame);
      return await reply.header(DIGEST_HEADER, digestOf(text)).type(TYPE).send(text);
    },
  });
}

function bodyOf({ body, headers }: FastifyRequest): unknown {
  if (!Buffer.isBuffer(body)) throw badFrame('it has no body');
  if (headers[DIGEST_HEADER] !== digestOf(body)) throw badFrame('its digest is another');
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw badFrame('it is not JSON', error);
  }
}

function badFrame(why: string, cause?: unknown): TidelockError {
  return new TidelockError({
    code: 'BAD_FRAME',
    message: `the call cannot be taken: ${why}`,
    hint: `send JSON with ${DIGEST_HEADER}: sha-256=<hex of the body>`,
    cause,
  });
}

function requireWrite({ canWrite, isAdmin }: Access, calls: readonly RunCall[]): void {
  if (canWrite || isAdmin || calls.every(({ kind }) => kind === 'read')) return;
  throw new TidelockError({
    code: 'TOKEN_FORBIDS',
    message: 'the token does not cover the scope write',
    hint: 'ask for a token that does: tidelock token --scope write',
  });
}

/** One call that fails fails alone: each batch of writes is a transaction of its own. */
function act({ port }: RunsParts, call: RunCall): CallAnswer {
  try {
    if (call.kind === 'read') return { found: port.read(call.query) };
    return { written: port.write(call.batch) };
  } catch (thrown) {
    const { code, message, hint } = toTidelockError(thrown);
    return { error: { code, message, hint } };
  }
}
