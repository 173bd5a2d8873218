/**
 * The network between one replica and the server: requests that break or arrive twice, answers that come in
 * pieces and late, partitions. Bytes of one connection keep their order, as TCP promises.
 */
import type { HttpAnswer, HttpRequest, Transport } from '../client/transport.ts';
import type { Chance } from './chance.ts';
import type { NetworkOptions } from './plan.ts';
import type { Life, Scheduler } from './scheduler.ts';

/** What the server says to one request. `body` null: it goes on writing through the connection. */
export type Reply = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
};

export interface Server {
  /** Calls back with the reply, once; writes what follows to the connection. */
  handle(request: HttpRequest, connection: Connection, reply: (reply: Reply) => void): void;
}

const WAITING_BYTES_MIN = 1;
/** A report that was delayed on its way, and is delivered a second time. */
const REPEAT_MS_MAX = 8000;

/** The path between one replica and the server. */
export class Link {
  readonly name: string;
  readonly #connections = new Set<Connection>();
  /** Nothing gets through, in neither direction; connections stay open. */
  isPartitioned = false;
  /** The reader does not read what arrives. */
  isStalled = false;

  constructor(name: string) {
    this.name = name;
  }

  add(connection: Connection): void {
    this.#connections.add(connection);
  }

  remove(connection: Connection): void {
    this.#connections.delete(connection);
  }

