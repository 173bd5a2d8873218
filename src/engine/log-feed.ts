/** One subscriber's way through the log. */
import type { TidelockError } from '../core/errors.ts';
import { formatLsn, type Ts } from '../core/lsn.ts';
import { copySlices } from '../log/slices.ts';
import type { Feed } from './api.ts';
import type { EngineCrashHook } from './crash-points.ts';
import type { CheckedReader, DigestMarkers } from './digest-markers.ts';
import type { LogTail, Piece } from './log-tail.ts';
import type { ReaderSet, Run } from './reader-sets.ts';

/** Small groups are put together into frames of about this size; larger ones go alone. */
const FRAME_BYTES = 64 * 1024;

export type LogFeedOptions = {
  readonly tail: LogTail;
  readonly selectors: readonly string[];
  readonly since: Ts;
  /** Makes the `hello` and `table` lines; nothing is kept of them. */
  readonly head: () => Uint8Array;
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
  onReady: (() => void) | null = null;
  readonly #options: LogFeedOptions;
  readonly #set: ReaderSet;
  #seq: number;
  #position: Ts;
  #deliveredAt: Ts;
  #marker: { readonly line: Uint8Array; readonly ts: Ts } | null = null;
  #ended: TidelockError | null = null;
  #isClosed = false;

  constructor(options: LogFeedOptions) {
    this.#options = options;
    this.#set = options.tail.sets.join(options.selectors);
    this.#position = options.since;
    this.#deliveredAt = options.since;
    this.#seq = options.tail.seqBefore(options.since);
  }

  get head(): Uint8Array {
    return this.#options.head();
  }

  /** Names the set of selectors: readers with the same one share frames and scans. */
  get key(): string {
    return this.#set.key;
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
    const before = this.#position;
    const frame = this.#collect();
    if (frame === null) return this.#atEnd();
    if (this.#position > before) this.#options.onAdvanced(this.#position);
    this.#deliveredAt = this.#position;
    this.#options.crashPoint?.('frameRead');
    return frame;
  }

  /** The next groups as one frame, and the position behind them. Null: there is nothing. */
  #collect(): Uint8Array | null {
    const { tail } = this.#options;
    const pieces: Piece[] = [];
    let sizeBytes = 0;
    // Bounded by the groups of the log: every turn moves `#seq` up or ends.
    while (sizeBytes < FRAME_BYTES) {
      const seq = tail.next(this.#set.wanted, this.#seq);
      if (seq === Number.POSITIVE_INFINITY) break;
      const run = sizeBytes === 0 ? tail.runAt(seq, this.#set, this.#position) : null;
      if (run !== null) return this.#take(run);
      const piece = tail.piece(seq, this.#set, this.#position);
      if (sizeBytes > 0 && sizeBytes + piece.sizeBytes > FRAME_BYTES) break;
      this.#seq = seq;
      const { part, lastTs } = piece.group.head;
      if (part !== 'open' && lastTs > this.#position) this.#position = lastTs;
      if (piece.sizeBytes === 0) continue;
      pieces.push(piece);
      sizeBytes += piece.sizeBytes;
    }
    return this.#frameOf(pieces, sizeBytes);
  }

  #frameOf(pieces: readonly Piece[], sizeBytes: number): Uint8Array | null {
    const [first] = pieces;
    const last = pieces.at(-1);
    if (first === undefined || last === undefined) return null;
    const { tail } = this.#options;
    if (first === last) return tail.frame(first, this.#set);
    const frame = Buffer.allocUnsafe(sizeBytes);
    let end = 0;
    for (const { group, slices } of pieces) {
      end = copySlices(group.content.body, slices, frame, end);
    }
    if (first.isWhole) {
      tail.sets.keep(this.#set, {
        firstSeq: first.group.head.seq,
        lastSeq: this.#seq,
        firstTs: first.group.head.firstTs,
        lastTs: this.#position,
        frame,
      });
    }
    return frame;
  }

  #take(run: Run): Uint8Array {
    this.#seq = run.lastSeq;
    if (run.lastTs > this.#position) this.#position = run.lastTs;
    return run.frame;
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
    this.#options.tail.sets.leave(this.#set);
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
    if (tail.next(this.#set.wanted, this.#seq) !== Number.POSITIVE_INFINITY) return;
    const { upper, heads } = tail.store;
    if (upper > this.#position) this.#position = upper;
    this.#seq = Math.max(this.#seq, heads[heads.length - 1]?.seq ?? 0);
  }
}
