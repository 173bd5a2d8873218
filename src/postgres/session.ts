/**
 * One connection to Postgres: plain queries through `pg`, and the bare socket for what `pg` has no
 * words for (COPY OUT, replication). Every value comes as the text that Postgres prints, under pinned
 * settings, so that two sessions never print the same value differently.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import pg from 'pg';
import { messageOf, TidelockError } from '../core/errors.ts';
import { quoteName, quoteText } from '../core/table.ts';
import { sqlStateOf, translateError } from './pg-errors.ts';

/** Rows by column name; every value as Postgres prints it. */
export type PgRow = Readonly<Record<string, string | null>>;

export type SessionOptions = {
  /** `postgres://user:password@host:port/database`; a socket folder as `?host=/run/postgresql`. */
  readonly url: string;
  /** What `pg_stat_activity` shows. The replication connection is `tidelock:<slot>`, others `tidelock`. */
  readonly applicationName?: string | undefined;
  /** True for the walsender: `IDENTIFY_SYSTEM`, slots, `START_REPLICATION`. Plain SQL works too. */
  readonly isReplication?: boolean | undefined;
  readonly connectTimeoutMs?: number | undefined;
  /** Further settings of this session, on top of the pinned ones; null leaves one to the server. */
  readonly settings?: Readonly<Record<string, string | null>> | undefined;
  /**
   * Who takes the socket over gets every read in the same buffer: what it is given is valid until it has
   * returned, and while it has paused the socket. Without effect under TLS, which has buffers of its own.
   */
  readonly reusesBuffer?: boolean | undefined;
  /** Called once when the connection is lost while nobody waits for an answer. */
  readonly onLost?: ((error: TidelockError) => void) | undefined;
};

export const APPLICATION_NAME = 'tidelock';

/** One read takes no more; the slot reader's pacing knows it as a full read. */
const READ_BYTES = 64 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_DELAY_MS = 10_000;
const END_MS_MAX = 5000;

/**
 * What makes values print the same in every session, plus: rows that row-level security hides make a
 * query fail instead of quietly missing, and a half-dead walsender of ours ends by itself.
 */
const PINNED_SETTINGS: Readonly<Record<string, string>> = {
  datestyle: 'ISO',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  extra_float_digits: '3',
  bytea_output: 'hex',
  client_encoding: 'UTF8',
  search_path: 'pg_catalog',
  quote_all_identifiers: 'off',
  standard_conforming_strings: 'on',
  row_security: 'off',
  client_min_messages: 'warning',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  wal_sender_timeout: '60s',
  jit: 'off',
  max_parallel_workers_per_gather: '0',
};

/** Parameters of the URL that would break what this program relies on. */
const OWN_PARAMETERS = [
  'application_name',
  'fallback_application_name',
  'replication',
  'client_encoding',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
];

export class PgSession {
  /** `host:port/database`, for messages. Never has the password. */
  readonly where: string;
  readonly #client: pg.Client;
  readonly #onLost: ((error: TidelockError) => void) | undefined;
  readonly #isReplication: boolean;
  readonly #reading: Reading;
  #isEnding = false;
  #lost: TidelockError | null = null;
  /** Queries go one after the other: the driver has no queue of its own any more. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    { client, reading }: { readonly client: pg.Client; readonly reading: Reading },
    where: string,
    options: SessionOptions,
  ) {
    this.#client = client;
    this.#reading = reading;
    this.where = where;
    this.#onLost = options.onLost;
    this.#isReplication = options.isReplication === true;
    client.on('error', (cause) => this.#noteLoss(cause));
  }

  /** Throws `SOURCE_DOWN` when Postgres cannot be reached or refuses us, `BAD_CONFIG` for a wrong URL. */
  static async connect(options: SessionOptions): Promise<PgSession> {
    const reading: Reading = { isTaken: false };
    const client = newClient(options, reading);
    const where = `${client.host}:${client.port}/${client.database ?? ''}`;
    const session = new PgSession({ client, reading }, where, options);
    try {
      await client.connect();
    } catch (cause) {
      session.#isEnding = true;
      client.end().catch(() => undefined); // it never came up: there is nothing to wait for
      throw mayNotConnect(cause, client) ?? translateError(cause, where, { isConnecting: true });
    }
    return session;
  }

