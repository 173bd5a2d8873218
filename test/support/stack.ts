/** The whole product on real parts, for tests: a database of its own, engine, HTTP server, replicas. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { parseSelectorRule } from '../../src/core/selector.ts';
import { type EngineOptions, openEngine, type RunningEngine } from '../../src/engine/engine.ts';
import type { RowStreams } from '../../src/lockstep/api.ts';
import { openReplicaWith, type Replica, type ReplicaHooks } from '../../src/replica.ts';
import { systemClock } from '../../src/server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS, type ServerConfig } from '../../src/server/config.ts';
import { createLog } from '../../src/server/log.ts';
import { createServer, type TidelockServer } from '../../src/server/server.ts';

export type StackOptions = {
  /** Superuser URL of a running Postgres. */
  readonly postgresUrl: string;
  /** Table -> selector rule. */
  readonly tables: Readonly<Record<string, string>>;
  /** Runs before the engine starts. */
  readonly schema: string;
  readonly engine?: Partial<EngineOptions>;
  readonly server?: Partial<ServerConfig>;
  /** Lockstep streams of the database with this URL. */
  readonly lockstep?: (url: string) => RowStreams;
};

/** Replicas of tests come back soon; how long they really wait is shown by the machine's own tests. */
export const RETRY_MS_MAX = 200;

export type Difference = {
  readonly table: string;
  readonly postgres: string;
  readonly replica: string;
};

export class Stack {
  readonly url: string;
  readonly dir: string;
  readonly name: string;
  sql: pg.Client;
  readonly notices: string[] = [];
  readonly #options: StackOptions;
  readonly #replicas: Replica[] = [];
  readonly #clients: pg.Client[] = [];
  #engine: RunningEngine | null = null;
  #server: TidelockServer | null = null;
  #address = '';
  #port = 0;
  #engineUrl: string;

  private constructor(options: StackOptions, url: string, name: string, sql: pg.Client) {
    this.#options = options;
    this.url = url;
    this.#engineUrl = url;
    this.name = name;
    this.sql = sql;
    this.dir = mkdtempSync(join(tmpdir(), 'tidelock-stack-'));
  }

  static async open(options: StackOptions): Promise<Stack> {
    const stack = await Stack.prepare(options);
    await stack.start();
    return stack;
  }

