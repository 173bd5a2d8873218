/** An engine in memory, for the mechanics of the protocol only: no Postgres, no log, no digests of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TidelockError } from '../../../src/core/errors.ts';
import { formatLsn, LSN_ZERO, type Lsn, toLsn } from '../../../src/core/lsn.ts';
import type { TableDef } from '../../../src/core/table.ts';
import type {
  DigestAnswer,
  Engine,
  EngineStatus,
  Feed,
  FeedRequest,
  HeldDigests,
  SnapshotFile,
  SnapshotRequest,
} from '../../../src/engine/api.ts';

const CITIES: TableDef = {
  name: 'public.cities',
  columns: [
    { name: 'id', type: 'integer', kind: 'int' },
    { name: 'country', type: 'text', kind: 'text' },
    { name: 'name', type: 'text', kind: 'text', missing: 'unnamed' },
  ],
  key: ['id'],
  indexes: [{ name: 'cities_name', columns: ['name'] }],
  selector: {
    kind: 'expression',
    text: 'country',
    expression: { kind: 'column', name: 'country' },
  },
};

type Entry = { readonly ts: Lsn; readonly selector: string; readonly frame: Uint8Array };

export type MemoryEngine = Engine & {
  /** Appends one transaction of the selector and wakes its feeds. */
  commit(selector: string, lines?: readonly string[]): Lsn;
  /** Appends raw frames of one transaction (all but the last do not end at a commit). */
  commitFrames(selector: string, frames: readonly Uint8Array[]): Lsn;
  /** A transaction that concerns nobody. */
  advance(): Lsn;
  /** Makes every following `read` throw. */
  failReads(error: unknown): void;
  readonly feeds: ReadonlySet<Feed>;
  readonly leases: ReadonlyMap<string, Lsn>;
  readonly released: readonly string[];
  /** Replaced by tests that need slow or failing snapshots. */
  makeSnapshot: (request: SnapshotRequest) => Promise<void>;
  makeLines: (request: SnapshotRequest, held?: HeldDigests) => AsyncIterable<Uint8Array>;
  makeDigest: Engine['digest'];
  uploads: Engine['uploads'];
  snapshotBytes: number;
  since: Lsn;
  isFlooded: boolean;
  patchStatus: Partial<EngineStatus>;
};

