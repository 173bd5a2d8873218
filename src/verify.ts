/**
 * Compares a replica file with Postgres, exactly: both sides are brought to one position.
 *
 *   copy the file at its position p (its writer goes on meanwhile) -> does it agree with its own digests?
 *   -> ask the server for digests of Postgres, at P >= p -> apply the feed from p to P to the copy -> compare
 *   -> when different: repair a second copy by a difference snapshot (at P2), bring the first to P2 too, and
 *      compare the two row by row
 *
 * The replica itself is only read, and no lease of it moves.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { FeedApplier, type FeedNews } from './client/applier.ts';
import { type DigestDifference, DigestHistory, differencesOf } from './client/digest-history.ts';
import { resync } from './client/resync.ts';
import { ServerApi } from './client/server-api.ts';
import { TidelockError } from './core/errors.ts';
import { formatLsn, parseLsn, type Ts } from './core/lsn.ts';
import { HttpTransport, type TokenSource } from './http-transport.ts';
import type { DigestEntry } from './protocol/feed.ts';
import { LineSplitter } from './protocol/lines.ts';
import { compareReplicas, copyReplica, type RowDifference } from './sqlite/replica-copy.ts';
import { openReplicaStore, type ReplicaStore } from './sqlite/replica-store.ts';

const HEARTBEAT_S = 5;

export type VerifyOptions = {
  readonly server: string;
  readonly file: string;
  readonly token?: TokenSource | undefined;
  /** Differing rows to name, at most. */
  readonly limit: number;
  readonly signal: AbortSignal;
  /** What is being done, for people. */
  readonly onPhase?: (phase: string) => void;
};

export type VerifyReport = {
  readonly isEqual: boolean;
  readonly file: string;
  readonly timeline: string;
  readonly selectors: readonly string[];
  /** Where the replica stands, and where it was compared. */
  readonly position: string;
  readonly comparedAt: string;
  /** Transactions between the two, applied to the copy first. */
  readonly newerTransactions: number;
  /** What Postgres holds at `comparedAt`, and whether the replica has the same. */
  readonly tables: readonly (DigestEntry & { readonly isEqual: boolean })[];
  /** Digests that the file states about itself and that its rows do not have. */
  readonly wrongDigests: readonly DigestDifference[];
  readonly differences: readonly DigestDifference[];
  /** At most `limit` rows that differ, and how many there are. */
  readonly rows: readonly RowDifference[];
  readonly rowCount: number;
};