  /** A database and a folder, without an engine: for tests that run it in a process of its own. */
  static async prepare(options: StackOptions): Promise<Stack> {
    const name = `t_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
    const admin = new pg.Client(options.postgresUrl);
    await admin.connect();
    await admin.query(`CREATE DATABASE ${name}`);
    await admin.end();
    const url = new URL(options.postgresUrl);
    url.pathname = `/${name}`;
    const sql = new pg.Client(url.href);
    sql.on('error', () => undefined); // tests crash the server on purpose
    await sql.connect();
    await sql.query(options.schema);
    return new Stack(options, url.href, name, sql);
  }

  get engine(): RunningEngine {
    if (this.#engine === null) throw new Error('the engine is stopped');
    return this.#engine;
  }

  get server(): string {
    return this.#address;
  }

  /** The engine connects with this from its next start on. */
  useUrl(url: string): void {
    this.#engineUrl = url;
  }

  async start(): Promise<void> {
    this.#engine = await openEngine({
      url: this.#engineUrl,
      dir: join(this.dir, 'server'),
      slot: this.name,
      publication: this.name,
      tables: Object.entries(this.#options.tables).map(([name, rule]) => ({
        name,
        selector: parseSelectorRule(rule),
      })),
      onNotice: (notice) => this.notices.push(notice),
      ...this.#options.engine,
    });
    await until('the source streams', () => this.engine.status().source.state === 'streaming');
    this.#server = createServer({
      engine: this.#engine,
      lockstep: this.#options.lockstep?.(this.#engineUrl),
      clock: systemClock,
      log: createLog('silent', () => undefined),
      config: {
        host: '127.0.0.1',
        port: this.#port,
        heartbeatS: 1,
        tokens: NO_TOKENS,
        limits: DEFAULT_LIMITS,
        ...this.#options.server,
      },
    });
    this.#address = (await this.#server.listen()).url;
    this.#port = Number(new URL(this.#address).port);
  }

  /** Stops engine and server, as a process would end. */
  async stop(): Promise<void> {
    await this.#server?.close();
    await this.#engine?.close();
    this.#server = null;
    this.#engine = null;
  }

  /** Connects `sql` anew, after Postgres was killed. */
  async reconnect(): Promise<void> {
    await this.sql.end().catch(() => undefined);
    this.sql = new pg.Client(this.url);
    this.sql.on('error', () => undefined);
    await this.sql.connect();
  }

  /** Another connection, for transactions that stay open. */
  async client(): Promise<pg.Client> {
    const client = new pg.Client(this.url);
    client.on('error', () => undefined);
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  file(name: string): string {
    return join(this.dir, `${name}.db`);
  }

  async replica(name: string, selectors: string[], hooks: ReplicaHooks = {}): Promise<Replica> {
    const replica = await openReplicaWith(
      { server: this.#address, selectors, file: this.file(name) },
      { heartbeatS: 1, retryMsMax: RETRY_MS_MAX, ...hooks },
    );
    this.#replicas.push(replica);
    return replica;
  }

  /** The end of everything that is committed now. */
  async position(): Promise<string> {
    const { rows } = await this.sql.query<{ lsn: string }>(
      'SELECT pg_current_wal_insert_lsn()::text AS lsn',
    );
    return rows[0]?.lsn ?? '';
  }

  /** Waits until everything that is committed now is in the log. */
  async logged(): Promise<void> {
    const answer = await fetch(`${this.#address}/v1/wait?ts=${await this.position()}`);
    if (answer.status !== 200) throw new Error(`not in the log: ${await answer.text()}`);
  }

  /** Waits until the replica has everything that is committed now. */
  async settle(...replicas: Replica[]): Promise<void> {
    const position = await this.position();
    for (const replica of replicas) await replica.waitFor(position, { timeoutMs: 20_000 });
  }

  /**
   * Rows of a table in Postgres and in the replica's file, as texts made by the databases themselves:
   * shares no code with the product. Empty when equal.
   */
  async differences(file: string, table: string, where: string): Promise<readonly Difference[]> {
    const columns = await this.sql.query<{ attname: string }>(
      `SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
      [table],
    );
    const names = columns.rows.map(({ attname }) => `"${attname}"`);
    const inPostgres = await this.sql.query<{ row: string }>(
      `SELECT concat_ws('|', ${names.map((name) => `coalesce(${name}::text, '<null>')`).join(', ')}) AS row FROM ${table} WHERE ${where}`,
    );
    const db = new DatabaseSync(file, { readOnly: true });
    const local = table.replace(/^public\./, '');
    const inReplica = db
      .prepare(
        `SELECT concat_ws('|', ${names.map((name) => `coalesce(cast(${name} AS text), '<null>')`).join(', ')}) AS row FROM "${local}"`,
      )
      .all() as { row: string }[];
    db.close();
    return compareRows(
      table,
      inPostgres.rows.map(({ row }) => row),
      inReplica.map(({ row }) => row),
    );
  }

  async close(): Promise<void> {
    for (const replica of this.#replicas) await replica.close();
    await this.stop();
    for (const client of this.#clients) await client.end().catch(() => undefined);
    await this.sql.end();
    const admin = new pg.Client(this.#options.postgresUrl);
    await admin.connect();
    await admin.query(
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${this.name}'`,
    );
    await admin.query(`DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`);
    await admin.end();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function compareRows(table: string, postgres: string[], replica: string[]): Difference[] {
  const left = postgres.sort();
  const right = replica.sort();
  const out: Difference[] = [];
  for (let index = 0; index < Math.max(left.length, right.length) && out.length < 10; index += 1) {
    if (left[index] === right[index]) continue;
    out.push({ table, postgres: left[index] ?? '(none)', replica: right[index] ?? '(none)' });
  }
  return out;
}

const POLL_MS = 10;

/** Waits until `condition` holds; fails with `what` when it does not within the limit. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`did not happen in ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
