/** A database under a workload, a server in a process of its own, replicas that follow it, and the proof that they are equal. */
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import type {
  ReplicaCommand,
  ReplicaNews,
  ReplicaSettings,
} from '../../src/bench/script/replica-program.ts';
import type {
  ServerCommand,
  ServerNews,
  ServerSettings,
} from '../../src/bench/script/server-program.ts';
import type { Trap } from '../../src/bench/script/trap.ts';
import { openReplicaWith, type Replica } from '../../src/replica.ts';
import { Child } from './child.ts';
import { RETRY_MS_MAX, Stack, until } from './stack.ts';
import {
  type Clients,
  WORKLOAD_LIMITS,
  WORKLOAD_SCHEMA,
  WORKLOAD_TABLES,
  Workload,
} from './workload.ts';

const SERVER = new URL('../../src/bench/script/server-program.ts', import.meta.url);
const REPLICA = new URL('../../src/bench/script/replica-program.ts', import.meta.url);
export const TOTAL_SQL =
  'SELECT (SELECT sum(balance) FROM account) + (SELECT sum(balance) FROM reserve) AS total';
/** Rounds of the workload in which a trap must have been met. */
const ROUNDS_MAX = 5;

type Victim = Pick<Child<{ kind: string }>, 'isAlive' | 'ended'>;

/** A replica in this process, and what it was told. */
export type Followed = {
  replica: Replica;
  readonly file: string;
  readonly selectors: readonly string[];
  readonly resyncs: string[];
  readonly mismatches: string[];
};

/** What the replica of a process was told, of one kind. */
export function eventsOf(
  child: Child<ReplicaNews>,
  kind: 'mismatch' | 'resync',
): readonly string[] {
  return child.news.flatMap((news) =>
    news.kind === 'event' && news.text.startsWith(kind) ? [news.text] : [],
  );
}

/** The process dies when it comes to the point. */
export function trap(child: Child<{ readonly kind: string }>, at: Trap): void {
  child.tell({ kind: 'trap', trap: at } satisfies ServerCommand & ReplicaCommand);
}

export class CrashBed {
  readonly stack: Stack;
  readonly random: SeededRandom;
  readonly workload: Workload;
  readonly followed: Followed[] = [];
  readonly #settings: Partial<ServerSettings>;
  readonly #clients: Clients;
  #server: Child<ServerNews> | null = null;
  #address = '';

  private constructor(
    stack: Stack,
    options: {
      readonly seed: number;
      readonly clients: Clients;
      readonly settings: Partial<ServerSettings>;
    },
  ) {
    this.stack = stack;
    this.#settings = options.settings;
    this.#clients = options.clients;
    this.random = new SeededRandom(options.seed);
    this.workload = new Workload(this.random);
  }

  static async open(options: {
    readonly postgresUrl: string;
    readonly seed: number;
    readonly settings?: Partial<ServerSettings>;
  }): Promise<CrashBed> {
    const { postgresUrl, seed, settings = {} } = options;
    const stack = await Stack.prepare({
      ...{ postgresUrl, tables: WORKLOAD_TABLES, schema: WORKLOAD_SCHEMA },
    });
    const clients = { writer: await stack.client(), other: await stack.client() };
    return new CrashBed(stack, { seed, clients, settings });
  }

  get address(): string {
    return this.#address;
  }

  get server(): Child<ServerNews> {
    if (this.#server === null) throw new Error('no server was started');
    return this.#server;
  }

  /** Starts the server unless it runs. With a trap it may die before it listens. */
  async startServer(trap?: Trap): Promise<void> {
    if (this.#server?.isAlive === true) return;
    const { url, dir, name } = this.stack;
    this.#server = new Child<ServerNews>(SERVER, {
      ...{ url, dir, name, tables: WORKLOAD_TABLES, limits: WORKLOAD_LIMITS },
      ...{ secret: null, skewMs: 0, trap: trap ?? null, plant: null },
      port: this.#address === '' ? 0 : Number(new URL(this.#address).port),
      ...this.#settings,
    } satisfies ServerSettings);
    if (trap !== undefined) return;
    this.#address = (await this.#server.first('listening')).url;
  }

