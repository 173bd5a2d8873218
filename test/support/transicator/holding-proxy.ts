/** A TCP proxy before Postgres that holds an answer back, so that a test can do things while it is on its way. */
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';

export class HoldingProxy {
  readonly #target: URL;
  readonly #server;
  readonly #sockets = new Set<Socket>();
  #question: string | null = null;
  #held: Socket | null = null;

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((client) => this.#serve(client));
  }

  static async start(target: string): Promise<HoldingProxy> {
    const proxy = new HoldingProxy(new URL(target));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen');
    const url = new URL(this.#target);
    url.host = `127.0.0.1:${address.port}`;
    return url.href;
  }

  /** The connection that sends this text next gets no answers until `release`. */
  hold(question: string): void {
    this.#question = question;
  }

  /** The question was asked. */
  get isHolding(): boolean {
    return this.#held !== null;
  }

  release(): void {
    this.#held?.resume();
    this.#held = null;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(client: Socket): void {
    const server = createConnection(Number(this.#target.port), this.#target.hostname);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => other.destroy());
      socket.on('close', () => other.destroy());
      socket.on('end', () => other.end());
    }
    client.on('data', (bytes: Buffer) => {
      if (this.#question !== null && bytes.includes(this.#question)) {
        this.#question = null;
        this.#held = server;
        server.pause();
      }
      server.write(bytes);
    });
    server.on('data', (bytes) => client.write(bytes));
  }
}
