/**
 * One client, from its first byte to its last.
 *
 *   encryption asked -> refused or TLS -> start-up -> (password) -> conversation -> closed
 *                                  cancel -> closed
 */
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { sqlError } from '../sql/errors.ts';
import type { SqlBackend, SqlSession } from '../sql/session.ts';
import { Conversation } from './conversation.ts';
import { type ByteBudget, FrameReader } from './frames.ts';
import { readMessage, readStartup, type StartupPacket } from './incoming.ts';
import { PASSWORD_BYTES_MAX, type WireLimits } from './limits.ts';
import { Outbox } from './outbox.ts';
import type { WireCounts } from './wire-counts.ts';
import { errorFields, protocolError } from './wire-error.ts';

/** Who a client says it is. */
export type WireClient = {
  readonly user: string;
  readonly database: string;
  /** Null when none was asked for. */
  readonly password: string | null;
};

export type ConnectionOptions = {
  readonly backend: SqlBackend;
  readonly limits: WireLimits;
  readonly largeBytes: ByteBudget;
  readonly serverVersion: string;
  readonly needsPassword: boolean;
  /** Null: encryption is refused. */
  readonly tls: SecureContext | null;
  /** True for addresses from which a password may come in the clear. */
  readonly isLocal: (address: string) => boolean;
  readonly counts: WireCounts;
  /** Throws what the client is told; resolves with when it must have gone, in milliseconds from now. */
  readonly authenticate: (client: WireClient) => Promise<{ readonly expiresInMs: number | null }>;
  readonly onBug: (error: unknown) => void;
};

/** A client may ask for TLS and for GSSAPI before it begins. */
const ENCRYPTION_REQUESTS_MAX = 2;
/** How long the last words may take. */
const LEAVE_MS = 1000;
/** setTimeout's own limit. */
const TIMER_MS_MAX = 2 ** 31 - 1;
const DEFAULT_DATABASE = 'tidelock';
const NAME_LENGTH_MAX = 63;

type Startup = Extract<StartupPacket, { readonly kind: 'startup' }>;

