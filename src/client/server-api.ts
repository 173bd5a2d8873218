/** The server's routes as functions: parameters in, checked answers out, every failure a `TidelockError`. */
import { TidelockError } from '../core/errors.ts';
import { formatLsn, parseLsn, type Ts } from '../core/lsn.ts';
import { errorFromAnswer, errorFromNetwork } from './errors.ts';
import type { BucketDigests } from './store.ts';
import type { HttpAnswer, HttpRequest, Transport } from './transport.ts';

/** Error bodies and small answers; what is longer is cut. */
const SMALL_BODY_BYTES_MAX = 64 * 1024 * 1024;
const NDJSON = 'application/x-ndjson';
const SQLITE = 'application/vnd.sqlite3';

export type FeedParameters = {
  readonly selectors: readonly string[];
  readonly since: Ts;
  readonly timeline: string;
  /** Whose lease this is; undefined for a reader that must not move one. */
  readonly replica: string | undefined;
  readonly isFollowing: boolean;
  readonly heartbeatS: number;
  readonly signal: AbortSignal;
};

export type SnapshotParameters = {
  readonly selectors: readonly string[];
  readonly replica: string | undefined;
  readonly signal: AbortSignal;
};

export class ServerApi {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The bytes of the change feed. */
  async feed(parameters: FeedParameters): Promise<AsyncIterable<Uint8Array>> {
    const query = selectorQuery(parameters.selectors);
    query.set('since', formatLsn(parameters.since));
    query.set('timeline', parameters.timeline);
    if (parameters.replica !== undefined) query.set('replica', parameters.replica);
    query.set('heartbeat_s', String(parameters.heartbeatS));
    query.set('follow', parameters.isFollowing ? '1' : '0');
    if (parameters.isFollowing) query.set('digest', '1');
    const answer = await this.#request({
      method: 'GET',
      path: `/v1/feed?${query}`,
      accept: NDJSON,
      signal: parameters.signal,
    });
    return answer.body;
  }

  /** A complete SQLite file: its position, its size when the server says so, its bytes. */
  async snapshotFile(parameters: SnapshotParameters): Promise<{
    readonly timeline: string;
    readonly position: Ts;
    readonly totalBytes: number | null;
    readonly body: AsyncIterable<Uint8Array>;
  }> {
    const query = selectorQuery(parameters.selectors);
    if (parameters.replica !== undefined) query.set('replica', parameters.replica);
    const { signal } = parameters;
    const path = `/v1/snapshot?${query}`;
    const answer = await this.#request({ method: 'GET', path, accept: SQLITE, signal });
    const length = answer.header('content-length');
    return {
      timeline: requiredHeader(answer, 'tidelock-timeline'),
      position: positionOf(requiredHeader(answer, 'tidelock-position')),
      totalBytes: length === null ? null : Number(length),
      body: answer.body,
    };
  }

  /** The lines of a difference snapshot against what is held. */
  async difference(
    parameters: SnapshotParameters & { readonly held: BucketDigests },
  ): Promise<AsyncIterable<Uint8Array>> {
    const { signal, selectors, replica, held } = parameters;
    const body = { selectors, held, ...(replica === undefined ? {} : { replica }) };
    const path = '/v1/snapshot';
    const answer = await this.#request({ method: 'POST', path, accept: NDJSON, body, signal });
    return answer.body;
  }

  async lease(replica: string, position: Ts, signal: AbortSignal): Promise<void> {
    const path = `/v1/leases/${encodeURIComponent(replica)}`;
    const body = { ts: formatLsn(position) };
    await this.#json({ method: 'PUT', path, accept: 'application/json', body, signal });
  }

  /** Waits at the server until its log is past `position`. Throws `TIMEOUT`. */
  async wait(position: Ts, timeoutS: number, signal: AbortSignal): Promise<void> {
    const query = new URLSearchParams({ ts: formatLsn(position), timeout_s: String(timeoutS) });
    await this.getJson(`/v1/wait?${query}`, signal);
  }

  /** Any other route that answers with JSON. */
  getJson(path: string, signal: AbortSignal): Promise<unknown> {
    return this.#json({ method: 'GET', path, accept: 'application/json', signal });
  }

  /** The same for a route that takes lines. */
  postLines(path: string, lines: string | Iterable<string>, signal: AbortSignal): Promise<unknown> {
    return this.#json({ method: 'POST', path, accept: 'application/json', lines, signal });
  }

  async #json(request: HttpRequest): Promise<unknown> {
    const answer = await this.#request(request);
    const text = await textOf(answer);
    if (text === '') return null;
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      const message = `${request.path} answered with something that is not JSON`;
      throw new TidelockError({ code: 'PROTOCOL', message, cause });
    }
  }

  async #request(request: HttpRequest): Promise<HttpAnswer> {
    let answer: HttpAnswer;
    try {
      answer = await this.#transport.request(request);
    } catch (cause) {
      throw errorFromNetwork(cause, 'the server cannot be reached');
    }
    if (answer.status < 200 || answer.status > 299) {
      throw errorFromAnswer(answer.status, await textOf(answer));
    }
    const type = answer.header('content-type') ?? '';
    const isExpected = answer.status === 204 || type.startsWith(request.accept);
    if (isExpected) return { ...answer, header: answer.header, body: translated(answer.body) };
    throw new TidelockError({
      code: 'PROTOCOL',
      message: `${request.path.split('?')[0]} answered with ${type || 'no content type'} instead of ${request.accept}`,
      hint: 'check that the address is that of a Tidelock server',
    });
  }
}

async function* translated(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw errorFromNetwork(cause, 'the connection to the server broke');
  }
}

async function textOf(answer: HttpAnswer): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of answer.body) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > SMALL_BODY_BYTES_MAX) break;
    }
  } catch (cause) {
    throw errorFromNetwork(cause, 'the connection to the server broke');
  }
  return text;
}

function requiredHeader(answer: HttpAnswer, name: string): string {
  const value = answer.header(name);
  if (value !== null) return value;
  const message = `the snapshot has no header ${name}`;
  throw new TidelockError({ code: 'PROTOCOL', message });
}

function positionOf(text: string): Ts {
  try {
    return parseLsn(text, 'Tidelock-Position');
  } catch (cause) {
    const message = `the snapshot's position is none: ${text}`;
    throw new TidelockError({ code: 'PROTOCOL', message, cause });
  }
}

function selectorQuery(selectors: readonly string[]): URLSearchParams {
  const query = new URLSearchParams();
  for (const selector of selectors) query.append('selector', selector);
  return query;
}