  get isLost(): boolean {
    return this.#lost !== null;
  }

  /**
   * Runs one statement, or several without parameters. Throws `SOURCE_DOWN` when the connection is lost
   * and `SOURCE_UNFIT` when a right is missing; every other error of Postgres is `INTERNAL` (`sqlStateOf`
   * tells which), because only the caller knows what it means.
   */
  async query(sql: string, params: readonly (string | null)[] = []): Promise<readonly PgRow[]> {
    const result = await this.#inLine(sql, params);
    // Several statements give several results: the last one counts.
    return (Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows) as PgRow[];
  }

  /** Runs one statement that writes: how many rows it inserted, updated or deleted. Throws as `query` does. */
  async count(sql: string, params: readonly (string | null)[] = []): Promise<number> {
    return (await this.#inLine(sql, params)).rowCount ?? 0;
  }

  #inLine(sql: string, params: readonly (string | null)[]): Promise<pg.QueryResult> {
    const answer = this.#last.then(() => this.#query(sql, params));
    this.#last = answer.catch(() => undefined); // the next one waits for its end, whatever it is
    return answer;
  }

  async #query(sql: string, params: readonly (string | null)[]): Promise<pg.QueryResult> {
    if (this.#lost !== null) throw this.#lost;
    try {
      const isPlain = params.length === 0 || this.#isReplication;
      return await this.#client.query({
        text: this.#isReplication ? withLiterals(sql, params) : sql,
        ...(isPlain ? {} : { values: [...params] }),
        types: AS_TEXT,
      });
    } catch (cause) {
      throw translateError(cause, this.where, { isConnecting: false });
    }
  }

  /** The only row of a query that has exactly one. */
  async queryOne(sql: string, params: readonly (string | null)[] = []): Promise<PgRow> {
    const [row] = await this.query(sql, params);
    if (row !== undefined) return row;
    throw new TidelockError({ code: 'INTERNAL', message: `no row for: ${sql.slice(0, 200)}` });
  }

  /**
   * Hands the bare socket to `onBytes` and sends `sql`. No query may be running. The caller parses the
   * answer itself; after `ReadyForQuery` it may call `giveBack` and use the session as before.
   */
  takeOver(sql: string, onBytes: (bytes: Buffer) => void): { socket: Duplex; giveBack(): void } {
    if (this.#lost !== null) throw this.#lost;
    const { connection } = this.#client;
    const socket = connection.stream;
    const ownParsers = socket.listeners('data') as ((bytes: Buffer) => void)[];
    socket.removeAllListeners('data');
    socket.on('data', onBytes);
    this.#reading.isTaken = true;
    connection.query(sql);
    return {
      socket,
      giveBack: () => {
        socket.removeListener('data', onBytes);
        this.#reading.isTaken = false;
        for (const parser of ownParsers) socket.on('data', parser);
      },
    };
  }

  /** Ends the connection; waits until it is closed. A peer that does not answer is left after `END_MS_MAX`. */
  async end(): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    if (this.#lost !== null) return;
    const timer = setTimeout(() => this.destroy(), END_MS_MAX);
    await this.#client.end().catch(() => undefined); // a connection that breaks while ending has ended
    clearTimeout(timer);
  }

  /** Ends the connection at once, whatever it is doing. Postgres rolls back. */
  destroy(): void {
    this.#isEnding = true;
    this.#client.connection.stream.destroy();
  }

  #noteLoss(cause: unknown): void {
    if (this.#lost !== null || this.#isEnding) return;
    this.#lost = translateError(cause, this.where, { isConnecting: true });
    this.#onLost?.(this.#lost);
  }
}

