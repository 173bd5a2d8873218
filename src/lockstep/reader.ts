/** One reader: its copy of what there is, then its place among those who follow. */
import type { TxidSnapshot } from '../core/txid-snapshot.ts';
import {
  controlLine,
  LOCKSTEP_HEARTBEAT,
  type LockstepMode,
  type LockstepSince,
} from '../protocol/lockstep.ts';
import type { Frame, Sink, StreamRequest } from './api.ts';
import type { ReaderClock } from './clock.ts';
import type { RowLine } from './lines.ts';
import { isDue, resumeAt, type Seen } from './seen.ts';

export class Reader {
  readonly sink: Sink;
  readonly request: StreamRequest;
  readonly #clock: ReaderClock;
  #seen: Seen | null = null;
  #stopHeartbeat: (() => void) | null = null;
  #hasNews = false;
  /** The `since` of the last row that was written. */
  #written: LockstepSince;

  constructor(request: StreamRequest, sink: Sink, clock: ReaderClock) {
    this.request = request;
    this.sink = sink;
    this.#clock = clock;
    this.#written = request.since;
  }

  /** Heartbeats from now on, also while the reader waits for its copy: the original client gives up after 60 s of silence. */
  start(): void {
    if (this.request.isFollowing) this.#beatLater();
  }

  get mode(): LockstepMode {
    return this.request.mode;
  }

  /** Null until the copy is complete. */
  get seen(): Seen | null {
    return this.#seen;
  }

  /** What the next read has to begin with; the reader's own `since` until something was read. */
  get from(): LockstepSince {
    return this.#seen === null ? this.request.since : resumeAt(this.#seen);
  }

  /** Rows of a round that has not ended were written. */
  get isAmid(): boolean {
    return this.#hasNews && this.#seen !== null;
  }

  isDue(next: TxidSnapshot, { txid }: RowLine): boolean {
    return this.#seen !== null && isDue(this.#seen, next, txid);
  }

  /** `since` is that of the frame's last line. */
  write(frame: Frame, since: LockstepSince): void {
    if (frame.lines.length === 0 || !this.sink.isOpen) return;
    this.#hasNews = true;
    this.#written = since;
    this.sink.write(frame);
    this.#beatLater();
  }

  /** The copy is complete: everything that `seen` shows has been written. */
  complete(seen: Seen): void {
    this.#seen = seen;
    this.#own(controlLine('snapshot_completed', this.#seconds(), this.#since));
    this.#hasNews = false;
    this.#beatLater();
  }

  /** A round has ended; after one with rows comes a heartbeat. */
  endRound(seen: Seen): void {
    this.#seen = seen;
    if (this.#hasNews) this.#beat();
  }

  /** Stops what runs beside the stream. */
  release(): void {
    this.#stopHeartbeat?.();
    this.#stopHeartbeat = null;
  }

  #beat(): void {
    this.#hasNews = false;
    const isOriginal = this.request.heartbeatFormat === 'lockstep';
    this.#own(
      isOriginal ? LOCKSTEP_HEARTBEAT : controlLine('heartbeat', this.#seconds(), this.#since),
    );
    this.#beatLater();
  }

  /** Never goes back, also not while a round is on its way. */
  get #since(): LockstepSince {
    return Math.max(this.#written, this.from);
  }

  #beatLater(): void {
    this.#stopHeartbeat?.();
    if (!this.sink.isOpen || !this.request.isFollowing) return;
    this.#stopHeartbeat = this.#clock.after(this.request.heartbeatMs, () => {
      // A reader that takes nothing gets no more of it; its silence ends the connection.
      if (this.sink.isFull) this.#beatLater();
      else this.#beat();
    });
  }

  #own(line: string): void {
    if (this.sink.isOpen) this.sink.write({ lines: [line], framed: null });
  }

  #seconds(): number {
    return Math.floor(this.#clock.wallMs() / 1000);
  }
}
