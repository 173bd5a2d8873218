/** SQL over the wire protocol, as a user's client: batches whose rows come as they are made. For our own service. */
import pg from 'pg';
import { messageOf, TidelockError } from '../core/errors.ts';
import { isSqlState, sqlError } from '../sql/errors.ts';

export type WireColumn = { readonly name: string; readonly oid: number };

/** Every value as the server prints it. */
export type WireSink = {
  columns(columns: readonly WireColumn[]): void;
  row(row: readonly (string | null)[]): void;
  complete(tag: string): void;
  notice(message: string): void;
};

export type WireTarget = {
  /** `postgres://user@host:port/database` */
  readonly url: string;
  /** Takes the place of the address's own. */
  readonly password: string | undefined;
};

const CONNECT_MS_MAX = 10_000;

export class SqlClient {
  readonly #target: WireTarget;
  readonly #client: pg.Client;
  #query: pg.Query | null = null;
  #onNotice: (message: string) => void = () => undefined;

  private constructor(target: WireTarget) {
    this.#target = target;
    this.#client = new pg.Client(configOf(target));
    // What runs hears of it by itself; nobody else needs to.
    this.#client.on('error', () => undefined);
    this.#client.on('notice', ({ message }) => this.#onNotice(message ?? ''));
  }

  /** Throws `SERVER_UNREACHABLE`, `TOKEN_INVALID`, `TOKEN_FORBIDS`. */
  static async connect(target: WireTarget): Promise<SqlClient> {
    const made = new SqlClient(target);
    try {
      await made.#client.connect();
      return made;
    } catch (error) {
      await made.#client.end().catch(() => undefined);
      throw connectError(error);
    }
  }

  /** Throws what the server says, with its SQLSTATE and the place in the text. */
  async run(sql: string, sink: WireSink): Promise<void> {
    this.#onNotice = (message) => sink.notice(message);
    const told = new Set<pg.Result>();
    const config = { text: sql, rowMode: 'array', types: TEXT };
    const query = new pg.Query(config);
    this.#query = query;
    const tell = (result: pg.Result): void => {
      if (told.has(result)) return;
      told.add(result);
      if (result.fields.length > 0) {
        sink.columns(result.fields.map(({ name, dataTypeID }) => ({ name, oid: dataTypeID })));
      }
    };
    try {
      await new Promise<void>((resolve, reject) => {
        query.on('row', (row, result) => {
          if (result === undefined) return;
          tell(result as unknown as pg.Result);
          sink.row(row as unknown as readonly (string | null)[]);
          result.rows.length = 0; // it keeps them otherwise, and a subscription has no end
        });
        query.on('end', (results: unknown) => {
          const list = (Array.isArray(results) ? results : [results]) as pg.Result[];
          for (const result of list) {
            tell(result);
            sink.complete(tagOf(result));
          }
          resolve();
        });
        query.on('error', (error) => reject(statementError(error)));
        this.#client.query(query);
      });
    } finally {
      this.#query = null;
    }
  }

  /** Ends what runs, if anything does. */
  cancel(): void {
    if (this.#query === null) return;
    // Not in the types: it opens a connection of its own and shows the secret.
    const other = new pg.Client(configOf(this.#target)) as unknown as {
      cancel(client: pg.Client, query: pg.Query): void;
      on(event: 'error', listener: () => void): void;
    };
    other.on('error', () => undefined);
    other.cancel(this.#client, this.#query);
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => undefined);
  }
}

const TEXT = { getTypeParser: () => (text: string) => text };

function configOf({ url, password }: WireTarget): pg.ClientConfig {
  const address = URL.parse(url);
  // The name is not asked for by anybody, but the protocol has no start without one.
  if (address?.username === '') address.username = 'tidelock';
  if (address !== null && password !== undefined) address.password = password;
  return {
    connectionString: address?.href ?? url,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    application_name: 'tidelock sql',
  };
}

function tagOf({ command, rowCount }: pg.Result): string {
  return rowCount === null ? command : `${command} ${rowCount}`;
}

function connectError(error: unknown): TidelockError {
  const state = error instanceof pg.DatabaseError ? error.code : undefined;
  const message = messageOf(error);
  if (state === '28P01') {
    return new TidelockError({ code: 'TOKEN_INVALID', message, hint: 'use --token', cause: error });
  }
  if (state === '42501') return new TidelockError({ code: 'TOKEN_FORBIDS', message, cause: error });
  return new TidelockError({
    code: 'SERVER_UNREACHABLE',
    message: `the SQL port cannot be reached: ${message}`,
    hint: 'is the server started with --sql-port, and the address postgres://host:port/?',
    cause: error,
  });
}

function statementError(error: unknown): Error {
  if (!(error instanceof pg.DatabaseError)) return connectError(error);
  const { code = 'XX000', position, hint, message } = error;
  const offset = position === undefined ? undefined : Number(position) - 1;
  return sqlError(isSqlState(code) ? code : 'XX000', message, { offset, hint, cause: error });
}
