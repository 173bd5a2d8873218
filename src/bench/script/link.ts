/**
 * The way from the server to one replica. Deliveries - the transactions of its feed - can be held, let go one by one,
 * lost, doubled and swapped; everything else passes. Lines keep their order unless they are told otherwise: what
 * follows a held transaction waits behind it.
 */

import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
  type Server,
  type ServerResponse,
} from 'node:http';
import { HOST, listen, portOf } from '../listening.ts';
import { type Delivery, HeldDeliveries } from './held-deliveries.ts';

const FEED_PATH = '/v1/feed?';
export class Link {
  readonly #target: () => string;
  readonly #server: Server;
  /** The feed that is open; an older one is broken. */
  #feed: ServerResponse | null = null;

  private constructor(target: () => string) {
    this.#target = target;
    this.#server = createServer((request, response) => this.#serve(request, response));
    this.#server.requestTimeout = 0; // a feed is one answer for hours
  }

  /** Listens on a free port. `target` is asked at each request: the server may have moved. */
  static async start(target: () => string): Promise<Link> {
    const link = new Link(target);
    await listen(link.#server);
    return link;
  }

  get url(): string {
    return `http://${HOST}:${portOf(this.#server)}`;
  }

  /** Its deliveries, to be held and let go. */
  readonly deliveries: HeldDeliveries<string> = new HeldDeliveries((text) => {
    this.#feed?.write(text);
  });

  /** The connection breaks, with all that is held. */
  cut(): void {
    this.#feed?.destroy();
    this.#forget(this.#feed);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
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

  #take(feed: ServerResponse, delivery: Delivery<string>): void {
    if (feed === this.#feed) this.deliveries.take(delivery);
  }

  #forget(feed: ServerResponse | null): void {
    if (feed !== this.#feed) return;
    this.#feed = null;
    this.deliveries.forget();
  }
}

const isFollowing = (path: string): boolean => !/[?&]follow=0(?:&|$)/.test(path);

const OUTSIDE = /^\{"type":"(?:hello|progress|heartbeat|error)"/;
const COMMIT = /^\{"type":"commit"/;

/** Cuts a feed into deliveries. The definitions of tables at its head belong to the `hello`. */
class DeliverySplitter {
  readonly #onDelivery: (delivery: Delivery<string>) => void;
  #rest = '';
  #transaction = '';
  #headTables = 0;

  constructor(onDelivery: (delivery: Delivery<string>) => void) {
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
    this.#onDelivery({ isTransaction: true, content: this.#transaction });
    this.#transaction = '';
  }

  #outside(line: string): void {
    this.#onDelivery({ isTransaction: false, content: `${line}\n` });
  }
}

function tablesOf(hello: string): number {
  const { tables } = JSON.parse(hello) as { readonly tables?: unknown };
  return typeof tables === 'number' ? tables : 0;
}
