/** SQL over PostgreSQL's wire protocol (version 3), for `psql` and the drivers of all languages. */
import { createServer, type Server, type Socket } from 'node:net';
import { messageOf, TidelockError } from '../core/errors.ts';
import { sqlError } from '../sql/errors.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { ByteBudget } from './frames.ts';
import { DEFAULT_WIRE_LIMITS, type WireLimits } from './limits.ts';
import { MessageWriter } from './outgoing.ts';
import { errorFields } from './wire-error.ts';

export type WireServerOptions = Omit<ConnectionOptions, 'limits' | 'largeBytes'> & {
  /** An address that was checked: without passwords only this machine may reach it. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly limits?: Partial<WireLimits> | undefined;
};

export class WireServer {
  readonly #options: WireServerOptions;
  readonly #limits: WireLimits;
  readonly #largeBytes: ByteBudget;
  readonly #server: Server;
  readonly #connections = new Map<Connection, Promise<void>>();

  constructor(options: WireServerOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_WIRE_LIMITS, ...options.limits };
    this.#largeBytes = new ByteBudget(this.#limits.largeBytesMax);
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#take(socket));
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Throws `BAD_CONFIG` when the address is taken. */
  async listen(): Promise<{ readonly port: number }> {
    const { host, port } = this.#options;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(port, host, resolve);
      });
    } catch (cause) {
      throw new TidelockError({
        code: 'BAD_CONFIG',
        message: `the SQL port ${port} of ${host} cannot be opened: ${messageOf(cause)}`,
        hint: 'choose another with --sql-port; 0 takes a free one',
        cause,
      });
    }
    const address = this.#server.address();
    return { port: typeof address === 'object' && address !== null ? address.port : port };
  }

  /** Takes nobody any more and ends everybody: sessions are closed, what they ran is canceled. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const served = [...this.#connections].map(([connection, served]) => {
      connection.end('the server is shutting down');
      return served;
    });
    await Promise.all(served);
    await closed;
  }

  #take(socket: Socket): void {
    socket.on('error', () => undefined); // the reader hears of it, and `close` follows
    if (this.#connections.size >= this.#limits.connectionsMax) {
      refuse(socket, this.#limits.connectionsMax);
      return;
    }
    const connection = new Connection(socket, {
      ...this.#options,
      limits: this.#limits,
      largeBytes: this.#largeBytes,
    });
    const served = connection.serve().finally(() => this.#connections.delete(connection));
    this.#connections.set(connection, served);
  }
}

function refuse(socket: Socket, connectionsMax: number): void {
  const writer = new MessageWriter();
  const error = sqlError('53300', `there are ${connectionsMax} connections already`);
  writer.error(errorFields(error, null), 'FATAL');
  socket.end(writer.take());
  socket.destroySoon();
}
