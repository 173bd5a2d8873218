/** One reader: its copy of what there is, then its place among those who follow. */
import type { TxidSnapshot } from '../core/txid-snapshot.ts';
import {
  controlLine,
  LOCKSTEP_HEARTBEAT,
  type LockstepMode,
  type LockstepSince,
} from '../protocol/lockstep.ts';
import type { Frame, Sink, StreamRequest } from './api.ts';
import type { RowLine } from './lines.ts';
import { isDue, resumeAt, type Seen } from './seen.ts';

export type ReaderClock = {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly after: (ms: number, call: () => void) => () => void;
};

export class Reader {
  readonly sink: Sink;
  readonly request: StreamRequest;
  readonly #clock: ReaderClock;
  #seen: Seen | null = null;
  #stopHeartbeat: (() => void) | null = null;
  #hasNews = false;

  constructor(request: StreamRequest, sink: Sink, clock: ReaderClock) {
    this.request = request;
    this.sink = sink;
    this.#clock = clock;
  }

  get mode(): LockstepMode {
    return this.request.mode;
  }

  /** Null until the copy is complete. */
  get seen(): Seen | null {
    return this.#seen;
  }

  /** Where the reader may resume; its own `since` until something was read. */
  get since(): LockstepSince {
    return this.#seen === null ? this.request.since : resumeAt(this.#seen);
  }

  isDue(next: TxidSnapshot, { txid }: RowLine): boolean {
    return this.#seen !== null && isDue(this.#seen, next, txid);
  }

  write(frame: Frame): void {
    if (frame.lines.length === 0 || !this.sink.isOpen) return;
    this.#hasNews = true;
    this.sink.write(frame);
    this.#beatLater();
  }

  /** The copy is complete: everything that `seen` shows has been written. */
  complete(seen: Seen): void {
    this.#seen = seen;
    this.#own(controlLine('snapshot_completed', this.#seconds(), this.since));
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
      isOriginal ? LOCKSTEP_HEARTBEAT : controlLine('heartbeat', this.#seconds(), this.since),
    );
    this.#beatLater();
  }

  #beatLater(): void {
    this.#stopHeartbeat?.();
    this.#stopHeartbeat = this.#clock.after(this.request.heartbeatMs, () => {
      if (this.sink.isOpen) this.#beat();
    });
  }

  #own(line: string): void {
    if (this.sink.isOpen) this.sink.write({ lines: [line], framed: null });
  }

  #seconds(): number {
    return Math.floor(this.#clock.now() / 1000);
  }
}
