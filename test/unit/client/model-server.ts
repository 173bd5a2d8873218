/**
 * A server in memory that speaks the protocol: one history of transactions over `public.cities`, feeds that
 * follow it, whole and difference snapshots. Tests put faults between it and the client.
 */

import type { BucketDigests } from '../../../src/client/store.ts';
import type { HttpAnswer, HttpRequest, Transport } from '../../../src/client/transport.ts';
import { bucketOf } from '../../../src/core/bucket.ts';
import { formatLsn, parseLsn, type Ts } from '../../../src/core/lsn.ts';
import type { RowChange } from '../../../src/core/row-change.ts';
import type { RawLine } from '../../../src/protocol/lines.ts';
import { bytesOf, commit, hello, progress, table } from './feed-lines.ts';
import { applyChange, bucketsOf, CITIES, type Content, digestsOf, lsn } from './memory-store.ts';

type Transaction = { readonly ts: number; readonly lines: readonly RawLine[] };
type Feed = { readonly selectors: readonly string[]; readonly push: (bytes: Uint8Array) => void };

/** Looks at a request before the server does; an answer or an error takes its place. */
export type Fault = (
  request: HttpRequest,
  url: URL,
) => HttpAnswer | Promise<HttpAnswer> | undefined;

export class ModelServer implements Transport {
  timeline = 'T1';
  /** The log reaches back to here. */
  since = 100;
  upper = 100;
  /** Where snapshots stand, if not at the end. */
  snapshotTs: number | null = null;
  readonly requests: string[] = [];
  readonly leases: string[] = [];
  fault: Fault | null = null;
  /** Rewrites the chunks of answers. */
  mangle: ((path: string, body: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>) | null =
    null;
  #history: Transaction[] = [];
  readonly #feeds = new Set<Feed>();

  /** Commits a transaction and sends it to everybody. */
  commit(...lines: RawLine[]): number {
    this.upper += 10;
    const transaction = { ts: this.upper, lines };
    this.#history.push(transaction);
    for (const feed of this.#feeds) feed.push(bytesOf(linesFor(transaction, feed.selectors)));
    return this.upper;
  }

  /** Something commits that concerns nobody here. */
  idle(): number {
    this.upper += 10;
    return this.upper;
  }

  /** Writes lines into all open feeds, whatever they are. */
  say(...lines: RawLine[]): void {
    for (const feed of this.#feeds) feed.push(bytesOf(lines));
  }

  get feeds(): number {
    return this.#feeds.size;
  }

  /** The log is cut: feeds from before the end are too old. */
  cut(): void {
    this.since = this.upper;
  }

  /** What Postgres holds for these selectors at a position. */
  content(selectors: readonly string[], ts: number = this.upper): Content {
    const content: Content = {
      tables: new Map([[CITIES.name, CITIES]]),
      rows: new Map([[CITIES.name, new Map()]]),
    };
    for (const transaction of this.#history) {
      if (transaction.ts > ts) break;
      for (const line of linesFor(transaction, selectors).slice(0, -1)) {
        applyChange(content, structuredClone(line) as unknown as RowChange);
      }
    }
    return content;
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    const url = new URL(request.path, 'http://model');
    this.requests.push(`${request.method} ${url.pathname}`);
    request.signal.throwIfAborted();
    const answer = (await this.fault?.(request, url)) ?? this.#route(request, url);
    const { mangle } = this;
    return mangle === null ? answer : { ...answer, body: mangle(url.pathname, answer.body) };
  }

  #route(request: HttpRequest, url: URL): HttpAnswer {
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /v1/feed':
        return this.#feed(url, request.signal);
      case 'GET /v1/snapshot':
        return this.#snapshot(url.searchParams.getAll('selector'));
      case 'POST /v1/snapshot':
        return this.#difference(request.body as { selectors: string[]; held: BucketDigests });
      case 'GET /v1/wait':
        return jsonAnswer(200, { upper: formatLsn(lsn(this.upper)) });
      default:
        this.leases.push((request.body as { ts: string }).ts);
        return jsonAnswer(204, null);
    }
  }

  #feed(url: URL, signal: AbortSignal): HttpAnswer {
    const since = parseLsn(url.searchParams.get('since') ?? '', 'since');
    if (url.searchParams.get('timeline') !== this.timeline)
      return failureAnswer(410, 'TIMELINE_CHANGED');
    if (since < this.since) return failureAnswer(410, 'TOO_OLD');
    const selectors = url.searchParams.getAll('selector');
    const past = this.#history.filter((transaction) => transaction.ts > since);
    const head = [
      hello(since, this.timeline, 1),
      table(),
      ...past.flatMap((transaction) => linesFor(transaction, selectors)),
      progress(this.upper),
    ];
    if (url.searchParams.get('follow') === '0') return ndjson(once(bytesOf(head)));
    const queue = new Queue(signal);
    const feed = { selectors, push: (bytes: Uint8Array) => queue.push(bytes) };
    this.#feeds.add(feed);
    signal.addEventListener('abort', () => this.#feeds.delete(feed));
    queue.push(bytesOf(head));
    return ndjson(queue);
  }

  /** The "file" that MemoryFiles understands. */
  #snapshot(selectors: readonly string[]): HttpAnswer {
    const ts = this.snapshotTs ?? this.upper;
    const rows = [...(this.content(selectors, ts).rows.get(CITIES.name) ?? [])];
    const file = { timeline: this.timeline, position: ts, selectors, rows };
    const bytes = new TextEncoder().encode(JSON.stringify(file));
    return answerOf(200, once(bytes), {
      'content-type': 'application/vnd.sqlite3',
      'content-length': String(bytes.byteLength),
      'tidelock-position': formatLsn(lsn(ts)),
      'tidelock-timeline': this.timeline,
    });
  }

