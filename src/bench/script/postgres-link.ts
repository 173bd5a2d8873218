/**
 * The way from Postgres to the server: a proxy that understands the replication stream and holds its transactions back.
 * Bytes on such a connection are never lost, doubled or swapped, so there is only holding, letting go and breaking.
 * Every other connection, and everything from the server to Postgres, passes.
 */

import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { HOST, listen, portOf } from '../listening.ts';
import { HeldDeliveries } from './held-deliveries.ts';

const HEADER_BYTES = 5;
/** Of an XLogData message, before what the output plugin says. */
const WAL_HEADER_BYTES = 25;
const [COPY_BOTH, COPY_DATA] = [code('W'), code('d')];
const XLOG_DATA = code('w');
const [BEGIN, STREAM_START] = [code('B'), code('S')];
const [COMMIT, STREAM_STOP, STREAM_COMMIT] = [code('C'), code('E'), code('c')];
const ROW_CHANGES: ReadonlySet<number> = new Set(['I', 'U', 'D', 'T'].map(code));

export class PostgresLink {
  readonly #target: URL;
  readonly #server: Server;
  readonly #streams = new Set<Stream>();
  readonly #sockets = new Set<Socket>();
  #isHolding = false;

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((client) => this.#serve(client));
  }

  /** Listens on a free port. `target` is the URL of a database. */
  static async start(target: string): Promise<PostgresLink> {
    const link = new PostgresLink(new URL(target));
    await listen(link.#server);
    return link;
  }

  /** The database's URL over this link. */
  get url(): string {
    const url = new URL(this.#target);
    url.hostname = HOST;
    url.port = `${portOf(this.#server)}`;
    return url.href;
  }

  /** Transactions with rows that are held now. */
  get held(): number {
    return [...this.#streams].reduce((sum, { deliveries }) => sum + deliveries.held, 0);
  }

  hold(): void {
    this.#isHolding = true;
    for (const { deliveries } of this.#streams) deliveries.hold();
  }

  /** Null: all, and later ones pass. */
  release(count: number | null): void {
    if (count === null) this.#isHolding = false;
    for (const { deliveries } of this.#streams) deliveries.release(count);
  }

  /** All connections break, with what is held. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket): void {
    const server = createConnection({
      host: this.#target.hostname,
      port: Number(this.#target.port),
    });
    const stream = new Stream((bytes) => client.write(bytes));
    if (this.#isHolding) stream.deliveries.hold();
    this.#streams.add(stream);
    server.on('data', (bytes) => {
      client.cork(); // messages that came together go together
      stream.push(bytes);
      client.uncork();
    });
    client.on('data', (bytes) => server.write(bytes));
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true); // or each small question waits for an acknowledgement, 40 ms
      socket.on('error', () => undefined); // its end tells
      socket.on('end', () => other.end());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        this.#streams.delete(stream);
        other.destroy();
      });
    }
  }
}

/** What Postgres says on one connection, message by message. */
class Stream {
  readonly deliveries: HeldDeliveries<Buffer>;
  readonly #pass: (bytes: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);
  #isReplication = false;
  /** Messages of the transaction, or of the piece of one, that has begun. */
  #begun: Buffer[] = [];
  #hasRows = false;

  constructor(pass: (bytes: Buffer) => void) {
    this.#pass = pass;
    this.deliveries = new HeldDeliveries(pass);
  }

  push(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= HEADER_BYTES) {
      const size = this.#rest.readUInt32BE(1) + 1;
      if (this.#rest.length < size) return;
      this.#message(this.#rest.subarray(0, size));
      this.#rest = this.#rest.subarray(size);
    }
  }

  #message(message: Buffer): void {
    const [type] = message;
    if (type === COPY_BOTH) this.#isReplication = true;
    if (!this.#isReplication || type !== COPY_DATA) {
      this.#pass(message);
      return;
    }
    const isWal = message[HEADER_BYTES] === XLOG_DATA;
    const said = isWal ? message[HEADER_BYTES + WAL_HEADER_BYTES] : undefined;
    if (said !== undefined && ROW_CHANGES.has(said)) this.#hasRows = true;
    const isBegun = this.#begun.length > 0;
    if (isBegun || said === BEGIN || said === STREAM_START) this.#begun.push(message);
    if (said === COMMIT) this.#end(this.#hasRows);
    else if (said === STREAM_STOP)
      this.#end(false); // of a piece; the commit is what counts
    else if (this.#begun.length === 0) this.#deliver(message, said === STREAM_COMMIT);
  }

  #end(isTransaction: boolean): void {
    const content = Buffer.concat(this.#begun);
    this.#begun = [];
    this.#hasRows = false;
    this.#deliver(content, isTransaction);
  }

  #deliver(content: Buffer, isTransaction: boolean): void {
    this.deliveries.take({ isTransaction, content });
  }
}

function code(letter: string): number {
  return letter.charCodeAt(0);
}
