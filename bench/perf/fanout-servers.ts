/** The two servers of the fan-out benchmark: ours over a real log, and the limit, node:http and a chunk framed once. */
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatLsn, type Lsn, toLsn } from '../../src/core/lsn.ts';
import type { Engine, Feed } from '../../src/engine/api.ts';
import { systemClock as engineClock } from '../../src/engine/clock.ts';
import { EngineCore } from '../../src/engine/core.ts';
import type { NewGroup } from '../../src/log/group.ts';
import { SEGMENT_COMMIT } from '../../src/log/group.ts';
import { systemClock } from '../../src/server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../src/server/config.ts';
import { createLog } from '../../src/server/log.ts';
import { createServer } from '../../src/server/server.ts';
import { openLogStore } from '../../src/sqlite/log-store.ts';
import { answer, Peer, SERVER_FLAGS, settledRss } from './lib/peer.ts';

const LINES_BYTES = 200;
/** Without the chunk's framing: several frames may come in one chunk. */
export const FRAME_BYTES = LINES_BYTES;
const POSITION_STEP = 0x100;
const FILL_FRAME_BYTES = 64 * 1024;
const FILL_FRAMES_MAX = 200;
const ROLES = { tidelock: 'fanout-tidelock', limit: 'fanout-limit' } as const;

export type ServerKind = keyof typeof ROLES;

type Blast = { readonly seconds: number; readonly ahead: number };

export type ServerProcess = {
  readonly port: number;
  /**
   * Broadcasts as fast as the clients take it; returns the number of frames per client. The writer is at most
   * `ahead` transactions before the slowest subscriber.
   */
  blast(seconds: number, ahead: number): Promise<number>;
  /** Commits large transactions until nobody takes any more; returns the bytes handed to sockets. */
  fill(): Promise<number>;
  rssBytes(): Promise<number>;
  stop(): void;
};

export async function forkServer(kind: ServerKind): Promise<ServerProcess> {
  const peer = new Peer(fileURLToPath(import.meta.url), ROLES[kind], SERVER_FLAGS);
  return {
    port: await peer.call('listen'),
    blast: (seconds, ahead) => peer.call('blast', { seconds, ahead }),
    fill: () => peer.call('fill'),
    rssBytes: () => peer.call('rss'),
    stop: () => peer.stop(),
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs rounds until the time is over; a round starts when everybody has taken the previous one. */
async function rounds(seconds: number, send: () => void, isTaken: () => boolean): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let count = 0;
  while (performance.now() < end) {
    send();
    count += 1;
    do await turn();
    while (!isTaken());
  }
  return count;
}

function serveLimit(): void {
  const sockets = new Set<Socket>();
  const frame = Buffer.alloc(LINES_BYTES, 'x');
  frame[LINES_BYTES - 1] = 10;
  const chunk = Buffer.concat([
    Buffer.from(`${LINES_BYTES.toString(16)}\r\n`),
    frame,
    Buffer.from('\r\n'),
  ]);
  const server = http.createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.flushHeaders();
    const { socket } = response;
    if (socket !== null) sockets.add(socket);
  });
  server.requestTimeout = 0;
  answer({
    listen: () =>
      new Promise<number>((resolve) => {
        server.listen(0, '127.0.0.1', 4096, () => resolve((server.address() as AddressInfo).port));
      }),
    blast: ({ seconds }: Blast) =>
      rounds(
        seconds,
        () => {
          for (const socket of sockets) socket.write(chunk);
        },
        () => sockets.values().every((socket) => !socket.writableNeedDrain),
      ),
    rss: settledRss,
  });
}