  /** After a partition or a stall: what was held flows. */
  mend(): void {
    this.isPartitioned = false;
    this.isStalled = false;
    for (const connection of this.#connections) connection.flow();
  }

  /** All connections break. Returns how many. */
  cut(): number {
    const cut = [...this.#connections];
    for (const connection of cut) connection.break('ECONNRESET');
    return cut.length;
  }
}

export type NetworkContext = {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly network: NetworkOptions;
  readonly link: Link;
};

/** One exchange: the client's side is a body to be read, the server's side takes chunks. */
export class Connection {
  /** Called on the server's side when the client is gone or the path is broken. */
  onGone: (() => void) | null = null;
  /** Called on the client's side when the connection broke before there was an answer, or after. */
  onBroken: ((reason: unknown) => void) | null = null;
  /** Called on the server's side when there is room again. */
  onRoom: (() => void) | null = null;
  readonly #context: NetworkContext;
  readonly #client: Life;
  readonly #server: Life;
  readonly #body: Body;
  #pending: (Uint8Array | null)[] = [];
  #pendingBytes = 0;
  #isFlowing = false;
  #isOver = false;
  /** It broke during a partition: the client learns of it afterwards. */
  #brokenBy: string | null = null;

  constructor(context: NetworkContext, client: Life, server: Life) {
    this.#context = context;
    this.#client = client;
    this.#server = server;
    this.#body = new Body();
    context.link.add(this);
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.#body;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** False while the path holds as much as it can. */
  get hasRoom(): boolean {
    return this.#pendingBytes < this.#context.network.windowBytes;
  }

  /** The server writes; null is the end. */
  write(bytes: Uint8Array | null): void {
    if (this.#isOver) return;
    const { chance, network } = this.#context;
    if (bytes !== null && bytes.length > 1 && chance.hits(network.splits)) {
      const at = chance.between(1, bytes.length - 1);
      this.#pending.push(bytes.slice(0, at), bytes.slice(at));
    } else this.#pending.push(bytes === null ? null : bytes.slice());
    this.#pendingBytes += bytes?.length ?? 0;
    this.flow();
  }

  /** Brings the next piece to the client, if it can be. */
  flow(): void {
    const { scheduler, link } = this.#context;
    if (this.#brokenBy !== null) this.break(this.#brokenBy);
    if (this.#isFlowing || this.#isOver || this.#pending.length === 0) return;
    if (link.isPartitioned || link.isStalled) return;
    this.#isFlowing = true;
    scheduler.after(delayOf(this.#context), `net ${link.name}: piece`, () => {
      this.#isFlowing = false;
      if (this.#isOver || link.isPartitioned || link.isStalled) return;
      this.#deliver();
      this.flow();
    });
  }

  /** Both sides find out. */
  break(reason: string): void {
    if (this.#isOver) return;
    if (this.#context.link.isPartitioned) {
      this.#brokenBy = reason;
      this.#tellServer();
      return;
    }
    this.#end();
    const error = new Error(reason);
    if (!this.#client.isOver) {
      this.#body.fail(error);
      this.onBroken?.(error);
    }
    this.#tellServer();
  }

  /** The client wants no more. */
  abort(reason: unknown): void {
    if (this.#isOver) return;
    this.#end();
    this.#body.fail(reason);
    this.#tellServer();
  }

  #deliver(): void {
    const piece = this.#pending.shift();
    if (piece === undefined) return;
    if (this.#client.isOver) {
      this.#end();
      this.#tellServer();
      return;
    }
    this.#body.push(piece);
    if (piece === null) {
      this.#end();
      return;
    }
    const hadRoom = this.hasRoom;
    this.#pendingBytes -= piece.length;
    if (!hadRoom && this.hasRoom && !this.#server.isOver) this.onRoom?.();
  }

  #end(): void {
    this.#isOver = true;
    this.#pending = [];
    this.#context.link.remove(this);
  }

  #tellServer(): void {
    const { scheduler, link } = this.#context;
    scheduler.after(
      delayOf(this.#context),
      `net ${link.name}: gone`,
      () => this.onGone?.(),
      this.#server,
    );
  }
}

/** What the client reads. */
class Body implements AsyncIterable<Uint8Array> {
  #chunks: (Uint8Array | null)[] = [];
  #failure: { readonly reason: unknown } | null = null;
  #wake: (() => void) | null = null;

  push(chunk: Uint8Array | null): void {
    this.#chunks.push(chunk);
    this.#wake?.();
  }

  fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk === null) return;
      if (chunk !== undefined && chunk.length >= WAITING_BYTES_MIN) yield chunk;
      else if (this.#failure !== null) throw this.#failure.reason;
      else if (chunk === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

/** What a replica process speaks through. */
export class SimTransport implements Transport {
  readonly #context: NetworkContext;
  readonly #client: Life;
  /** The server's process of the moment; null while there is none. */
  readonly #server: () => { readonly server: Server; readonly life: Life } | null;
  readonly #note: (what: 'repeated' | 'broken') => void;

  constructor(options: {
    readonly context: NetworkContext;
    readonly client: Life;
    readonly server: () => { readonly server: Server; readonly life: Life } | null;
    readonly note: (what: 'repeated' | 'broken') => void;
  }) {
    this.#context = options.context;
    this.#client = options.client;
    this.#server = options.server;
    this.#note = options.note;
  }

  request(request: HttpRequest): Promise<HttpAnswer> {
    const { chance, network, scheduler, link } = this.#context;
    const fate = chance.next();
    const isReport = request.method === 'PUT' || request.path === '/v1/upload';
    if (isReport && chance.hits(network.repeats)) this.#repeat(request);
    return new Promise((resolve, reject) => {
      const fail = (reason: unknown): void => {
        if (!this.#client.isOver) reject(reason);
      };
      if (request.signal.aborted) {
        fail(request.signal.reason);
        return;
      }
      const exchange = { connection: null as Connection | null, isAnswered: false };
      request.signal.addEventListener('abort', () => {
        exchange.connection?.abort(request.signal.reason);
        fail(request.signal.reason);
      });
      const arrive = (): void => {
        if (request.signal.aborted || this.#client.isOver) return;
        if (link.isPartitioned) {
          scheduler.after(200, `net ${link.name}: wait`, arrive, this.#client);
          return;
        }
        const target = this.#server();
        if (target === null) {
          fail(new Error('ECONNREFUSED'));
          return;
        }
        if (fate < network.breaks) {
          this.#note('broken');
          fail(new Error('ECONNRESET'));
          return;
        }
        this.#exchange(request, target, { exchange, resolve, fail, fate });
      };
      scheduler.after(delayOf(this.#context), `net ${link.name}: request`, arrive, this.#client);
    });
  }

  #exchange(
    request: HttpRequest,
    { server, life }: { readonly server: Server; readonly life: Life },
    on: {
      readonly exchange: { connection: Connection | null };
      readonly resolve: (answer: HttpAnswer) => void;
      readonly fail: (reason: unknown) => void;
      readonly fate: number;
    },
  ): void {
    const { scheduler, link, network } = this.#context;
    const connection = new Connection(this.#context, this.#client, life);
    on.exchange.connection = connection;
    connection.onBroken = on.fail;
    server.handle(request, connection, ({ status, headers, body }) => {
      if (body !== null) {
        connection.write(body);
        connection.write(null);
      }
      // The server has done it, and the client does not learn of it.
      const isLost = on.fate < network.breaks * 2;
      scheduler.after(
        delayOf(this.#context),
        `net ${link.name}: answer ${status}`,
        () => {
          if (isLost) {
            this.#note('broken');
            connection.break('ECONNRESET');
            on.fail(new Error('ECONNRESET'));
            return;
          }
          const header = (name: string): string | null => headers[name.toLowerCase()] ?? null;
          on.resolve({ status, header, body: connection.body });
        },
        this.#client,
      );
    });
  }

  /** Delivered once more, later; nobody waits for its answer. */
  #repeat(request: HttpRequest): void {
    const { scheduler, chance, link } = this.#context;
    scheduler.after(chance.between(1, REPEAT_MS_MAX), `net ${link.name}: repeated`, () => {
      const target = this.#server();
      if (target === null || link.isPartitioned) return;
      this.#note('repeated');
      const connection = new Connection(this.#context, this.#client, target.life);
      target.server.handle(request, connection, () => connection.break('nobody waits'));
    });
  }
}

function delayOf({ chance, network }: NetworkContext): number {
  return chance.between(network.delayMsMin, network.delayMsMax);
}