/** Throws `SERVER_UNREACHABLE`, `TIMELINE_CHANGED`, `TOO_OLD`, `REPLICA_UNFIT`, what the server refuses. */
export async function verifyReplica(options: VerifyOptions): Promise<VerifyReport> {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-verify-'));
  try {
    return await new Verification(options, dir).run();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

class Verification {
  readonly #options: VerifyOptions;
  readonly #api: ServerApi;
  readonly #copy: string;
  readonly #repaired: string;

  constructor(options: VerifyOptions, dir: string) {
    this.#options = options;
    this.#api = new ServerApi(new HttpTransport(options.server, options.token));
    this.#copy = join(dir, 'replica.db');
    this.#repaired = join(dir, 'repaired.db');
  }

  async run(): Promise<VerifyReport> {
    const file = resolve(this.#options.file);
    this.#say('copying the replica');
    copyReplica(file, this.#copy);
    const store = openReplicaStore({ file: this.#copy });
    try {
      return await this.#compare(file, store);
    } finally {
      store.close();
    }
  }

  async #compare(file: string, store: ReplicaStore): Promise<VerifyReport> {
    for (const { table, state } of store.storedTables) {
      if (state !== 'live') throw unsettled({ table: table.name, reason: 'it waits for its rows' });
    }
    const { position, selectors, timeline } = store.identity;
    this.#say('checking the replica against its own digests');
    const wrongDigests = differencesOf(store.digests(), await store.scanDigests());
    this.#say('asking for digests of Postgres');
    const theirs = await this.#digests(store);
    const newerTransactions = await this.#follow(store, theirs.ts);
    const differences = differencesOf(await store.scanDigests(), theirs.digests);
    const found = differences.length === 0 ? { rows: [], count: 0 } : await this.#findRows(store);
    return {
      ...{ file, timeline, selectors, wrongDigests, differences, newerTransactions },
      isEqual: differences.length === 0 && wrongDigests.length === 0,
      position: formatLsn(position),
      comparedAt: formatLsn(theirs.ts),
      tables: judged(theirs.digests, differences),
      rows: found.rows,
      rowCount: found.count,
    };
  }

  async #digests(store: ReplicaStore): Promise<{ ts: Ts; digests: readonly DigestEntry[] }> {
    const { selectors, timeline, position } = store.identity;
    const query = new URLSearchParams();
    for (const selector of selectors) query.append('selector', selector);
    const answer = await this.#api.getJson(`/v1/digest?${query}`, this.#options.signal);
    const { timeline: theirTimeline, ts: text, digests } = parseAnswer(answer);
    if (theirTimeline !== timeline) throw foreign(timeline, theirTimeline);
    const ts = parseLsn(text, 'ts');
    if (ts >= position) return { ts, digests };
    throw new TidelockError({
      code: 'NOT_READY',
      message: `the server stands at ${text}, before the replica's ${formatLsn(position)}`,
      hint: 'try again when the server has caught up with Postgres',
    });
  }

  /** Applies the feed up to exactly `until`; returns the number of transactions. */
  async #follow(store: ReplicaStore, until: Ts): Promise<number> {
    const { position: since, selectors, timeline } = store.identity;
    if (since === until) return 0;
    this.#say(`applying what is newer than ${formatLsn(since)}`);
    let transactions = 0;
    const onNews = (news: FeedNews): void => {
      if (news.kind === 'applied') transactions += news.transactions;
      if (news.kind === 'resync') throw unsettled(news);
    };
    const history = new DigestHistory(since, store.digests());
    const applier = new FeedApplier({ store, history, onNews, until, crashPoint: () => {} });
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#options.signal]);
    try {
      const request = { selectors, since, timeline, signal, heartbeatS: HEARTBEAT_S };
      const feed = { ...request, replica: undefined, isFollowing: false };
      const splitter = new LineSplitter();
      for await (const chunk of await this.#api.feed(feed)) {
        applier.take(splitter.push(chunk), chunk.byteLength);
        if (applier.isFinished) break;
      }
    } finally {
      applier.abandon();
      stop.abort();
    }
    if (store.identity.position === until) return transactions;
    throw new TidelockError({
      code: 'SERVER_UNREACHABLE',
      message: `the feed ended at ${formatLsn(store.identity.position)}, before ${formatLsn(until)}`,
      hint: 'try again',
    });
  }

  /** Both copies to one position, one of them as Postgres has it. */
  async #findRows(store: ReplicaStore): Promise<{ rows: readonly RowDifference[]; count: number }> {
    this.#say('the digests differ; looking for the rows');
    copyReplica(this.#copy, this.#repaired);
    const repaired = openReplicaStore({ file: this.#repaired });
    try {
      const { selectors } = store.identity;
      const { server, signal } = this.#options;
      const quiet = { onChunk: () => {}, crashPoint: () => {} };
      const source = { api: this.#api, store: repaired, server, selectors, signal };
      await resync({ ...source, ...quiet, replica: undefined });
      await this.#follow(store, repaired.identity.position);
    } finally {
      repaired.close();
    }
    const { limit } = this.#options;
    return compareReplicas({ file: this.#copy, reference: this.#repaired, limit });
  }

  #say(phase: string): void {
    this.#options.onPhase?.(phase);
  }
}

type DigestReply = { timeline: string; ts: string; digests: DigestEntry[] };

function parseAnswer(answer: unknown): DigestReply {
  const reply = answer as Partial<DigestReply> | null;
  const isReply =
    typeof reply?.timeline === 'string' &&
    typeof reply.ts === 'string' &&
    Array.isArray(reply.digests);
  if (isReply) return reply as DigestReply;
  throw new TidelockError({ code: 'PROTOCOL', message: '/v1/digest answered with no digests' });
}

function judged(
  digests: readonly DigestEntry[],
  differences: readonly DigestDifference[],
): readonly (DigestEntry & { readonly isEqual: boolean })[] {
  const name = (entry: { table: string; selector: string }): string =>
    JSON.stringify([entry.table, entry.selector]);
  const different = new Set(differences.map(name));
  const known = new Set(digests.map(name));
  const extra = differences
    .filter((entry) => !known.has(name(entry)))
    .map(({ table, selector, theirs }) => ({ table, selector, ...theirs }));
  return [...digests, ...extra].map((entry) => ({
    ...entry,
    isEqual: !different.has(name(entry)),
  }));
}

function foreign(ours: string, theirs: string): TidelockError {
  return new TidelockError({
    code: 'TIMELINE_CHANGED',
    message: `the replica is on timeline ${ours}, the server on ${theirs}: they cannot be compared`,
    hint: 'let `tidelock replicate` follow this server first; it fetches the difference',
  });
}

function unsettled(news: { readonly table: string; readonly reason: string }): TidelockError {
  return new TidelockError({
    code: 'NOT_READY',
    message: `${news.table} has to be synchronised again before it can be compared: ${news.reason}`,
    hint: 'let `tidelock replicate` catch up first',
  });
}
