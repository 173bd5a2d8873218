/** SQL over PostgreSQL's wire protocol (version 3), for `psql` and the drivers of all languages. */
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { messageOf, TidelockError } from '../core/errors.ts';
import type { SqlCounts } from '../core/sql-counts.ts';
import { sqlError } from '../sql/errors.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { ByteBudget } from './frames.ts';
import { DEFAULT_WIRE_LIMITS, type WireLimits } from './limits.ts';
import { MessageWriter } from './outgoing.ts';
import { WireCounts } from './wire-counts.ts';
import { errorFields } from './wire-error.ts';

/** A certificate and its key, as PEM. */
export type WireTls = { readonly cert: string; readonly key: string };

type OfConnections = 'limits' | 'largeBytes' | 'tls' | 'isLocal' | 'counts';

export type WireServerOptions = Omit<ConnectionOptions, OfConnections> & {
  /** Without it encryption is refused. */
  readonly tls?: WireTls | undefined;
  /** From where passwords may come in the clear; everywhere when it is not said. */
  readonly isLocal?: ((address: string) => boolean) | undefined;
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
  readonly #tls: SecureContext | null;
  readonly #counts = new WireCounts();

  constructor(options: WireServerOptions) {
    this.#options = options;
    this.#tls = options.tls === undefined ? null : secureContext(options.tls);
    this.#limits = { ...DEFAULT_WIRE_LIMITS, ...options.limits };
    this.#largeBytes = new ByteBudget(this.#limits.largeBytesMax);
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#take(socket));
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** For metrics; it goes on counting. */
  get counts(): SqlCounts {
    return this.#counts;
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
      tls: this.#tls,
      isLocal: this.#options.isLocal ?? everywhere,
      counts: this.#counts,
    });
    const served = connection.serve().finally(() => {
      this.#connections.delete(connection);
      this.#counts.sessions = this.#connections.size;
    });
    this.#connections.set(connection, served);
    this.#counts.sessions = this.#connections.size;
  }
}

const everywhere = (): boolean => true;

/** Throws `BAD_CONFIG` for a certificate or key that is none. */
function secureContext({ cert, key }: WireTls): SecureContext {
  try {
    return createSecureContext({ cert, key, minVersion: 'TLSv1.2' });
  } catch (cause) {
    throw new TidelockError({
      code: 'BAD_CONFIG',
      message: `the certificate of the SQL port cannot be used: ${messageOf(cause)}`,
      hint: 'sqlTlsCert and sqlTlsKey are PEM files that belong together',
      cause,
    });
  }
}

function refuse(socket: Socket, connectionsMax: number): void {
  const writer = new MessageWriter();
  const error = sqlError('53300', `there are ${connectionsMax} connections already`);
  writer.error(errorFields(error, null), 'FATAL');
  socket.end(writer.take());
  socket.destroySoon();
}