export function lineOf(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

export function createMemoryEngine(): MemoryEngine {
  const entries: Entry[] = [];
  const feeds = new Set<MemoryFeed>();
  const leases = new Map<string, Lsn>();
  const released: string[] = [];
  let upper = toLsn(0x1000);
  let failure: { error: unknown } | null = null;
  const source = {
    entries,
    upper: () => upper,
    failure: () => failure,
    gone: (feed: MemoryFeed) => feeds.delete(feed),
  };
  const append = (selector: string, frames: readonly Uint8Array[]): Lsn => {
    upper = toLsn(upper + 0x10);
    for (const frame of frames) entries.push({ ts: upper, selector, frame });
    for (const feed of feeds) feed.wake(selector);
    return upper;
  };
  const engine: MemoryEngine = {
    tables: [CITIES],
    get upper() {
      return upper;
    },
    isFlooded: false,
    feeds,
    leases,
    released,
    snapshotBytes: 4096,
    since: LSN_ZERO,
    patchStatus: {},
    makeSnapshot: async () => {},
    makeLines: async function* (request) {
      yield lineOf({ type: 'hello', selectors: request.selectors });
      yield lineOf({ type: 'snapshot_completed', ts: formatLsn(upper) });
    },
    uploads: {
      apply: async ({ head, transactions }) => ({
        ...{ accepted: transactions.at(-1)?.number ?? 0, timeline: head.timeline },
        ...{ position: upper, rejected: [], refused: [], applied: transactions.length },
      }),
    },
    makeDigest: async (request) => digestOf(request.selectors, upper, request.bucketCount),
    commit: (selector, lines = []) => {
      const ts = formatLsn(toLsn(upper + 0x10));
      const all = [...lines, JSON.stringify({ type: 'commit', ts, txid: '7', micros: 1 })];
      return append(selector, [Buffer.from(`${all.join('\n')}\n`)]);
    },
    commitFrames: append,
    advance: () => append('nobody', []),
    failReads: (error) => {
      failure = { error };
      for (const feed of feeds) feed.onReady?.();
    },
    status: () => ({ ...statusOf(upper, engine.since, feeds.size, leases), ...engine.patchStatus }),
    openFeed: (request) => {
      if (request.since < engine.since)
        throw new TidelockError({ code: 'TOO_OLD', message: 'old' });
      if (request.replica !== undefined) leases.set(request.replica, request.since);
      const feed = new MemoryFeed(source, request);
      feeds.add(feed);
      return feed;
    },
    snapshotFile: async (request) => {
      await engine.makeSnapshot(request);
      return fileOf(engine.snapshotBytes, upper, released);
    },
    snapshotLines: (request, held) => engine.makeLines(request, held),
    digest: (request) => engine.makeDigest(request),
    limitChecks: () => undefined,
    lease: (replica, ts) => void leases.set(replica, ts),
    endLease: (replica) => void leases.delete(replica),
    waitFor: async (ts) => {
      if (upper > ts) return upper;
      throw new TidelockError({ code: 'TIMEOUT', message: 'not there yet' });
    },
  };
  return engine;
}

type FeedSource = {
  readonly entries: readonly Entry[];
  readonly upper: () => Lsn;
  readonly failure: () => { error: unknown } | null;
  readonly gone: (feed: MemoryFeed) => void;
};

class MemoryFeed implements Feed {
  readonly head: Uint8Array;
  onReady: (() => void) | null = null;
  position: Lsn;
  readonly #source: FeedSource;
  readonly #selectors: ReadonlySet<string>;
  #next = 0;
  #isWaiting = false;

  constructor(source: FeedSource, request: FeedRequest) {
    this.#source = source;
    this.#selectors = new Set(request.selectors);
    this.position = request.since;
    const hello = { type: 'hello', protocol: 2, timeline: 't1', selectors: request.selectors };
    this.head = lineOf({ ...hello, since: formatLsn(request.since) });
  }

  read(): Uint8Array | null {
    const failure = this.#source.failure();
    if (failure !== null) throw failure.error;
    while (this.#next < this.#source.entries.length) {
      const entry = this.#source.entries[this.#next++];
      if (entry === undefined || entry.ts <= this.position) continue;
      const isLast = this.#source.entries[this.#next]?.ts !== entry.ts;
      if (isLast) this.position = entry.ts;
      if (this.#selectors.has(entry.selector)) return entry.frame;
    }
    this.position = this.#source.upper();
    this.#isWaiting = true;
    return null;
  }

  progressLine(kind: 'progress' | 'heartbeat'): Uint8Array {
    const ts = formatLsn(this.position);
    return lineOf(kind === 'progress' ? { type: kind, ts } : { type: kind, ts, micros: 1 });
  }

  wake(selector: string): void {
    if (!this.#isWaiting || !this.#selectors.has(selector)) return;
    this.#isWaiting = false;
    this.onReady?.();
  }

  close(): void {
    this.#source.gone(this);
  }
}

function statusOf(
  upper: Lsn,
  since: Lsn,
  subscribers: number,
  leases: ReadonlyMap<string, Lsn>,
): EngineStatus {
  return {
    timeline: 't1',
    source: {
      ...{ state: 'streaming', since: '2026-01-01T00:00:00.000Z', attempts: 0 },
      ...{ retainedWalBytes: 100, slot: 'tidelock', lagBytes: 7 },
    },
    log: { upper, since, sizeBytes: 10, groups: 1, state: 'ok', confirmed: upper },
    tables: [{ name: 'public.cities', state: 'live', selector: 'country' }],
    leases: [...leases].map(([replica, ts]) => ({ replica, ts, expiresInS: 60 })),
    subscribers,
    counters: { transactions: 3, changes: 5, redelivered: 0, snapshots: 1, tombstones: 0 },
    lastCommitLagS: 0.5,
  };
}

function digestOf(selectors: readonly string[], ts: Lsn, bucketCount?: number): DigestAnswer {
  const entry = { digest: '0'.repeat(32), rows: 0 };
  return {
    timeline: 't1',
    ts,
    digests: selectors.map((selector) => ({ table: 'public.cities', selector, ...entry })),
    ...(bucketCount === undefined
      ? {}
      : { buckets: { 'public.cities': Array.from({ length: bucketCount }, () => entry) } }),
  };
}

function fileOf(sizeBytes: number, ts: Lsn, released: string[]): SnapshotFile {
  const folder = mkdtempSync(join(tmpdir(), 'tidelock-test-'));
  const path = join(folder, 'snapshot.db');
  writeFileSync(path, Buffer.alloc(sizeBytes, 7));
  const release = async (): Promise<void> => {
    rmSync(folder, { recursive: true, force: true });
    released.push(path);
  };
  return { path, sizeBytes, ts, timeline: 't1', release };
}