export class Connection {
  /** Another one once it is encrypted, with its own reader and outbox. */
  #socket: Socket;
  #reader: FrameReader;
  #outbox: Outbox;
  readonly #options: ConnectionOptions;
  readonly #isLocal: boolean;
  #isEncrypted = false;
  #session: SqlSession | null = null;
  #expiry: NodeJS.Timeout | null = null;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#reader = new FrameReader(socket, options.largeBytes);
    this.#outbox = new Outbox(socket, options.limits, options.counts);
    this.#isLocal = options.isLocal(socket.remoteAddress ?? '');
  }

  /** Resolves when the client is gone and its session is closed. Never rejects. */
  async serve(): Promise<void> {
    const startup = setTimeout(() => this.#socket.destroy(), this.#options.limits.startupMs);
    try {
      const isOpen = await this.#open();
      clearTimeout(startup);
      if (isOpen) await this.#talk();
    } catch (error) {
      this.#refuse(error);
    } finally {
      clearTimeout(startup);
      if (this.#expiry !== null) clearTimeout(this.#expiry);
      await this.#session?.close();
      this.#leave();
    }
  }

  /** Tells the client why, and ends. */
  end(message: string): void {
    this.#outbox.write.error(errorFields(sqlError('57P01', message), null), 'FATAL');
    this.#outbox.flush();
    this.#leave();
  }

  /** What is written still goes out, unless the client does not take it. */
  #leave(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    const timer = setTimeout(() => socket.destroy(), LEAVE_MS);
    socket.once('close', () => clearTimeout(timer));
    socket.destroySoon();
  }

  #refuse(error: unknown): void {
    const fields = errorFields(error, null);
    if (fields.sqlState === 'XX000') this.#options.onBug(error);
    this.#outbox.write.error(fields, 'FATAL');
    this.#outbox.flush();
  }

  /** False for a client that is gone, or only wanted to cancel. */
  async #open(): Promise<boolean> {
    const packet = await this.#firstPacket();
    if (packet === null) return false;
    if (packet.kind === 'cancel') {
      this.#options.backend.cancel(packet.connection, packet.secret);
      return false;
    }
    if (packet.kind === 'encryption') throw protocolError('encryption was refused already');
    const user = packet.parameters.get('user') ?? '';
    if (user === '') throw protocolError('the start-up names no user');
    const database = packet.parameters.get('database') ?? DEFAULT_DATABASE;
    const { needsPassword } = this.#options;
    this.#negotiate(packet);
    const password = needsPassword ? await this.#password() : null;
    if (needsPassword && password === null) return false;
    const names = { user: user.slice(0, NAME_LENGTH_MAX), database };
    const { expiresInMs } = await this.#options.authenticate({ ...names, password });
    if (this.#socket.destroyed) return false;
    this.#expireIn(expiresInMs);
    this.#session = this.#options.backend.open(names);
    this.#greet(packet, this.#session, names.user);
    return true;
  }

  async #firstPacket(): Promise<StartupPacket | null> {
    for (let asked = 0; asked <= ENCRYPTION_REQUESTS_MAX; asked += 1) {
      const frame = await this.#reader.startup();
      if (frame === null) return null;
      const packet = readStartup(frame);
      if (packet.kind !== 'encryption') return packet;
      const { tls } = this.#options;
      if (packet.way === 'gss' || tls === null || this.#isEncrypted) this.#socket.write('N');
      else await this.#encrypt(tls);
    }
    throw protocolError('encryption was refused already');
  }

  /** Answers `S`; from then on everything goes through TLS. Rejects for a handshake that fails. */
  async #encrypt(secureContext: SecureContext): Promise<void> {
    const plain = this.#socket;
    this.#reader.release();
    plain.write('S');
    const socket = new TLSSocket(plain, { isServer: true, secureContext });
    await new Promise<void>((resolve, reject) => {
      socket.once('secure', resolve);
      socket.once('error', () => reject(protocolError('the client does not speak TLS')));
      socket.once('close', () => reject(protocolError('the client left before TLS was there')));
      socket.on('error', () => undefined); // the reader hears of it, and `close` follows
    });
    const { largeBytes, limits, counts } = this.#options;
    this.#socket = socket;
    this.#reader = new FrameReader(socket, largeBytes);
    this.#outbox = new Outbox(socket, limits, counts);
    this.#isEncrypted = true;
  }

  /** What a newer client would like is named as not known, so that it can do without. */
  #negotiate({ minor, parameters }: Startup): void {
    const unknown = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'));
    if (minor > 0 || unknown.length > 0) this.#outbox.write.negotiateVersion(unknown);
    const encoding = parameters.get('client_encoding');
    if (encoding !== undefined && !/^'?utf-?8'?$/i.test(encoding) && encoding !== 'UNICODE') {
      throw sqlError('22023', `the client encoding ${JSON.stringify(encoding)} is not supported`, {
        hint: 'use UTF8',
      });
    }
    if (parameters.has('replication') && parameters.get('replication') !== 'false') {
      throw sqlError('0A000', 'replication connections are not supported');
    }
  }

  async #password(): Promise<string | null> {
    if (!this.#isEncrypted && !this.#isLocal) {
      throw sqlError('28P01', 'a token is not taken in the clear from another machine', {
        hint: this.#options.tls === null ? NO_TLS_HINT : 'connect with sslmode=require',
      });
    }
    this.#outbox.write.askPassword();
    this.#outbox.flush();
    const frame = await this.#reader.message(PASSWORD_BYTES_MAX);
    if (frame === null) return null;
    const message = readMessage(frame);
    if (message.kind === 'password') return message.password;
    if (message.kind === 'terminate') return null;
    throw protocolError('a password was expected');
  }

  /** A token that expires ends what was opened with it. */
  #expireIn(expiresInMs: number | null): void {
    if (expiresInMs === null) return;
    const delayMs = Math.min(Math.max(0, expiresInMs), TIMER_MS_MAX);
    this.#expiry = setTimeout(() => this.end('the token has expired'), delayMs);
  }

  #greet({ parameters }: Startup, session: SqlSession, user: string): void {
    const { write } = this.#outbox;
    write.authenticationOk();
    for (const [name, value] of [
      ['server_version', this.#options.serverVersion],
      ['application_name', parameters.get('application_name') ?? ''],
      ['session_authorization', user],
      ...FIXED_PARAMETERS,
    ] as const) {
      write.parameterStatus(name, value);
    }
    write.backendKey(session.connection, session.secret);
    write.ready(session.status);
    this.#outbox.flush();
  }

  async #talk(): Promise<void> {
    const session = this.#session;
    if (session === null) return;
    const { limits, counts, backend, onBug } = this.#options;
    const cancel = (): void => backend.cancel(session.connection, session.secret);
    // A client that leaves ends what it runs: nobody would read the rest.
    this.#socket.once('close', cancel);
    const outbox = this.#outbox;
    const conversation = new Conversation({ session, outbox, limits, counts, cancel, onBug });
    try {
      // Ends with the client, which every turn waits for.
      for (;;) {
        const room = outbox.room();
        if (room !== undefined) await room;
        const frame = await this.#reader.message(limits.messageBytesMax);
        if (frame === null) return;
        const message = readMessage(frame);
        if (message.kind === 'terminate') return;
        await conversation.take(message);
        if (conversation.isOver) return;
      }
    } finally {
      await conversation.close();
    }
  }
}

const NO_TLS_HINT =
  'start the server with --sql-tls-cert and --sql-tls-key, or come through a tunnel';

const FIXED_PARAMETERS = [
  ['server_encoding', 'UTF8'],
  ['client_encoding', 'UTF8'],
  ['DateStyle', 'ISO, MDY'],
  ['IntervalStyle', 'postgres'],
  ['TimeZone', 'UTC'],
  ['integer_datetimes', 'on'],
  ['standard_conforming_strings', 'on'],
  ['is_superuser', 'off'],
] as const;
