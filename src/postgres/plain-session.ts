/**
 * A connection as any client has one: several statements in one batch, each with its result, under the settings of
 * the server. For those who show what Postgres says; the product's own queries use session.ts.
 */
import pg from 'pg';
import { messageOf } from '../core/errors.ts';
import { sqlStateOf } from './pg-errors.ts';

export type PlainResult = {
  /** `SELECT 2`, `INSERT 1`, `BEGIN`. */
  readonly tag: string;
  /** Empty for a statement that gives no rows. */
  readonly columns: readonly string[];
  /** Values as Postgres prints them. */
  readonly rows: readonly (readonly (string | null)[])[];
};

/** What a batch has led to. After a refusal nothing of the batch is known. */
export type PlainAnswer =
  | { readonly kind: 'results'; readonly results: readonly PlainResult[] }
  | { readonly kind: 'refused'; readonly sqlState: string; readonly message: string };

export class PlainSession {
  /** Process id of the backend. */
  readonly pid: string;
  readonly #client: pg.Client;

  private constructor(client: pg.Client, pid: string) {
    this.#client = client;
    this.pid = pid;
  }

  /** Rejects with the driver's error when there is no connection. */
  static async connect(url: string): Promise<PlainSession> {
    const client = new pg.Client({ connectionString: url, application_name: 'tidelock script' });
    client.on('error', () => undefined); // the next query tells
    await client.connect();
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return new PlainSession(client, String(rows[0]?.pid));
  }

  /** Runs a batch. Errors of Postgres, and a lost connection, are answers. */
  async run(sql: string): Promise<PlainAnswer> {
    try {
      const answer: unknown = await this.#client.query({
        ...{ text: sql, rowMode: 'array' },
        types: { getTypeParser: () => (value: unknown) => value },
      });
      const results = (Array.isArray(answer) ? answer : [answer]) as pg.QueryArrayResult[];
      return { kind: 'results', results: results.map(plain) };
    } catch (error) {
      return { kind: 'refused', sqlState: sqlStateOf(error) ?? '08006', message: messageOf(error) };
    }
  }

  async end(): Promise<void> {
    await this.#client.end().catch(() => undefined);
  }
}

function plain({ command, rowCount, fields, rows }: pg.QueryArrayResult): PlainResult {
  const hasCount = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'COPY', 'MERGE'].includes(command);
  return {
    tag: hasCount ? `${command} ${rowCount ?? 0}` : (command ?? ''),
    columns: fields.map(({ name }) => name),
    rows: rows as (string | null)[][],
  };
}