  #difference({ selectors, held }: { selectors: string[]; held: BucketDigests }): HttpAnswer {
    const ts = lsn(this.snapshotTs ?? this.upper);
    const content = this.content(selectors, ts);
    const mine = bucketsOf(content, held.bucketCount).tables[CITIES.name] ?? [];
    const theirs = held.tables[CITIES.name] ?? [];
    const buckets = mine.flatMap((entry, index) =>
      entry.digest === (theirs[index]?.digest ?? '0'.repeat(32)) ? [] : [index],
    );
    const rows = [...(content.rows.get(CITIES.name)?.values() ?? [])].filter((row) =>
      buckets.includes(bucketOf([row.cells[0] ?? null], held.bucketCount)),
    );
    return ndjson(
      once(
        bytesOf([
          hello(ts, this.timeline, 1),
          table(),
          { type: 'replace', table: CITIES.name, buckets },
          ...rows.map((row) => ({
            ...{ type: 'row', table: CITIES.name },
            ...{ selector: row.selector, row: row.cells },
          })),
          completed(ts, this.timeline, content),
        ]),
      ),
    );
  }
}

function completed(ts: Ts, timeline: string, content: Content): RawLine {
  return { type: 'snapshot_completed', ts: formatLsn(ts), timeline, digests: digestsOf(content) };
}

function linesFor(transaction: Transaction, selectors: readonly string[]): RawLine[] {
  const lines = transaction.lines.filter(
    (line) => line.selector === undefined || selectors.includes(String(line.selector)),
  );
  return lines.length === 0 ? [] : [...lines, commit(transaction.ts)];
}

/** A body that is written while it is read. Ends with the signal's reason. */
class Queue implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = [];
  #wake: (() => void) | null = null;
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#wake?.());
  }

  push(bytes: Uint8Array): void {
    if (bytes.byteLength > 0) this.#chunks.push(bytes);
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      this.#signal.throwIfAborted();
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) yield chunk;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function answerOf(
  status: number,
  body: AsyncIterable<Uint8Array>,
  headers: Record<string, string>,
): HttpAnswer {
  return { status, body, header: (name) => headers[name.toLowerCase()] ?? null };
}

export function ndjson(body: AsyncIterable<Uint8Array>): HttpAnswer {
  return answerOf(200, body, { 'content-type': 'application/x-ndjson' });
}

export function textAnswer(status: number, text: string, type = 'text/html'): HttpAnswer {
  return answerOf(status, once(new TextEncoder().encode(text)), { 'content-type': type });
}

function jsonAnswer(status: number, value: unknown): HttpAnswer {
  return textAnswer(status, value === null ? '' : JSON.stringify(value), 'application/json');
}

export function failureAnswer(status: number, code: string): HttpAnswer {
  return jsonAnswer(status, { error: { code, message: `it is ${code}` } });
}
