/** A TCP proxy before Postgres that can ask the reader of a slot for a sign of life, in Postgres' words. */
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';

const COPY_DATA = 0x64;
const STATUS = 0x72;

type Stream = { readonly client: Socket; answers: number };

export class AskingProxy {
  readonly #server;
  readonly #sockets = new Set<Socket>();
  /** The connection that replicates. */
  stream: Stream | null = null;

  constructor(target: URL) {
    this.#server = createServer((client) => this.#serve(client, target));
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** A keepalive that wants an answer. Only while the stream is idle, when the last message has ended. */
  ask(): void {
    const message = Buffer.alloc(23);
    message.writeUInt8(COPY_DATA, 0);
    message.writeUInt32BE(22, 1);
    message.write('k', 5);
    message.writeUInt8(1, 22);
    this.stream?.client.write(message);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(client: Socket, target: URL): void {
    const server = createConnection(Number(target.port), target.hostname);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => other.destroy());
    }
    client.on('data', (bytes: Buffer) => {
      if (bytes.includes('START_REPLICATION')) this.stream = { client, answers: 0 };
      if (this.stream?.client !== client) return;
      if (bytes[0] === COPY_DATA && bytes[5] === STATUS) this.stream.answers += 1;
    });
  }
}
