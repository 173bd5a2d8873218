/**
 * A proxy that understands HTTP, for what happens to whole messages, one fault at a time:
 *
 *   duplicate  an upload reaches the server twice; the second answer is told
 *   replay     after each upload an older one comes once more
 *   reorder    an upload gets lost for its client, and reaches the server after a newer one
 *   status     an error instead of the answer; the server may have done the work, or never heard of it
 *   malformed  something that is not the protocol instead of the answer, or after the first part of a stream
 *   truncated  the connection breaks in the middle of the answer
 *
 * All that a client is given can be captured.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { assert } from '../../core/assert.ts';
import { HOST, listen, portOf } from '../listening.ts';
import { Effects } from './effects.ts';
import {
  type AnswerHead,
  type Capture,
  endToEnd,
  headOf,
  type KeptRequest,
  keep,
  Upstream,
  writeTo,
} from './http-message.ts';

export type HttpFault =
  | { readonly kind: 'duplicate' | 'replay' | 'reorder' }
  | { readonly kind: 'status'; readonly status: number; readonly isWorkDone: boolean }
  | { readonly kind: 'malformed' | 'truncated' };

export type HttpProxyOptions = {
  readonly target: string;
  readonly capture?: Capture | undefined;
};

/** Uploads that may come once more. */
const REMEMBERED_MAX = 8;
/** No JSON: a control character stands in it. */
const GARBAGE = '{"type":"\u0000<html><h1>Welcome to the hotel</h1>\n';
const UPLOAD_PATH = '/v1/upload';
const READING = ['GET', 'HEAD', 'OPTIONS'];

type Active = { readonly fault: HttpFault; readonly effects: Effects; left: number };

export class HttpProxy {
  readonly #upstream: Upstream;
  readonly #capture: Capture | undefined;
  readonly #server: Server;
  readonly #closed = new AbortController();
  #active: Active | null = null;
  #underWay = 0;
  #remembered: KeptRequest[] = [];
  /** Lost for its client, on its way to the server. */
  #late: KeptRequest | null = null;
  /** The last of those for which no client waits. */
  #delivery: Promise<void> = Promise.resolve();

