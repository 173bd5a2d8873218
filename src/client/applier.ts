/**
 * Takes the lines of one feed connection and applies them as whole transactions. No clock, no network.
 *
 * Complete transactions of one chunk go into ONE storage transaction: a replica that is behind gets large
 * chunks and commits seldom, one that is caught up gets one transaction a chunk. A transaction that grows
 * beyond `openBytesMax` is streamed into a storage transaction that stays open until its commit line, so
 * memory does not depend on its size; `abandon` rolls it back. The position is what the store committed.
 */
import { TidelockError } from '../core/errors.ts';
import { formatLsn, parseLsn, type Ts } from '../core/lsn.ts';
import type { RowChange } from '../core/row-change.ts';
import { ChangeDecoder, malformed } from '../protocol/change-decoder.ts';
import { type DigestEntry, PROTOCOL_VERSION } from '../protocol/feed.ts';
import type { RawLine } from '../protocol/lines.ts';
import { countChanges } from './companions.ts';
import type { CrashHook } from './crash-points.ts';
import type { DigestDifference, DigestHistory } from './digest-history.ts';
import { errorFromWire } from './errors.ts';
import { FeedHead } from './feed-head.ts';
import { LargeTransaction } from './large-transaction.ts';
import type { ReplicaStore, Spool } from './store.ts';

/** Bytes of one unfinished transaction that are kept in memory before it is streamed. */
export const OPEN_BYTES_MAX = 1024 * 1024;

/** More changes than this are not held back for the end of a chunk. */
const BATCH_CHANGES_MAX = 20_000;

const UNKNOWN_TYPES_MAX = 20;

/** What happened, in order, for whoever drives the applier. */
export type FeedNews =
  | { readonly kind: 'hello' }
  | {
      readonly kind: 'applied';
      readonly ts: Ts;
      /** Commit times in Postgres, microseconds since 1970, of the first and the last transaction. */
      readonly firstMicros: number;
      readonly micros: number;
      readonly transactions: number;
      readonly changes: number;
    }
  /** A marker of the server at a position that the replica has reached. */
  | { readonly kind: 'marker'; readonly ts: Ts; readonly isProgress: boolean }
  | { readonly kind: 'verified'; readonly ts: Ts }
  | {
      readonly kind: 'mismatch';
      readonly ts: Ts;
      readonly differences: readonly DigestDifference[];
    }
  | { readonly kind: 'resync'; readonly table: string; readonly reason: string }
  | { readonly kind: 'unknownLine'; readonly type: string };

export type ApplierOptions = {
  readonly store: ReplicaStore;
  readonly history: DigestHistory;
  readonly onNews: (news: FeedNews) => void;
  readonly crashPoint: CrashHook;
  readonly openBytesMax?: number;
  /** Where large transactions wait for their end, when others write into the store too. */
  readonly spool?: Spool | null;
  /** Stop exactly here: later transactions are not applied, and `isFinished` becomes true. */
  readonly until?: Ts;
};

type Batch = {
  readonly changes: RowChange[];
  readonly firstTs: Ts;
  readonly firstMicros: number;
  ts: Ts;
  micros: number;
  transactions: number;
};

