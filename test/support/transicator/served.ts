/** `tidelock serve --transicator` in a process of its own on a database of its own, and readers of it. */
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, inject, onTestFinished } from 'vitest';
import { type ChangesRequest, getChanges } from '../../../src/bench/transicator/api.ts';
import { TransicatorClient } from '../../../src/bench/transicator/client.ts';
import type { WireChangeList } from '../../../src/bench/transicator/schema.ts';
import { compareSequences, sequenceOf } from '../../../src/bench/transicator/sequence.ts';
import { Command } from '../command.ts';
import { Stack, until } from '../stack.ts';

export type ServedOptions = {
  readonly schema: string;
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Superuser URL; the run's shared Postgres by default. */
  readonly postgresUrl?: string;
  /** False: the test starts the server itself. */
  readonly isStarted?: boolean;
  /** Where the server connects to, from where the database is. */
  readonly route?: (url: string) => string;
};

/** Written to get a position behind everything before it. */
const MARKER_SQL = `CREATE TABLE marker (id serial PRIMARY KEY, at bigint, _change_selector text);`;

export class Served {
  readonly stack: Stack;
  /** What the readers said, for messages. */
  readonly states: string[] = [];
  readonly #options: ServedOptions;
  readonly #clients: TransicatorClient[] = [];
  readonly #port: number;
  #command: Command | null = null;

  private constructor(stack: Stack, options: ServedOptions, port: number) {
    this.stack = stack;
    this.#options = options;
    this.#port = port;
  }

  /** Ends with the test. */
  static async open(options: ServedOptions): Promise<Served> {
    const stack = await Stack.prepare({
      postgresUrl: options.postgresUrl ?? inject('postgresUrl'),
      ...{ tables: {}, schema: `${MARKER_SQL} ${options.schema}` },
    });
    const served = new Served(stack, options, await freePort());
    onTestFinished(() => served.close());
    if (options.isStarted !== false) await served.start();
    return served;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get process(): Command {
    if (this.#command === null) throw new Error('the server was not started');
    return this.#command;
  }

  async start(args: readonly string[] = this.args()): Promise<void> {
    const command = new Command(args, { ...this.#options.environment });
    this.#command = command;
    await command.line('the server is ready', (line) => line.ready === true);
    await until('it streams', async () => {
      const { status, body } = await this.json('/v1/status');
      const { source } = body as { source?: { state: string } };
      return status === 401 || source?.state === 'streaming';
    });
  }

  args(): readonly string[] {
    const { stack } = this;
    const postgres = this.#options.route?.(stack.url) ?? stack.url;
    return [
      ...['serve', '--transicator', '--json', '--port', String(this.#port), '--postgres', postgres],
      ...['--data', join(stack.dir, 'server'), '--slot', stack.name, '--publication', stack.name],
      ...(this.#options.flags ?? []),
    ];
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.process.kill(signal);
  }

  async killAndStart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** A reader of these selectors, with its first copy. */
  async client(name: string, selectors: readonly string[] = [name]): Promise<TransicatorClient> {
    const file = this.stack.file(name);
    const onState = (state: string, note = ''): void =>
      void this.states.push(`${name} ${state} ${note}`);
    const options = { server: this.url, selectors, file, blockS: 2, onState };
    const client = await TransicatorClient.open(options);
    this.#clients.push(client);
    return client;
  }

  sql(text: string): Promise<unknown> {
    return this.stack.sql.query(text);
  }

  /** Waits until the readers have everything that is committed now, and nobody lost or repeated anything. */
  async settle(...clients: readonly TransicatorClient[]): Promise<void> {
    const position = await this.mark();
    for (const client of clients) {
      await client.waitFor(position, 30_000).catch((error: unknown) => {
        throw new Error(`${String(error)}; ${this.states.slice(-10).join('; ')}`);
      });
      expect(client.misfits).toBe(0);
    }
  }

  /** A position behind everything committed so far; the log is past it. */
  async mark(): Promise<string> {
    const position = await this.stack.position();
    await this.sql(`INSERT INTO marker (_change_selector) VALUES ('marker')`);
    return position;
  }

  /** The log has everything that is committed now. */
  async logged(): Promise<void> {
    const sequence = sequenceOf(await this.mark());
    await this.changesUntil(
      ['marker'],
      ({ lastSequence }) => compareSequences(lastSequence, sequence) >= 0,
      { limit: 0 },
    );
  }

  /** Rows of the query on Postgres against those of the same query on the reader's file. */
  async expectSame(name: string, table: string, columns: string, selector = name): Promise<number> {
    const inPostgres = await this.stack.sql.query<Record<string, unknown>>({
      text: `SELECT ${columns} FROM ${table} WHERE _change_selector = '${selector}' ORDER BY 1`,
      rowMode: 'array',
    } as never);
    const db = new DatabaseSync(this.stack.file(name), { readOnly: true });
    const statement = db.prepare(`SELECT ${columns} FROM ${table} ORDER BY 1`);
    statement.setReturnArrays(true);
    const local = statement.all() as unknown as unknown[][];
    db.close();
    const plain = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row));
    expect(plain(local)).toEqual(plain(inPostgres.rows));
    return local.length;
  }

  /** One answer for these scopes. */
  changes(scopes: readonly string[], from: Partial<ChangesRequest> = {}): Promise<WireChangeList> {
    return getChanges({ server: this.url, scopes, limit: 100_000, blockS: 0, ...from });
  }

  /** Asks until the answer fits. */
  async changesUntil(
    scopes: readonly string[],
    fits: (list: WireChangeList) => boolean,
    from: Partial<ChangesRequest> = {},
  ): Promise<WireChangeList> {
    let list = await this.changes(scopes, from);
    await until('the changes are there', async () => {
      list = await this.changes(scopes, from);
      return fits(list);
    });
    return list;
  }

  async json(path: string): Promise<{ readonly status: number; readonly body: unknown }> {
    const answer = await fetch(`${this.url}${path}`);
    return { status: answer.status, body: await answer.json() };
  }

  async close(): Promise<void> {
    for (const client of this.#clients) await client.stop();
    if (this.#command?.isAlive === true) await this.kill();
    await until('the slot is free', async () => {
      const { rows } = await this.stack.sql.query<{ n: string }>(
        `SELECT count(*) AS n FROM pg_replication_slots WHERE slot_name = '${this.stack.name}' AND active`,
      );
      return rows[0]?.n === '0';
    });
    await this.stack.close();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