  private constructor({ target, capture }: HttpProxyOptions) {
    this.#upstream = new Upstream(target);
    this.#capture = capture;
    this.#server = createServer((request, response) => {
      this.#underWay += 1;
      this.#serve(request, response)
        .catch(() => response.destroy())
        .finally(() => {
          this.#underWay -= 1;
        });
    });
    // A feed is one answer for hours.
    this.#server.requestTimeout = 0;
  }

  /** Listens on a free port of this machine. */
  static async start(options: HttpProxyOptions): Promise<HttpProxy> {
    const proxy = new HttpProxy(options);
    await listen(proxy.#server);
    return proxy;
  }

  get url(): string {
    return `http://${HOST}:${portOf(this.#server)}`;
  }

  /** True while no request is under way. */
  get isIdle(): boolean {
    return this.#underWay === 0;
  }

  /** True once something was seen of the fault. */
  get hasEffect(): boolean {
    return (this.#active?.effects.lines.length ?? 0) > 0;
  }

  /** Befalls the next requests that it can befall, `timesMax` of them. */
  inject(fault: HttpFault, timesMax: number): void {
    assert(this.#active === null, 'one fault ends before the next begins');
    this.#active = { fault, effects: new Effects(), left: timesMax };
  }

  /** Ends the fault, delivers what is still on its way; returns what was seen of it. */
  async heal(): Promise<readonly string[]> {
    const active = this.#active;
    if (active === null) return [];
    await this.#deliverLate(active.effects);
    await this.#delivery;
    this.#active = null;
    return active.effects.lines;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#server.closeAllConnections();
    this.#upstream.close();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await keep(incoming);
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const way = { request, response, signal: AbortSignal.any([gone.signal, this.#closed.signal]) };
    const active = this.#befalls(request);
    if (active === null) await this.#forward(way);
    else await this.#befall(way, active);
    if (!isUpload(request)) return;
    this.#remembered = [...this.#remembered, request].slice(-REMEMBERED_MAX);
  }

  /** The fault, when it is one for this request. */
  #befalls(request: KeptRequest): Active | null {
    const active = this.#active;
    if (active === null || active.left === 0) return null;
    const isOfWrites = ['duplicate', 'replay', 'reorder'].includes(active.fault.kind);
    if (isOfWrites && !isUpload(request)) return null;
    active.left -= 1;
    return active;
  }

  async #befall(way: Way, { fault, effects }: Active): Promise<void> {
    const { request, response } = way;
    switch (fault.kind) {
      case 'duplicate': {
        const status = await this.#upstream.sendUnread(request, way.signal);
        effects.note(`${nameOf(request)} twice, first answered ${status}`);
        return this.#forward(way);
      }
      case 'replay':
        await this.#forward(way);
        return this.#replay(effects);
      case 'reorder':
        return this.#lose(way, effects);
      case 'status':
        return this.#refuse(way, fault, effects);
      default: {
        const answer = await this.#upstream.send(request, way.signal);
        effects.note(`${nameOf(request)} ${fault.kind}`);
        if (fault.kind === 'malformed') return this.#garble(way, answer);
        return this.#truncate(way, answer, response);
      }
    }
  }

  async #forward({ request, response, signal }: Way): Promise<void> {
    const answer = await this.#upstream.send(request, signal);
    const captured = this.#open(headOf(request, answer), response);
    response.writeHead(answer.statusCode ?? 502, endToEnd(answer.rawHeaders));
    response.flushHeaders();
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      captured(chunk);
      await writeTo(response, chunk);
    }
    captured(null);
    response.end();
  }

  async #replay(effects: Effects): Promise<void> {
    const older = this.#remembered.at(-1);
    if (older !== undefined) await this.#again(older, `an older ${nameOf(older)} again`, effects);
  }

  /** Sends a request for which no client waits. */
  #again(request: KeptRequest, what: string, effects: Effects): Promise<void> {
    this.#delivery = this.#upstream
      .sendUnread(request, this.#closed.signal)
      .then((status) => effects.note(`${what}, answered ${status}`))
      .catch(() => effects.note(`${what}, not answered`));
    return this.#delivery;
  }

  /** The first one is lost; the next passes, and the lost one comes behind it. */
  async #lose(way: Way, effects: Effects): Promise<void> {
    if (this.#late === null) {
      this.#late = way.request;
      way.response.destroy();
      return;
    }
    await this.#forward(way);
    await this.#deliverLate(effects);
  }

  async #deliverLate(effects: Effects): Promise<void> {
    const late = this.#late;
    this.#late = null;
    if (late === null) return;
    const what = `a ${nameOf(late)} that its client had given up came late`;
    await this.#again(late, what, effects);
  }

  async #refuse(way: Way, fault: HttpFault & { kind: 'status' }, effects: Effects): Promise<void> {
    const { request, response, signal } = way;
    const isWorkDone = fault.isWorkDone && !READING.includes(request.method);
    if (isWorkDone) await this.#upstream.sendUnread(request, signal);
    effects.note(
      `${nameOf(request)} answered ${fault.status}${isWorkDone ? ' after the work was done' : ''}`,
    );
    response.writeHead(fault.status, { 'content-type': 'text/html' });
    response.end(`<html><h1>${fault.status}</h1></html>`);
  }

  async #garble({ request, response }: Way, answer: IncomingMessage): Promise<void> {
    const captured = this.#open(headOf(request, answer), response);
    const lengthless = endToEnd(answer.rawHeaders, ['content-length', 'content-encoding']);
    response.writeHead(answer.statusCode ?? 502, lengthless);
    const isStream = answer.headers['content-type']?.includes('ndjson') === true;
    if (isStream && answer.headers['content-encoding'] === undefined) {
      const first: Buffer | undefined = (await answer[Symbol.asyncIterator]().next()).value;
      if (first !== undefined) {
        captured(first);
        await writeTo(response, first);
      }
    }
    answer.destroy();
    response.end(GARBAGE);
  }

  async #truncate(
    { request }: Way,
    answer: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const captured = this.#open(headOf(request, answer), response);
    response.writeHead(answer.statusCode ?? 502, endToEnd(answer.rawHeaders));
    response.flushHeaders();
    const first: Buffer | undefined = (await answer[Symbol.asyncIterator]().next()).value;
    const half = first?.subarray(0, first.length >> 1) ?? Buffer.alloc(0);
    captured(half);
    await writeTo(response, half);
    answer.destroy();
    // Only a reset is noticed by a client that reads a body without a length.
    response.socket?.resetAndDestroy();
  }

  /** Where the bytes for the client are captured; told of their end in every case. */
  #open(head: AnswerHead, response: ServerResponse): (chunk: Uint8Array | null) => void {
    const captured = this.#capture?.(head);
    if (captured === undefined) return () => undefined;
    let isOpen = true;
    const write = (chunk: Uint8Array | null): void => {
      if (isOpen) captured(chunk);
      isOpen &&= chunk !== null;
    };
    response.on('close', () => write(null));
    return write;
  }
}

type Way = {
  readonly request: KeptRequest;
  readonly response: ServerResponse;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
};

function isUpload({ method, path }: KeptRequest): boolean {
  return method === 'POST' && path.split('?')[0] === UPLOAD_PATH;
}

/** `POST /v1/upload`: without what differs from one request to the next. */
function nameOf({ method, path }: KeptRequest): string {
  return `${method} ${path.split('?')[0]}`;
}