  /** The workload goes on, whoever is dead, until the trap was met. */
  async workUntilTrapped(victim: Victim = this.server): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX && victim.isAlive; round += 1) {
      await this.workload.round(this.#clients);
      // No transaction of ours carries this position: whoever waits for it makes the server note it.
      await this.#clients.writer.query('INSERT INTO unpublished VALUES (1)');
      const nudged = this.ask(`/v1/wait?timeout_s=1&ts=${await this.stack.position()}`);
      await nudged.catch(() => undefined); // the server dies meanwhile
    }
    await this.expectTrapped(victim);
  }

  async expectTrapped(victim: Victim = this.server): Promise<void> {
    const { signal, errors } = await victim.ended();
    expect({ signal, errors }).toEqual({ signal: 'SIGKILL', errors: '' });
  }

  /** A replica in a process of its own. With a trap it may die before it is ready. */
  startReplica(name: string, selectors: readonly string[], trap?: Trap): Child<ReplicaNews> {
    return new Child<ReplicaNews>(REPLICA, {
      ...{ server: this.#address, selectors, file: this.stack.file(name), trap: trap ?? null },
      ...{ token: null, write: false, repair: false, skewMs: 0, plant: null },
    } satisfies ReplicaSettings);
  }

  /** The process' replica has everything that is committed now, and nothing else. */
  async expectChildEqual(
    child: Child<ReplicaNews>,
    name: string,
    selectors: readonly string[],
  ): Promise<void> {
    const position = await this.stack.position();
    const from = child.news.length;
    child.tell({ kind: 'waitFor', position } satisfies ReplicaCommand);
    await child.next('done', from);
    await this.expectFileEqual(this.stack.file(name), selectors);
    expect(eventsOf(child, 'mismatch')).toEqual([]);
  }

  work(): Promise<void> {
    return this.workload.round(this.#clients);
  }

  async ask(path: string): Promise<unknown> {
    const answer = await fetch(`${this.#address}${path}`);
    return answer.json();
  }

  /** Starts the server again; replicas come at once, though their next try may be seconds away. */
  async startAgain(): Promise<void> {
    await this.startServer();
    for (const followed of this.followed) {
      await followed.replica.close();
      followed.replica = await this.#open(followed);
    }
  }

  /** Opens a replica that follows from now on; resolves when it has its first copy. */
  async follow(name: string, selectors: readonly string[]): Promise<Followed> {
    const file = this.stack.file(name);
    const place = { file, selectors, resyncs: [], mismatches: [] };
    const followed = { ...place, replica: await this.#open(place) };
    this.followed.push(followed);
    return followed;
  }

  #open({ file, selectors, resyncs, mismatches }: Omit<Followed, 'replica'>): Promise<Replica> {
    return openReplicaWith(
      {
        ...{ server: this.#address, selectors, file },
        onEvent: (event) => {
          if (event.kind === 'resync') resyncs.push(event.reason);
          if (event.kind === 'mismatch') mismatches.push(JSON.stringify(event.differences));
        },
      },
      { heartbeatS: 1, leaseReportMs: 50, openBytesMax: 32 * 1024, retryMsMax: RETRY_MS_MAX },
    );
  }

  /** Ends one of the replicas; its file stays. */
  async leave(followed: Followed): Promise<void> {
    this.followed.splice(this.followed.indexOf(followed), 1);
    await followed.replica.close();
  }

  /** Waits until all replicas have everything that is committed now. */
  async settle(): Promise<void> {
    await this.stack.settle(...this.followed.map(({ replica }) => replica));
  }

  /** All replicas have everything that is committed now, and nothing else. */
  async expectEqual(): Promise<void> {
    await this.settle();
    for (const { file, selectors, mismatches } of this.followed) {
      await this.expectFileEqual(file, selectors);
      expect(mismatches).toEqual([]);
    }
  }

  /** Rows by the databases' own texts, then the stored digests against a full scan of Postgres by the server. */
  async expectFileEqual(file: string, selectors: readonly string[]): Promise<void> {
    const where = `country IN (${selectors.map((selector) => `'${selector}'`).join(', ')})`;
    for (const [table, rule] of Object.entries(WORKLOAD_TABLES)) {
      const condition = rule === '*' ? 'true' : where;
      expect(await this.stack.differences(file, table, condition)).toEqual([]);
    }
    const query = selectors.map((selector) => `selector=${selector}`).join('&');
    const { digests } = (await this.ask(`/v1/digest?${query}`)) as { digests: Digest[] };
    expect(storedDigests(file)).toEqual(byKey(digests));
  }

  /** What accounts and reserves in a file hold together, seen by a reader of its own. */
  totalIn(name: string): number {
    const db = new DatabaseSync(this.stack.file(name), { readOnly: true });
    try {
      return Number(db.prepare(TOTAL_SQL).get()?.total);
    } finally {
      db.close();
    }
  }

  /** Why replicas were re-synchronised. */
  get resyncs(): readonly string[] {
    return this.followed.flatMap(({ resyncs }) => resyncs);
  }

  /** What replicas were told so far was to be expected. */
  forgetResyncs(): void {
    for (const { resyncs, mismatches } of this.followed) {
      resyncs.length = 0;
      mismatches.length = 0;
    }
  }

  async timeline(): Promise<string> {
    const { timeline } = (await this.ask('/v1/status')) as { timeline: string };
    return timeline;
  }

  async dropSlot(): Promise<void> {
    await this.#slotIsFree();
    await this.stack.sql.query(`SELECT pg_drop_replication_slot('${this.stack.name}')`);
  }

  /** Rolls a large transaction back after Postgres has sent pieces of it. */
  async rollBackLarge(): Promise<void> {
    const { writer, other } = this.#clients;
    await other.query(`BEGIN; ${this.workload.large()}`);
    const position = await this.stack.position();
    await writer.query('INSERT INTO unpublished VALUES (1)'); // its commit flushes the WAL
    await until('Postgres has read the open transaction', async () => {
      const { rows } = await writer.query<{ n: string }>(
        `SELECT count(*) AS n FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid
         WHERE s.slot_name = $1 AND r.sent_lsn >= $2::pg_lsn`,
        [this.stack.name, position],
      );
      return rows[0]?.n === '1';
    });
    await other.query('ROLLBACK');
    await writer.query('INSERT INTO unpublished VALUES (1)');
  }

  async #slotIsFree(): Promise<void> {
    await until('the slot is free', async () => {
      const { rows } = await this.stack.sql.query<{ n: string }>(
        'SELECT count(*) AS n FROM pg_replication_slots WHERE slot_name = $1 AND active',
        [this.stack.name],
      );
      return rows[0]?.n === '0';
    });
  }

  /** Ends everything and removes it. */
  async close(): Promise<void> {
    for (const { replica } of this.followed) await replica.close();
    await this.#server?.kill();
    await this.#slotIsFree();
    await this.stack.close();
  }
}

type Digest = {
  readonly table: string;
  readonly selector: string;
  readonly digest: string;
  readonly rows: number;
};

function storedDigests(file: string): Readonly<Record<string, string>> {
  const db = new DatabaseSync(file, { readOnly: true });
  const rows = db
    .prepare('SELECT table_name AS "table", selector, digest, rows FROM tidelock_digests')
    .all() as Digest[];
  db.close();
  return byKey(rows);
}

function byKey(digests: readonly Digest[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    digests
      .filter(({ rows }) => rows > 0)
      .map(({ table, selector, digest, rows }) => [`${table} ${selector}`, `${digest} ${rows}`]),
  );
}
