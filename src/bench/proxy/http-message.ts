/** HTTP requests that can be sent more than once, and the way of an answer to its client. */
import { Agent, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import { TidelockError } from '../../core/errors.ts';

/** A request as it can be sent again. */
export type KeptRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
};

export type AnswerHead = {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** Of the body, as in Content-Encoding; `identity` when it is plain. */
  readonly encoding: string;
};

/** Gets every byte of an answer's body that the client was given, `null` at its end. */
export type Capture = (head: AnswerHead) => (chunk: Uint8Array | null) => void;

/** Uploads of a bench are smaller. */
const BODY_BYTES_MAX = 256 * 1024 * 1024;
const HOP_HEADERS = ['connection', 'keep-alive', 'transfer-encoding'];

/** The whole request. */
export async function keep(request: IncomingMessage): Promise<KeptRequest> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) {
      throw new TidelockError({
        code: 'TOO_LARGE',
        message: `a body of more than ${BODY_BYTES_MAX} bytes`,
      });
    }
    chunks.push(chunk);
  }
  return {
    ...{ method: request.method ?? 'GET', path: request.url ?? '/' },
    headers: request.rawHeaders,
    body: Buffer.concat(chunks),
  };
}

/** Sends requests to the one server behind the proxy. */
export class Upstream {
  readonly #target: URL;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(target: string) {
    this.#target = new URL(target);
  }

  /** Resolves with the head of the answer. Rejects when there is none, and when `signal` aborts. */
  send(
    { method, path, headers, body }: KeptRequest,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { hostname: host, port } = this.#target;
    const options = {
      host,
      port,
      method,
      path,
      headers: endToEnd(headers),
      agent: this.#agent,
      signal,
    };
    return new Promise((resolve, reject) => {
      const outgoing = send(options, resolve);
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  /** The same, to the end of the answer, which nobody reads; returns its status. */
  async sendUnread(request: KeptRequest, signal: AbortSignal): Promise<number> {
    const answer = await this.send(request, signal);
    for await (const _ of answer) signal.throwIfAborted();
    return answer.statusCode ?? 0;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Without what is between two neighbours only: pairs of name and value. */
export function endToEnd(raw: readonly string[], others: readonly string[] = []): string[] {
  const dropped = [...HOP_HEADERS, ...others];
  const kept: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const [name = '', value = ''] = raw.slice(index, index + 2);
    if (!dropped.includes(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}

/** Waits until the client takes more; at once when it is gone. */
export async function writeTo(response: ServerResponse, chunk: Uint8Array): Promise<void> {
  if (response.destroyed || response.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      response.off('drain', settle);
      response.off('close', settle);
      resolve();
    };
    response.on('drain', settle);
    response.on('close', settle);
  });
}

export function headOf({ method, path }: KeptRequest, answer: IncomingMessage): AnswerHead {
  const encoding = answer.headers['content-encoding'] ?? 'identity';
  return { method, path, status: answer.statusCode ?? 0, encoding };
}
