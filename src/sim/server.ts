/**
 * The server's process: the product's engine core, snapshots and digest markers on the simulated log, Postgres and
 * network. It is killed by ending its life and started again by making a new one.
 */
import type { HttpRequest } from '../client/transport.ts';
import { messageOf, TidelockError } from '../core/errors.ts';
import { formatLsn, parseLsn } from '../core/lsn.ts';
import type { SourceHandler } from '../core/source.ts';
import { isInSnapshot } from '../core/txid-snapshot.ts';
import type { Feed, HeldDigests, SnapshotRequest } from '../engine/api.ts';
import type { Clock } from '../engine/clock.ts';
import { type CoreOptions, EngineCore } from '../engine/core.ts';
import type { EngineCrashPoint } from '../engine/crash-points.ts';
import { DigestMarkers } from '../engine/digest-markers.ts';
import { scanDigests } from '../engine/digest-scan.ts';
import {
  type ExactSnapshotOptions,
  openExactSnapshot,
  type RowTransaction,
} from '../engine/exact-snapshot.ts';
import { timelineOf } from '../engine/log-at-open.ts';
import { Snapshots } from '../engine/snapshots.ts';
import type { LogStore } from '../log/port.ts';
import { PROTOCOL_VERSION } from '../protocol/feed.ts';
import type { Chance } from './chance.ts';
import { FeedPump } from './feed-pump.ts';
import type { Connection, Reply, Server } from './network.ts';
import type { ServerOptions, StreamOptions } from './plan.ts';
import type { SimPostgres } from './postgres.ts';
import { openRows } from './row-transaction.ts';
import type { Life, Scheduler } from './scheduler.ts';
import { SimSource } from './source.ts';

/** Something in the place of a part of the server: how bugs are planted. */
export type ServerPlants = {
  readonly step?: CoreOptions['step'];
  readonly wrapLog?: (log: LogStore) => LogStore;
  readonly wrapHandler?: (handler: SourceHandler) => SourceHandler;
  readonly wrapFeed?: (feed: Feed) => Feed;
  readonly openRows?: (open: typeof openRows) => typeof openRows;
};

export type SimServerOptions = {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly life: Life;
  readonly postgres: SimPostgres;
  readonly log: LogStore;
  /** Milliseconds between this machine's wall clock and the simulation's. */
  readonly wallSkewMs: () => number;
  readonly server: ServerOptions;
  readonly stream: StreamOptions;
  readonly plants: ServerPlants;
  readonly crashPoint: (point: EngineCrashPoint) => void;
  readonly note: (what: string, count?: number) => void;
  /** The history has the log of the Postgres that is there now. */
  readonly onFollow: (timeline: string) => void;
};

/** Wall clock at the beginning of every run, microseconds since 1970. */
export const EPOCH_MICROS = 1_700_000_000_000_000;
const SNAPSHOT_WAIT_MS_MAX = 8000;
const NDJSON = 'application/x-ndjson';
const SQLITE = 'application/vnd.sqlite3';

export class SimServer implements Server {
  readonly core: EngineCore;
  readonly #options: SimServerOptions;
  readonly #source: SimSource;
  readonly #snapshots: Snapshots;
  readonly #markers: DigestMarkers;
  readonly #connections = new Set<Connection>();

