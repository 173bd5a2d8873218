/** Answers that go on: what is written to them are events of a server (`text/event-stream`). */
import type { FastifyReply } from 'fastify';

/** Fastify lets go of the answer: whoever follows writes it from now on. */
export function openEventStream(reply: FastifyReply): void {
  reply.hijack();
  reply.raw.socket?.setTimeout(0);
  reply.raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-accel-buffering': 'no',
  });
}