export class FeedApplier {
  readonly #options: ApplierOptions;
  readonly #store: ReplicaStore;
  #decoder: ChangeDecoder;
  readonly #unknownTypes = new Set<string>();
  #head: FeedHead | null = null;
  #resyncReason = 'its new definition cannot be followed row by row';
  #isFinished = false;
  /** Lines of the transaction that is still arriving, and how much of the stream they took. */
  #pending: RawLine[] = [];
  #pendingBytes = 0;
  /** Complete transactions that wait for the end of the chunk. */
  #batch: Batch | null = null;
  /** The large transaction that is arriving. */
  #open: LargeTransaction | null = null;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#decoder = this.#newDecoder();
  }

  /** True when nothing more is wanted of this feed: `until` is reached, or a resync is needed. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /**
   * Applies the lines that `sizeBytes` of the stream held. Throws `PROTOCOL`, `TIMELINE_CHANGED`, what an
   * error line says, and what the store throws; call `abandon` then.
   */
  take(lines: readonly RawLine[], sizeBytes: number): void {
    this.#pendingBytes += sizeBytes;
    try {
      for (const line of lines) {
        if (this.#isFinished) break;
        this.#line(line);
      }
    } finally {
      this.#flush(); // what is complete is good, whatever comes after it
    }
    const bytesMax = this.#options.openBytesMax ?? OPEN_BYTES_MAX;
    const isLarge = this.#open !== null || this.#pendingBytes > bytesMax;
    if (isLarge && !this.#isFinished && this.#pending.length > 0) this.#stream();
  }

  /** The connection is over: what is not committed goes. */
  abandon(): void {
    const open = this.#open;
    this.#open = null;
    this.#batch = null;
    this.#pending = [];
    open?.rollback();
  }

  #line(line: RawLine): void {
    switch (line.type) {
      case 'insert':
      case 'update':
      case 'delete':
      case 'truncate':
      case 'drop':
      case 'resync':
      case 'table':
        this.#change(line);
        return;
      case 'commit':
        this.#commit(line);
        return;
      case 'progress':
      case 'heartbeat':
        this.#marker(line);
        return;
      case 'hello':
        this.#hello(line);
        return;
      case 'error':
        throw errorFromWire(line.error);
      default:
        this.#unknown(line.type);
    }
  }

  #change(line: RawLine): void {
    if (this.#head === null) throw malformed(line, 'it stands before hello');
    if (this.#head.take(line)) return;
    this.#pending.push(line);
    if (line.type === 'resync') this.#resyncReason = String(line.reason);
  }

  /** Later versions may add lines; each type is worth one warning. */
  #unknown(type: string): void {
    if (this.#unknownTypes.has(type) || this.#unknownTypes.size >= UNKNOWN_TYPES_MAX) return;
    this.#unknownTypes.add(type);
    this.#options.onNews({ kind: 'unknownLine', type });
  }

  #hello(line: RawLine): void {
    const { identity } = this.#store;
    if (line.protocol !== PROTOCOL_VERSION) {
      throw malformed(line, `it speaks protocol ${String(line.protocol)}, not ${PROTOCOL_VERSION}`);
    }
    if (line.timeline !== identity.timeline) {
      throw new TidelockError({
        code: 'TIMELINE_CHANGED',
        message: `the server is on timeline ${String(line.timeline)}, the replica on ${identity.timeline}`,
      });
    }
    if (parsePosition(line, 'since') > identity.position) {
      const mine = formatLsn(identity.position);
      throw malformed(
        line,
        `it starts at ${String(line.since)}, after the replica's position ${mine}`,
      );
    }
    this.#head = new FeedHead(line);
    this.#options.onNews({ kind: 'hello' });
  }

  #commit(line: RawLine): void {
    if (this.#head === null) throw malformed(line, 'it stands before hello');
    const ts = parsePosition(line, 'ts');
    const { until } = this.#options;
    if (until !== undefined && ts > until) this.#reach(until);
    else if (ts <= this.#position) this.#forget();
    else if (this.#open !== null) this.#commitOpen(line, ts);
    else this.#complete(line, ts);
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  /** Where the replica stands once the batch is flushed. */
  get #position(): Ts {
    return this.#batch?.ts ?? this.#store.identity.position;
  }

  /** The transaction that arrives is one that the replica has. */
  #forget(): void {
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    open.rollback();
    this.#decoder = this.#newDecoder();
  }

  #complete(line: RawLine, ts: Ts): void {
    const micros = typeof line.micros === 'number' ? line.micros : 0;
    const changes = this.#decoded();
    const batch = this.#batch;
    if (batch === null) {
      this.#batch = { changes, firstTs: ts, firstMicros: micros, ts, micros, transactions: 1 };
      return;
    }
    for (const change of changes) batch.changes.push(change);
    batch.ts = ts;
    batch.micros = micros;
    batch.transactions += 1;
    if (batch.changes.length >= BATCH_CHANGES_MAX) this.#flush();
  }

  #decoded(): RowChange[] {
    return this.#decode(this.#pending);
  }

  #decode(lines: readonly RawLine[]): RowChange[] {
    const changes: RowChange[] = [];
    for (const line of lines) {
      const change = this.#decoder.decode(line);
      if (change !== null) changes.push(change);
    }
    return changes;
  }

  #flush(): void {
    const batch = this.#batch;
    if (batch === null) return;
    this.#batch = null;
    const { crashPoint, onNews, history } = this.#options;
    crashPoint('apply: before begin');
    const changed = this.#write(batch.changes, batch.ts);
    history.note(batch.firstTs, batch.ts, changed);
    crashPoint('apply: after commit');
    const { ts, micros, firstMicros, transactions, changes } = batch;
    const count = countChanges(changes, this.#store.tables);
    onNews({ kind: 'applied', ts, micros, firstMicros, transactions, changes: count });
    if (changes.some((change) => change.type === 'table' || change.type === 'resync')) {
      this.#checkTables();
    }
  }

  /** A table that cannot follow stands still, with its state in the file; the others went on. */
  #checkTables(): void {
    const tables = stalledTables(this.#store);
    if (tables.length === 0) return;
    this.#isFinished = true;
    const table = tables.join(', ');
    this.#options.onNews({ kind: 'resync', table, reason: this.#resyncReason });
  }

  #write(changes: readonly RowChange[], ts: Ts): readonly DigestEntry[] {
    const transaction = this.#store.begin();
    try {
      if (changes.length > 0) transaction.apply(changes);
      this.#options.crashPoint('apply: before commit');
      return transaction.commit(ts);
    } catch (error) {
      transaction.rollback();
      throw error;
    }
  }

  /** Takes the arrived part of a large transaction out of memory, invisible for others. */
  #stream(): void {
    const { spool = null } = this.#options;
    const decode = (lines: readonly RawLine[]): RowChange[] => this.#decode(lines);
    this.#open ??= new LargeTransaction({ store: this.#store, spool, decode });
    const lines = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#open.take(lines);
    this.#options.crashPoint('stream: inside a large transaction');
  }

  #commitOpen(line: RawLine, ts: Ts): void {
    this.#stream();
    const open = this.#open;
    if (open === null) return;
    this.#options.crashPoint('stream: before commit');
    const changed = open.commit(ts);
    this.#open = null;
    this.#options.history.note(ts, ts, changed);
    this.#options.crashPoint('apply: after commit');
    const micros = typeof line.micros === 'number' ? line.micros : 0;
    const { changes } = open;
    this.#options.onNews({
      kind: 'applied',
      ts,
      micros,
      firstMicros: micros,
      transactions: 1,
      changes,
    });
    this.#checkTables();
  }

  /** `progress` and `heartbeat`: nothing at or before their `ts` is missing. */
  #marker(line: RawLine): void {
    if (this.#head === null) throw malformed(line, 'it stands before hello');
    const ts = parsePosition(line, 'ts');
    this.#flush();
    if (this.#isFinished) return;
    const { until, onNews } = this.#options;
    if (until !== undefined && ts >= until) this.#reach(until);
    else if (ts > this.#position) this.#advance(line, ts);
    onNews({ kind: 'marker', ts, isProgress: line.type === 'progress' });
    if (until !== undefined) return;
    const difference = line.type === 'progress' ? this.#head.compare(this.#decoder) : null;
    if (difference !== null) this.#finish({ kind: 'resync', ...difference });
    if (Array.isArray(line.digests)) this.#compare(ts, line.digests as DigestEntry[]);
  }

  #advance(line: RawLine, ts: Ts): void {
    if (this.#open === null && this.#pending.length === 0) {
      this.#write([], ts);
      return;
    }
    if (line.type === 'progress') throw malformed(line, 'it stands inside a transaction');
    // A heartbeat inside a transaction is only a sign of life.
  }

  #reach(until: Ts): void {
    this.#isFinished = true;
    this.#forget();
    this.#flush();
    this.#pending = [];
    if (until > this.#store.identity.position) this.#write([], until);
  }

  #compare(ts: Ts, theirs: readonly DigestEntry[]): void {
    const result = this.#options.history.compare(ts, theirs);
    if (result.kind === 'same') this.#options.onNews({ kind: 'verified', ts });
    if (result.kind !== 'different') return;
    this.#finish({ kind: 'mismatch', ts, differences: result.differences });
  }

  #finish(news: FeedNews): void {
    this.#isFinished = true;
    this.#flush();
    this.#options.onNews(news);
  }

  #newDecoder(): ChangeDecoder {
    return new ChangeDecoder(this.#store.tables, this.#store.identity.selectors);
  }
}

/** Tables that stand still until a difference snapshot replaces their rows. */
export function stalledTables(store: ReplicaStore): readonly string[] {
  return store.storedTables
    .filter((stored) => stored.state === 'resyncing')
    .map((stored) => stored.table.name);
}

/** Throws `PROTOCOL` when the field is no position. */
export function parsePosition(line: RawLine, field: string): Ts {
  const value = line[field];
  try {
    return parseLsn(typeof value === 'string' ? value : '', field);
  } catch (cause) {
    throw new TidelockError({
      code: 'PROTOCOL',
      message: `${field} of a ${line.type} line is no position: ${JSON.stringify(value) ?? 'it is missing'}`,
      cause,
    });
  }
}
