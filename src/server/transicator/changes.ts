/** GET /changes: the changes of some selectors after a position, now or when there are some. */
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { ChangeReading, ChangesRequest } from '../../engine/api.ts';
import type { Change } from '../../protocol/transicator/change.ts';
import { changeJson } from '../../protocol/transicator/change-json.ts';
import { changesProto, sequencesProto } from '../../protocol/transicator/change-proto.ts';
import { formatSequence, INDEX_MAX } from '../../protocol/transicator/sequence.ts';
import { requireSelectors } from '../auth.ts';
import type { ParsedQuery } from '../input.ts';
import { clientSignal, sendChunks, withoutIdleLimit } from '../send.ts';
import type { TransicatorContext } from './context.ts';
import { sendTransicatorError, TransicatorError } from './errors.ts';
import { type ChangesInput, negotiateForm, parseChanges } from './input.ts';
import { requireUp } from './marked-down.ts';
import { CHANGES_SCHEMA, JSON_TYPE, PROTOBUF_TYPE } from './schemas.ts';

export function changesRoute(context: TransicatorContext): RouteOptions {
  return {
    method: 'GET',
    url: `${context.settings.prefix}/changes`,
    exposeHeadRoute: false,
    config: { scope: 'read' },
    schema: CHANGES_SCHEMA,
    validatorCompiler: () => () => true,
    errorHandler: (error, _request, reply) =>
      sendTransicatorError(error, reply, { log: context.log, badParameter: 'PARAMETER_INVALID' }),
    handler: async (request, reply) => {
      requireUp(context);
      const form = negotiateForm(request.headers.accept, [JSON_TYPE, PROTOBUF_TYPE]);
      if (form === null) {
        throw new TransicatorError('UNSUPPORTED_FORMAT', `use ${JSON_TYPE} or ${PROTOBUF_TYPE}`);
      }
      const { selectorsMax } = context.config.limits;
      const input = parseChanges(request.query as ParsedQuery, selectorsMax);
      requireSelectors(request.access, input.selectors);
      await withoutIdleLimit(reply, () => answer({ context, request, reply, input, form }));
    },
  };
}

type Exchange = {
  readonly context: TransicatorContext;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly input: ChangesInput;
  readonly form: string;
};

async function answer({ context, reply, input, form }: Exchange): Promise<void> {
  const signal = clientSignal(reply.raw);
  const { reading, start } = await firstChanges(context, input, signal);
  await sendChunks({
    reply,
    signal,
    chunks: form === JSON_TYPE ? jsonChunks(reading, start) : protoChunks(reading, start),
    headers: { 'content-type': form },
    stallMs: context.config.limits.stallS * 1000,
    sent: context.changesBytes,
  });
}

type Found = { readonly reading: ChangeReading; readonly start: readonly Change[] | null };

/** Reads; while there is nothing, waits for something and reads on, until the time is up. */
async function firstChanges(
  context: TransicatorContext,
  input: ChangesInput,
  signal: AbortSignal,
): Promise<Found> {
  const { selectors, since, snapshot, limit, blockMs } = input;
  let request: ChangesRequest = { selectors, since, snapshot, changesMax: limit };
  const deadline = context.clock.now() + blockMs;
  // Every turn but the last waits for the log to grow.
  for (;;) {
    const reading = await context.source.changes(request, signal);
    const start = reading.read();
    const leftMs = deadline - context.clock.now();
    if (start !== null || leftMs <= 0 || limit <= 0) return { reading, start };
    if (context.draining.aborted) return { reading, start };
    const ends = [signal, context.draining, AbortSignal.timeout(Math.ceil(leftMs))];
    const ts = await context.source.untilChange(selectors, reading.upTo, AbortSignal.any(ends));
    signal.throwIfAborted();
    // Going on from there, it does not matter what is purged while we wait.
    const quiet = { history: reading.first.history, ts, index: INDEX_MAX };
    if (ts > (since?.ts ?? 0)) request = { ...request, since: quiet };
  }
}

async function* jsonChunks(
  reading: ChangeReading,
  start: readonly Change[] | null,
): AsyncGenerator<Uint8Array> {
  let opening = '{"changes":[';
  for (let changes = start; changes !== null; changes = reading.read()) {
    yield Buffer.from(`${opening}${changes.map(changeJson).join(',')}`);
    opening = ',';
  }
  const list = start === null ? '{"changes":null' : ']';
  const last = formatSequence(reading.last);
  yield Buffer.from(
    `${list},"lastSequence":"${last}","firstSequence":"${formatSequence(reading.first)}"}\n`,
  );
}

async function* protoChunks(
  reading: ChangeReading,
  start: readonly Change[] | null,
): AsyncGenerator<Uint8Array> {
  for (let changes = start; changes !== null; changes = reading.read()) {
    yield changesProto(changes);
  }
  yield sequencesProto(formatSequence(reading.last), formatSequence(reading.first));
}