  constructor(options: SimServerOptions) {
    const { server, plants, log } = options;
    this.#options = options;
    this.core = new EngineCore({
      ...{ clock: this.#clock(), tailBytesMax: server.tailBytesMax },
      crashPoint: (point) => this.#pass(point),
      log: plants.wrapLog?.(log) ?? log,
      step: plants.step,
      policy: {
        ...{ keepS: server.keepS, logBytesMax: server.logBytesMax, leaseS: server.leaseS },
        ...{ reconnectMsMin: 100, reconnectMsMax: 2000, appendRetryMs: 500, subscribersMax: 100 },
      },
      merge: { freshGroups: server.freshGroups, bytesMax: 8192, groupsMin: 2, groupsMax: 8 },
    });
    this.#source = new SimSource({
      ...{ core: this.core, postgres: options.postgres, scheduler: options.scheduler },
      ...{ chance: options.chance.stream('source'), life: options.life, stream: options.stream },
      ...{ server, wrapHandler: plants.wrapHandler ?? ((handler) => handler) },
      onRedelivered: (count, by) => {
        options.note('redelivered', count);
        if (by === 'stream') options.note('redelivered in the stream', count);
      },
      onFollow: () => options.onFollow(timelineOf(this.core.tail.store) ?? ''),
      note: (what) => options.note(what),
    });
    this.#snapshots = new Snapshots({ ...this.#snapshotOptions(), dir: '' });
    this.#markers = new DigestMarkers({
      ...{ clock: this.core.clock, everyMs: server.digestEveryMs },
      scan: async (selectors, signal) => {
        const snapshot = await openExactSnapshot({ ...this.#snapshotOptions(), selectors, signal });
        try {
          return await scanDigests(snapshot, { selectors, signal });
        } finally {
          await snapshot.close();
        }
      },
      onFailure: (error) => options.note(`check failed: ${codeOf(error)}`),
    });
  }

  #pass(point: EngineCrashPoint): void {
    const { note, crashPoint } = this.#options;
    if (point === 'afterMerge') note('merged');
    if (point === 'afterPurge') note('purged');
    crashPoint(point);
  }

  start(): void {
    this.core.start(this.#source);
  }

  /** Postgres has something to send. */
  wake(): void {
    this.#source.wake();
  }

  /** The connection to Postgres breaks. */
  loseSource(reason: string): void {
    this.#source.break(reason);
  }

  /** The process has died: the system closes its sockets. */
  closeSockets(): void {
    for (const connection of [...this.#connections]) connection.break('ECONNRESET');
  }

  handle(request: HttpRequest, connection: Connection, reply: (reply: Reply) => void): void {
    this.#connections.add(connection);
    try {
      this.#route(request, connection, reply);
    } catch (error) {
      if (!(error instanceof TidelockError)) throw error;
      reply(failure(error));
    }
  }

  #route(request: HttpRequest, connection: Connection, reply: (reply: Reply) => void): void {
    const url = new URL(request.path, 'http://server');
    const name = `${request.method} ${url.pathname}`;
    if (name === 'GET /v1/feed') this.#feed(url.searchParams, connection, reply);
    else if (name === 'GET /v1/snapshot') {
      const replica = url.searchParams.get('replica') ?? undefined;
      const selectors = url.searchParams.getAll('selector');
      this.#copy({ selectors, replica }, undefined, connection, reply);
    } else if (name === 'POST /v1/snapshot') {
      const { held, ...rest } = request.body as Omit<SnapshotRequest, 'signal'> & {
        readonly held: HeldDigests;
      };
      this.#copy(rest, held, connection, reply);
    } else if (url.pathname.startsWith('/v1/leases/')) {
      const replica = decodeURIComponent(url.pathname.slice('/v1/leases/'.length));
      const { ts } = request.body as { readonly ts: string };
      const { core } = this;
      core.dispatch({ kind: 'lease', now: core.clock.now(), replica, ts: parseLsn(ts, 'ts') });
      reply({ status: 204, headers: {}, body: Buffer.alloc(0) });
    } else this.#wait(url.searchParams, reply);
  }

  #feed(query: URLSearchParams, connection: Connection, reply: (reply: Reply) => void): void {
    const since = parseLsn(query.get('since') ?? '', 'since');
    const selectors = query.getAll('selector');
    const isFollowing = query.get('follow') === '1';
    const request = {
      ...{ selectors, since, timeline: query.get('timeline') ?? undefined },
      ...{ replica: query.get('replica') ?? undefined, wantsDigests: query.get('digest') === '1' },
    };
    const opened = this.core.openFeed(request, () => this.#head(selectors, since), this.#markers);
    const feed = this.#options.plants.wrapFeed?.(opened) ?? opened;
    reply({ status: 200, headers: { 'content-type': NDJSON }, body: null });
    const { scheduler, life, note } = this.#options;
    const heartbeatMs = Number(query.get('heartbeat_s') ?? '5') * 1000;
    const pump = new FeedPump({
      ...{ feed, connection, scheduler, life, isFollowing, heartbeatMs },
      onEnd: (error) => {
        this.#connections.delete(connection);
        if (error !== null) note(`feed ended: ${codeOf(error)}`);
      },
      onBug: (error) => scheduler.fail(error),
    });
    pump.start();
  }

  #head(selectors: readonly string[], since: Feed['position']): Uint8Array {
    const { store } = this.core.tail;
    const lines = [
      {
        ...{ type: 'hello', protocol: PROTOCOL_VERSION, timeline: timelineOf(store), selectors },
        ...{ since: formatLsn(since), tables: this.#source.tables.length },
      },
      ...this.#source.tables.map((table) => ({ type: 'table', table })),
    ];
    return Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }

  /** A whole copy, or only what differs. */
  #copy(
    request: Omit<SnapshotRequest, 'signal'>,
    held: HeldDigests | undefined,
    connection: Connection,
    reply: (reply: Reply) => void,
  ): void {
    const controller = new AbortController();
    connection.onGone = () => controller.abort(new Error('the client is gone'));
    const lines = this.#snapshots.lines({ ...request, signal: controller.signal }, held);
    const isWhole = held === undefined;
    void this.#send(lines, { connection, reply, signal: controller.signal, isWhole });
  }

  /** The first line is there before the answer's status is. */
  async #send(
    lines: AsyncIterable<Uint8Array>,
    to: {
      readonly connection: Connection;
      readonly reply: (reply: Reply) => void;
      readonly signal: AbortSignal;
      readonly isWhole: boolean;
    },
  ): Promise<void> {
    const { connection, reply, signal } = to;
    const { life, scheduler } = this.#options;
    let isBegun = false;
    try {
      for await (const chunk of lines) {
        if (life.isOver || signal.aborted) return;
        if (!isBegun) reply({ status: 200, headers: headersOf(chunk, to.isWhole), body: null });
        isBegun = true;
        if (chunk.length > 0) connection.write(chunk);
        await this.#room(connection, signal);
      }
      connection.write(null);
      this.#options.note('copies');
    } catch (error) {
      if (life.isOver || signal.aborted) return;
      if (!(error instanceof TidelockError)) scheduler.fail(error);
      else if (isBegun) connection.break('the copy broke off');
      else reply(failure(error));
    }
  }

  /** Rows are read slowly: the world goes on while a copy is made. */
  #room(connection: Connection, signal: AbortSignal): Promise<void> {
    const { scheduler, chance, life } = this.#options;
    return new Promise((resolve) => {
      const look = (): void => {
        if (signal.aborted || connection.isOver || connection.hasRoom) resolve();
        else scheduler.after(50, 'copy: waits for room', look, life);
      };
      scheduler.after(chance.between(0, 60), 'copy: next', look, life);
    });
  }

  #wait(query: URLSearchParams, reply: (reply: Reply) => void): void {
    const ts = parseLsn(query.get('ts') ?? '', 'ts');
    const timeoutMs = Number(query.get('timeout_s') ?? '1') * 1000;
    this.core.waitFor(ts, timeoutMs, new AbortController().signal).then(
      (upper) => reply(json(200, { upper: formatLsn(upper) })),
      (error: unknown) => reply(failure(error)),
    );
  }

  /** A row transaction is open: does the log have what it does not show? */
  #noteLate({ snapshot }: RowTransaction): void {
    const { heads } = this.core.tail.store;
    const last = heads.at(-1);
    if (last === undefined) return;
    const { transactions } = this.core.tail.read(last.seq).content;
    const txid = transactions.at(-2) ?? 0;
    if (!isInSnapshot(snapshot, txid)) this.#options.note('late in a snapshot');
  }

  #snapshotOptions(): Omit<ExactSnapshotOptions, 'selectors' | 'signal'> {
    const { postgres, scheduler, chance, life, plants } = this.#options;
    const open = plants.openRows?.(openRows) ?? openRows;
    return {
      core: this.core,
      url: '',
      tables: () => this.#source.tables,
      serverStart: () => this.#source.serverStart,
      waitMsMax: SNAPSHOT_WAIT_MS_MAX,
      openRows: async () => {
        const transaction = await open({ postgres, scheduler, chance, life });
        if (!life.isOver) this.#noteLate(transaction);
        return transaction;
      },
    };
  }

  #clock(): Clock {
    const { scheduler, life, wallSkewMs } = this.#options;
    const bootedAt = scheduler.now;
    return {
      now: () => scheduler.now - bootedAt,
      wallMicros: () => EPOCH_MICROS + (scheduler.now + wallSkewMs()) * 1000,
      after: (delayMs, run) =>
        scheduler.after(Math.max(0, delayMs), 'server: timer', () => run(), life),
      soon: (run) => void scheduler.after(0, 'server: soon', run, life),
    };
  }
}

/** The lines of a whole copy travel in the place of a file: what the file's headers say is in the first of them. */
function headersOf(first: Uint8Array, isWhole: boolean): Readonly<Record<string, string>> {
  if (!isWhole) return { 'content-type': NDJSON };
  const [line = '{}'] = Buffer.from(first).toString().split('\n');
  const { timeline, since } = JSON.parse(line) as { timeline: string; since: string };
  const place = { 'tidelock-timeline': timeline, 'tidelock-position': since };
  return { 'content-type': SQLITE, ...place };
}

function json(status: number, value: object): Reply {
  const headers = { 'content-type': 'application/json' };
  return { status, headers, body: Buffer.from(JSON.stringify(value)) };
}

function failure(error: unknown): Reply {
  const { code, message } =
    error instanceof TidelockError ? error : { code: 'INTERNAL', message: messageOf(error) };
  return json(409, { error: { code, message } });
}

function codeOf(error: unknown): string {
  return error instanceof TidelockError ? error.code : messageOf(error);
}
