/**
 * The client's transport over node:http. Not `fetch`: that gives up when an answer's header takes longer
 * than five minutes, which a snapshot of a large database may, and it costs more per chunk.
 */
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { HttpAnswer, HttpRequest, Transport } from './client/transport.ts';
import { TidelockError } from './core/errors.ts';

/** A token, or where to get the present one: asked before every request, so that an expired one is replaced. */
export type TokenSource = string | (() => string | Promise<string>);

/** Probes of the operating system, so that routers do not forget an idle connection. */
const KEEP_ALIVE_MS = 30_000;

/** Throws `BAD_REQUEST` when `server` is no http(s) address. */
export function parseServerUrl(server: string): URL {
  const url = URL.parse(server);
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url === null || !isHttp || url.search !== '' || url.hash !== '') {
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: `${JSON.stringify(server.slice(0, 100))} is not the address of a server`,
      hint: 'use an address like http://127.0.0.1:7700',
    });
  }
  return url;
}

export class HttpTransport implements Transport {
  readonly #base: URL;
  readonly #token: TokenSource | undefined;

  constructor(server: string, token?: TokenSource) {
    this.#base = parseServerUrl(server);
    this.#token = token;
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    const token = typeof this.#token === 'function' ? await this.#token() : this.#token;
    request.signal.throwIfAborted();
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const answer = await this.#send(request, body, {
      accept: request.accept,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    });
    return {
      status: answer.statusCode ?? 0,
      header: (name) => headerOf(answer, name),
      body: answer,
    };
  }

  #send(
    { method, path, signal }: HttpRequest,
    body: string | undefined,
    headers: Record<string, string | number>,
  ): Promise<IncomingMessage> {
    const options: RequestOptions = { method, headers, signal, agent: false };
    const url = new URL(this.#base.pathname.replace(/\/$/, '') + path, this.#base);
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    return new Promise((resolve, reject) => {
      const outgoing = send(url, options, resolve);
      outgoing.on('error', reject);
      outgoing.setNoDelay(true);
      outgoing.setSocketKeepAlive(true, KEEP_ALIVE_MS);
      outgoing.end(body);
    });
  }
}

function headerOf(answer: IncomingMessage, name: string): string | null {
  const value = answer.headers[name.toLowerCase()];
  return typeof value === 'string' ? value : null;
}
