/**
 * The way from the server to one replica. Deliveries - the transactions of its feed - can be held, let go one by one,
 * lost, doubled and swapped; everything else passes. Lines keep their order unless they are told otherwise: what
 * follows a held transaction waits behind it.
 */
import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
  type Server,
  type ServerResponse,
} from 'node:http';
import { assert } from '../../core/assert.ts';

const HOST = '127.0.0.1';
const FEED_PATH = '/v1/feed?';
/** Of one held feed; a script has a handful. */
const HELD_MAX = 10_000;

/** A transaction as it stands in the feed, or a line outside of transactions. */
type Delivery = { readonly isTransaction: boolean; readonly text: string };

export class Link {
  readonly #target: () => string;
  readonly #server: Server;
  /** The feed that is open; an older one is broken. */
  #feed: ServerResponse | null = null;
  #held: Delivery[] = [];
  #isHolding = false;

  private constructor(target: () => string) {
    this.#target = target;
    this.#server = createServer((request, response) => this.#serve(request, response));
    this.#server.requestTimeout = 0; // a feed is one answer for hours
  }

  /** Listens on a free port. `target` is asked at each request: the server may have moved. */
  static async start(target: () => string): Promise<Link> {
    const link = new Link(target);
    link.#server.listen(0, HOST);
    await once(link.#server, 'listening');
    return link;
  }

  get url(): string {
    const address = this.#server.address();
    assert(address !== null && typeof address !== 'string', 'the link listens');
    return `http://${HOST}:${address.port}`;
  }

  /** Transactions that are held now. */
  get held(): number {
    return this.#held.filter(({ isTransaction }) => isTransaction).length;
  }

  /** From now on transactions stay here. */
  hold(): void {
    this.#isHolding = true;
  }

  /** Lets the first `count` held transactions go; null: all of them, and later ones pass. */
  release(count: number | null): void {
    if (count === null) this.#isHolding = false;
    this.#letGo(count ?? Number.POSITIVE_INFINITY);
  }

  /** The first `count` held transactions get lost; the stream goes on without them. */
  drop(count: number): void {
    for (let left = count; left > 0; left -= 1) this.#held.splice(this.#first(), 1);
  }

  /** The first held transaction will come twice. */
  double(): void {
    const at = this.#first();
    this.#held.splice(at, 0, ...this.#held.slice(at, at + 1));
  }

  /** The first two held transactions will come in the other order. */
  swap(): void {
    const at = this.#first();
    const [first] = this.#held.splice(at, 1);
    const next = this.#first();
    if (first !== undefined) this.#held.splice(next + 1, 0, first);
  }

  /** The connection breaks, with all that is held. */
  cut(): void {
    this.#feed?.destroy();
    this.#forget(this.#feed);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #first(): number {
    const at = this.#held.findIndex(({ isTransaction }) => isTransaction);
    assert(at >= 0, 'a transaction is held');
    return at;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const isFeed = request.url?.startsWith(FEED_PATH) === true && isFollowing(request.url);
    const headers = { ...request.headers };
    if (isFeed) delete headers['accept-encoding']; // lines are looked at
    const { hostname, port } = new URL(this.#target());
    const options: RequestOptions = {
      ...{ hostname, port, path: request.url, method: request.method, agent: false },
      headers: { ...headers, host: `${hostname}:${port}` },
    };
    const up = httpRequest(options, (answer) => this.#answer(answer, response, isFeed));
    up.on('error', () => response.destroy());
    response.on('close', () => up.destroy());
    request.pipe(up);
  }

  #answer(answer: IncomingMessage, response: ServerResponse, isFeed: boolean): void {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.on('error', () => response.destroy());
    answer.on('aborted', () => response.destroy());
    if (!isFeed || answer.statusCode !== 200) {
      answer.pipe(response);
      return;
    }
    response.flushHeaders();
    this.#forget(this.#feed);
    this.#feed = response;
    response.on('close', () => this.#forget(response));
    const splitter = new DeliverySplitter((delivery) => this.#take(response, delivery));
    answer.setEncoding('utf8').on('data', (text: string) => splitter.push(text));
    answer.on('end', () => response.end());
  }

  #take(feed: ServerResponse, delivery: Delivery): void {
    if (feed !== this.#feed) return;
    this.#held.push(delivery);
    assert(this.#held.length <= HELD_MAX, 'not too much is held');
    if (!this.#isHolding) this.#letGo(Number.POSITIVE_INFINITY);
    else if (this.held === 0) this.#letGo(0);
  }

  /** Writes the first `count` transactions, and what stands before the next one. */
  #letGo(count: number): void {
    let left = count;
    while (this.#held[0] !== undefined) {
      if (this.#held[0].isTransaction && left === 0) return;
      if (this.#held[0].isTransaction) left -= 1;
      this.#feed?.write(this.#held.shift()?.text);
    }
  }

  #forget(feed: ServerResponse | null): void {
    if (feed !== this.#feed) return;
    this.#feed = null;
    this.#held = [];
  }
}

const isFollowing = (path: string): boolean => !/[?&]follow=0(?:&|$)/.test(path);

const OUTSIDE = /^\{"type":"(?:hello|progress|heartbeat|error)"/;
const COMMIT = /^\{"type":"commit"/;

/** Cuts a feed into deliveries. The definitions of tables at its head belong to the `hello`. */
class DeliverySplitter {
  readonly #onDelivery: (delivery: Delivery) => void;
  #rest = '';
  #transaction = '';
  #headTables = 0;

  constructor(onDelivery: (delivery: Delivery) => void) {
    this.#onDelivery = onDelivery;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line.startsWith('{"type":"hello"')) this.#headTables = tablesOf(line);
    else if (this.#headTables > 0) {
      this.#headTables -= 1;
      this.#outside(line);
      return;
    }
    if (OUTSIDE.test(line)) {
      this.#outside(line);
      return;
    }
    this.#transaction += `${line}\n`;
    if (!COMMIT.test(line)) return;
    this.#onDelivery({ isTransaction: true, text: this.#transaction });
    this.#transaction = '';
  }

  #outside(line: string): void {
    this.#onDelivery({ isTransaction: false, text: `${line}\n` });
  }
}

function tablesOf(hello: string): number {
  const { tables } = JSON.parse(hello) as { readonly tables?: unknown };
  return typeof tables === 'number' ? tables : 0;
}
