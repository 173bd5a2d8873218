/** One subscriber's way through the log. */
import type { TidelockError } from '../core/errors.ts';
import { formatLsn, type Ts } from '../core/lsn.ts';
import type { Feed } from './api.ts';
import type { EngineCrashHook } from './crash-points.ts';
import type { CheckedReader, DigestMarkers } from './digest-markers.ts';
import type { LogTail } from './log-tail.ts';

export type LogFeedOptions = {
  readonly tail: LogTail;
  readonly selectors: readonly string[];
  readonly since: Ts;
  readonly head: Uint8Array;
  /** Wall clock, microseconds since 1970, for heartbeats. */
  readonly nowMicros: () => number;
  /** Everything for this subscriber up to `ts` has been read. */
  readonly onCaughtUp: (ts: Ts) => void;
  /** Everything for this subscriber up to `ts` has been handed out; it reads on. */
  readonly onAdvanced: (ts: Ts) => void;
  readonly onClose: () => void;
  /** Called when the reader has caught up, until it is closed. */
  readonly markers?: DigestMarkers | undefined;
  readonly crashPoint?: EngineCrashHook | undefined;
};

export class LogFeed implements Feed, CheckedReader {
  /** Names the set of selectors: readers with the same one share frames and scans. */
  readonly key: string;
  readonly head: Uint8Array;
  onReady: (() => void) | null = null;
  readonly #options: LogFeedOptions;
  readonly #wanted: ReadonlySet<string>;
  #seq: number;
  #position: Ts;
  #deliveredAt: Ts;
  #marker: { readonly line: Uint8Array; readonly ts: Ts } | null = null;
  #ended: TidelockError | null = null;
  #isClosed = false;

  constructor(options: LogFeedOptions) {
    this.#options = options;
    this.head = options.head;
    this.#wanted = new Set(options.selectors);
    this.key = JSON.stringify([...this.#wanted].sort());
    this.#position = options.since;
    this.#deliveredAt = options.since;
    this.#seq = options.tail.seqBefore(options.since);
  }

  get position(): Ts {
    return this.#position;
  }

  get selectors(): readonly string[] {
    return this.#options.selectors;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get deliveredAt(): Ts {
    return this.#deliveredAt;
  }

  offer(line: Uint8Array, ts: Ts): void {
    this.#marker = { line, ts };
    this.onReady?.();
  }

  read(): Uint8Array | null {
    if (this.#ended !== null) throw this.#ended;
    if (this.#isClosed) return null;
    const { tail } = this.#options;
    // Bounded by the groups of the log: every turn moves `#seq` up or ends.
    for (;;) {
      const seq = tail.next(this.#wanted, this.#seq);
      if (seq === Number.POSITIVE_INFINITY) return this.#atEnd();
      const reader = { key: this.key, wanted: this.#wanted, after: this.#position };
      const frame = tail.frame(seq, reader);
      const { head } = tail.read(seq);
      this.#seq = seq;
      if (head.part !== 'open' && head.lastTs > this.#position) {
        this.#position = head.lastTs;
        this.#options.onAdvanced(this.#position);
      }
      if (frame.length === 0) continue;
      this.#deliveredAt = this.#position;
      this.#options.crashPoint?.('frameRead');
      return frame;
    }
  }

  progressLine(kind: 'progress' | 'heartbeat'): Uint8Array {
    this.#skipIdle();
    const ts = formatLsn(this.#position);
    return kind === 'progress'
      ? Buffer.from(`{"type":"progress","ts":"${ts}"}\n`)
      : Buffer.from(
          `{"type":"heartbeat","ts":"${ts}","micros":${Math.round(this.#options.nowMicros())}}\n`,
        );
  }

  /** There is something new, and nothing for us at or before `after`. */
  wake(after: Ts): void {
    if (after > this.#position) {
      this.#position = after;
      this.#seq = Math.max(this.#seq, this.#options.tail.seqBefore(after));
    }
    this.onReady?.();
  }

  /** The history of this feed is gone: the next read throws. */
  end(error: TidelockError): void {
    this.#ended = error;
    this.onReady?.();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.markers?.remove(this);
    this.#options.onClose();
  }

  /** Everything is delivered: the place for a marker, because no transaction is half way. */
  #atEnd(): Uint8Array | null {
    this.#skipIdle();
    const marker = this.#marker;
    if (marker !== null && this.#position >= marker.ts) {
      this.#marker = null;
      return marker.line;
    }
    this.#options.onCaughtUp(this.#position);
    this.#options.markers?.add(this);
    return null;
  }

  /** Nothing for us up to the log's upper: that is our position now. */
  #skipIdle(): void {
    const { tail } = this.#options;
    if (tail.next(this.#wanted, this.#seq) !== Number.POSITIVE_INFINITY) return;
    const { upper, heads } = tail.store;
    if (upper > this.#position) this.#position = upper;
    this.#seq = Math.max(this.#seq, heads[heads.length - 1]?.seq ?? 0);
  }
}