const AS_TEXT = { getTypeParser: () => (text: string) => text } as pg.CustomTypesConfig;

/** Replication connections know no parameters: the values go into the text as literals. */
function withLiterals(sql: string, params: readonly (string | null)[]): string {
  if (params.length === 0) return sql;
  return sql.replace(/\$(\d+)/g, (_, position: string) => {
    const value = params[Number(position) - 1] ?? null;
    return value === null ? 'NULL' : quoteText(value);
  });
}

/** Whether the driver still parses what is read: it keeps what it is given, so it gets a copy. */
type Reading = { isTaken: boolean };

/** A socket that reads into one buffer, instead of a fresh one of this size for every read. */
function reusingSocket(reading: Reading): Socket {
  const buffer = Buffer.alloc(READ_BYTES);
  const callback = (size: number): boolean => {
    const bytes = buffer.subarray(0, size);
    socket.emit('data', reading.isTaken ? bytes : Buffer.from(bytes));
    return true;
  };
  const socket: Socket = new Socket({ onread: { buffer, callback } });
  return socket;
}

function newClient(options: SessionOptions, reading: Reading): pg.Client {
  const { base, extraOptions } = withoutOwnParameters(options.url);
  const settings = Object.entries({ ...PINNED_SETTINGS, ...options.settings });
  const flags = settings
    .filter((setting): setting is [string, string] => setting[1] !== null)
    .map(([name, value]) => `-c ${name}=${value.replace(/[\\ ]/g, '\\$&')}`);
  const stream = ({ ssl }: pg.ConnectionConfig): Socket =>
    options.reusesBuffer === true && !ssl ? reusingSocket(reading) : new Socket();
  const config: pg.ClientConfig & { replication?: 'database' } = {
    connectionString: base,
    application_name: options.applicationName ?? APPLICATION_NAME,
    connectionTimeoutMillis: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    stream: stream as () => Socket, // it is handed the configuration, which its type does not say
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    options: [extraOptions, ...flags].join(' ').trim(),
    ...(options.isReplication === true ? { replication: 'database' } : {}),
  };
  try {
    return new pg.Client(config);
  } catch (cause) {
    throw new TidelockError({
      code: 'BAD_CONFIG',
      message: 'the Postgres URL cannot be read',
      hint: 'use postgres://user:password@host:port/database',
      cause,
    });
  }
}

/** A role that may not replicate, or not use the database; null for every other failure. */
function mayNotConnect(cause: unknown, { user, database }: pg.Client): TidelockError | null {
  if (sqlStateOf(cause) !== '42501') return null;
  const role = quoteName(user ?? '');
  return new TidelockError({
    code: 'SOURCE_UNFIT',
    message: `Postgres refuses the connection: ${messageOf(cause)}`,
    hint: `run as a superuser: ALTER ROLE ${role} REPLICATION; GRANT CONNECT ON DATABASE ${quoteName(database ?? '')} TO ${role}`,
    cause,
  });
}

/** The URL with this program's own parameters removed, and the `options` that somebody put there. */
function withoutOwnParameters(url: string): { base: string; extraOptions: string } {
  const mark = url.indexOf('?');
  if (mark < 0) return { base: url, extraOptions: '' };
  const parameters = new URLSearchParams(url.slice(mark + 1));
  for (const name of OWN_PARAMETERS) parameters.delete(name);
  const extraOptions = parameters.get('options') ?? '';
  parameters.delete('options');
  // The words mean what they mean to Postgres' own programs: `require` encrypts, `verify-full` checks who answers.
  if (parameters.has('sslmode')) parameters.set('uselibpqcompat', 'true');
  const rest = parameters.toString();
  return { base: rest === '' ? url.slice(0, mark) : `${url.slice(0, mark)}?${rest}`, extraOptions };
}
