/**
 * The client's transport over node:http. Not `fetch`: that gives up when an answer's header takes longer
 * than five minutes, which a snapshot of a large database may, and it costs more per chunk.
 */
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createZstdCompress, zstdCompress } from 'node:zlib';
import type { HttpAnswer, HttpRequest, Transport } from './client/transport.ts';
import { TidelockError } from './core/errors.ts';

/** A token, or where to get the present one: asked before every request, so that an expired one is replaced. */
export type TokenSource = string | (() => string | Promise<string>);

/** Probes of the operating system, so that routers do not forget an idle connection. */
const KEEP_ALIVE_MS = 30_000;
/** Smaller bodies are not worth compressing. */
const COMPRESSED_BYTES_MIN = 1024;

const NDJSON = 'application/x-ndjson';

const pack = promisify(zstdCompress);

type Content = {
  readonly bytes: Uint8Array;
  readonly headers: Readonly<Record<string, string | number>>;
};

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
    const content = await contentOf(request);
    request.signal.throwIfAborted();
    const answer = await this.#send(request, content?.bytes, {
      accept: request.accept,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...content?.headers,
    });
    return {
      status: answer.statusCode ?? 0,
      header: (name) => headerOf(answer, name),
      body: answer,
    };
  }

  #send(
    { method, path, signal }: HttpRequest,
    body: Uint8Array | undefined,
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

async function contentOf({ body, lines, signal }: HttpRequest): Promise<Content | undefined> {
  if (lines === undefined) {
    return body === undefined ? undefined : content(JSON.stringify(body), 'application/json');
  }
  if (typeof lines !== 'string') return packed(await packBlocks(lines, signal));
  const plain = content(lines, NDJSON);
  return plain.bytes.byteLength < COMPRESSED_BYTES_MIN ? plain : packed(await pack(plain.bytes));
}

/** Only the packed bytes are held. */
async function packBlocks(blocks: Iterable<string>, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const collect = async (source: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of source) chunks.push(chunk);
  };
  await pipeline(Readable.from(blocks), createZstdCompress(), collect, { signal });
  return Buffer.concat(chunks);
}

function packed(bytes: Uint8Array): Content {
  const headers = { 'content-encoding': 'zstd', 'content-length': bytes.byteLength };
  return { bytes, headers: { 'content-type': NDJSON, ...headers } };
}

function content(text: string, type: string): Content {
  const bytes = Buffer.from(text);
  return { bytes, headers: { 'content-type': type, 'content-length': bytes.byteLength } };
}

function headerOf(answer: IncomingMessage, name: string): string | null {
  const value = answer.headers[name.toLowerCase()];
  return typeof value === 'string' ? value : null;
}