function serveTidelock(): void {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-fanout-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  const log = openLogStore({ dir });
  let upper = toLsn(0x1000000);
  log.reset({ systemId: '1', walTimeline: 1, generation: 1, startTs: upper }, []);
  const policy = {
    ...{ keepS: 1, logBytesMax: 2 ** 30, leaseS: 60, reconnectMsMin: 100, reconnectMsMax: 1000 },
    ...{ appendRetryMs: 100, subscribersMax: 20_000 },
  };
  const core = new EngineCore({ log, policy, clock: engineClock, tailBytesMax: 32 * 1024 * 1024 });
  const feeds = new Set<Feed>();
  const server = createServer({
    engine: engineOn(core, feeds),
    config: {
      host: '127.0.0.1',
      port: 0,
      heartbeatS: 5,
      tokens: NO_TOKENS,
      limits: DEFAULT_LIMITS,
    },
    clock: systemClock,
    log: createLog('warn', (line) => void process.stderr.write(line)),
  });
  const commit = (bytes: number): void => {
    upper = toLsn(upper + POSITION_STEP);
    core.received([{ kind: 'append', group: groupOf(upper, bytes), tables: undefined }], upper);
  };
  const isTaken = (ahead: number): boolean =>
    feeds.values().every((feed) => feed.position > upper - ahead * POSITION_STEP);
  const written = (): number => feeds.values().reduce((sum, feed) => sum + feed.position, 0);
  answer({
    listen: async () => Number(new URL((await server.listen()).url).port),
    blast: ({ seconds, ahead }: Blast) =>
      rounds(
        seconds,
        () => commit(LINES_BYTES),
        () => isTaken(ahead),
      ),
    fill: async () => {
      let positions = -1;
      let frames = 0;
      for (; frames < FILL_FRAMES_MAX && positions !== written(); frames += 1) {
        positions = written();
        commit(FILL_FRAME_BYTES);
        for (let turns = 0; turns < 200 && !isTaken(1); turns += 1) await turn();
      }
      return frames * FILL_FRAME_BYTES * feeds.size;
    },
    rss: settledRss,
  });
}

/** The part of the engine that feeds need; the source is missing. */
function engineOn(core: EngineCore, feeds: Set<Feed>): Engine {
  const missing = (): never => {
    throw new Error('not part of this benchmark');
  };
  const head = Buffer.from(
    '{"type":"hello","protocol":2,"timeline":"t","selectors":["FR"],"since":"0/0"}\n',
  );
  return {
    tables: [],
    uploads: { apply: missing },
    get upper(): Lsn {
      return core.tail.store.upper;
    },
    isFlooded: false,
    status: () => ({
      timeline: 't',
      source: {
        ...{
          state: 'streaming',
          since: '',
          attempts: 0,
          retainedWalBytes: 0,
          slot: 's',
          lagBytes: 0,
        },
      },
      log: {
        ...{
          upper: core.tail.store.upper,
          since: core.tail.store.since,
          confirmed: core.tail.store.upper,
        },
        ...{ sizeBytes: 0, groups: 0, state: 'ok' },
      },
      ...{ tables: [], leases: [], subscribers: 0, lastCommitLagS: 0 },
      counters: { transactions: 0, changes: 0, redelivered: 0, snapshots: 0, tombstones: 0 },
    }),
    openFeed: (request) => {
      const feed = core.openFeed(request, () => head);
      feeds.add(feed);
      return feed;
    },
    ...{ snapshotFile: missing, snapshotLines: missing, digest: missing, lease: missing },
    limitChecks: () => undefined,
    ...{ endLease: missing, waitFor: missing },
  };
}

/** One transaction: one line of selector FR and its commit line, `bytes` in all. */
function groupOf(ts: Lsn, bytes: number): NewGroup {
  const commit = `{"type":"commit","ts":"${formatLsn(ts)}","txid":"7","micros":1}\n`;
  const start = '{"type":"insert","table":"public.t","selector":"FR","row":["';
  const insert = `${start}${'x'.repeat(bytes - start.length - 4 - commit.length)}"]}\n`;
  const body = Buffer.from(insert + commit);
  return {
    head: {
      ...{ firstTs: ts, lastTs: ts, part: 'whole', txCount: 1, maxTxid: 7, minTxid: 7 },
      ...{ selectors: ['FR'], hasAll: false, sizeBytes: body.length },
    },
    content: {
      segments: Uint32Array.of(0, insert.length, SEGMENT_COMMIT, body.length),
      transactions: Float64Array.of(ts, 7, 1),
      body,
    },
  };
}

if (process.argv[2] === ROLES.tidelock) serveTidelock();
if (process.argv[2] === ROLES.limit) serveLimit();
