/**
 * Drives all feed streams: whoever has something to write waits in one queue that is worked off in slices,
 * so that a broadcast to thousands never holds the event loop for long; and one shared timer visits every
 * stream about once a second for heartbeats, progress and stalls.
 */
import type { Socket } from 'node:net';
import type { Ts } from '../core/lsn.ts';
import type { Clock } from './clock.ts';
import type { EndReason, FeedStream, StreamHost } from './feed-stream.ts';
import { ChunkCache } from './framing.ts';
import { Rest } from './rest.ts';

/** Streams served in one turn of the event loop. */
const SLICE_STREAMS = 500;
const SLICE_BYTES = 4 * 1024 * 1024;
/** Streams are visited in groups, one group per tick. */
const WHEEL_SLOTS = 10;
/** A socket that is full for less than this is merely busy. */
const STALLED_MS_MIN = 1000;

export type PumpOptions = {
  readonly clock: Clock;
  /** A reader whose socket takes nothing for so long is dropped. */
  readonly stallMs: number;
  /** What stalled readers may hold together. */
  readonly stalledBytesMax: number;
  /** How often every stream is visited. */
  readonly visitMs: number;
  readonly upper: () => Ts;
  /** True while the log takes in more at once than small transactions. */
  readonly isFlooded: () => boolean;
  readonly onEnd: (reason: EndReason, error: unknown) => void;
};

export class Pump {
  readonly host: StreamHost;
  readonly #options: PumpOptions;
  readonly #slots: readonly Set<FeedStream>[];
  readonly #slotOf = new WeakMap<FeedStream, Set<FeedStream>>();
  readonly #sockets = new WeakSet<Socket>();
  readonly #stopTimer: () => void;
  readonly #chunks = new ChunkCache();
  readonly #rest: Rest;
  #queue: FeedStream[] = [];
  /** Streams that wait for the rest's end. */
  #held: FeedStream[] = [];
  #isScheduled = false;
  #nextSlot = 0;
  #now: number;
  #bytesOut = 0;
  #count = 0;
  #added = 0;
  readonly #whenEmpty = new Set<() => void>();

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#now = options.clock.now();
    this.#rest = new Rest({ ...options, onEnd: () => this.#release() });
    this.#slots = Array.from({ length: WHEEL_SLOTS }, () => new Set<FeedStream>());
    this.host = {
      chunkOf: (frame) => this.#chunks.chunkOf(frame),
      now: () => this.#now,
      wrote: (bytes) => {
        this.#bytesOut += bytes;
      },
      wake: (stream) => this.wake(stream),
      news: (stream) => this.#news(stream),
      ended: (stream, reason, error) => this.#remove(stream, reason, error),
    };
    this.#stopTimer = options.clock.every(options.visitMs / WHEEL_SLOTS, () => this.#tick());
  }

  /** Streams that are open. */
  get count(): number {
    return this.#count;
  }

  /** Bytes handed to sockets, with framing, since the start. */
  get bytesOut(): number {
    return this.#bytesOut;
  }

  /** True while the socket belongs to a stream: nothing else may be written to it. */
  carries(socket: Socket): boolean {
    return this.#sockets.has(socket);
  }

  /** Call before a stream is made: it reads the time. */
  refreshNow(): void {
    this.#now = this.#options.clock.now();
  }

  add(stream: FeedStream): void {
    if (stream.isClosed) return;
    const slot = this.#slots[this.#added++ % WHEEL_SLOTS];
    slot?.add(stream);
    if (slot !== undefined) this.#slotOf.set(stream, slot);
    this.#sockets.add(stream.socket);
    this.#count += 1;
    this.wake(stream);
  }

  /** Puts a stream in the queue, once. */
  wake(stream: FeedStream): void {
    if (stream.isQueued || stream.isClosed) return;
    stream.isQueued = true;
    this.#queue.push(stream);
    this.#schedule();
  }

  /** Ends every stream after its current transaction; those that cannot within `ms` are cut. */
  async drain(ms: number): Promise<void> {
    this.refreshNow();
    for (const stream of this.#all()) stream.drain();
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#whenEmpty.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    for (const stream of this.#all()) stream.drop('drained');
  }

  /** Cuts every stream. */
  close(): void {
    this.#stopTimer();
    this.#rest.stop();
    for (const stream of this.#all()) stream.drop('drained');
  }

  #all(): readonly FeedStream[] {
    return this.#slots.flatMap((slot) => [...slot]);
  }

  /** The log has something for the stream: it is served at once, or together with others after a rest. */
  #news(stream: FeedStream): void {
    if (stream.isQueued || stream.isClosed) return;
    if (this.#rest.isDue()) {
      stream.isQueued = true;
      this.#held.push(stream);
    } else {
      this.wake(stream);
    }
  }

  #release(): void {
    for (const stream of this.#held) this.#queue.push(stream);
    this.#held = [];
    if (this.#queue.length > 0) this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#runSlice());
  }

  #runSlice(): void {
    this.#isScheduled = false;
    this.refreshNow();
    const queue = this.#queue;
    const bytesMax = this.#bytesOut + SLICE_BYTES;
    let done = 0;
    while (done < queue.length && done < SLICE_STREAMS && this.#bytesOut < bytesMax) {
      const stream = queue[done];
      done += 1;
      if (stream === undefined) continue;
      stream.isQueued = false;
      if (stream.advance()) this.wake(stream);
    }
    this.#chunks.clear();
    this.#queue = done === queue.length ? [] : queue.slice(done);
    this.#rest.worked(this.#now);
    if (this.#queue.length > 0) this.#schedule();
  }

  #tick(): void {
    if (this.#nextSlot === 0) this.#relieve();
    const slot = this.#slots[this.#nextSlot];
    this.#nextSlot = (this.#nextSlot + 1) % WHEEL_SLOTS;
    if (slot === undefined || slot.size === 0) return;
    this.refreshNow();
    const upper = this.#options.upper();
    const wallMs = this.#options.clock.wallMs();
    for (const stream of slot) stream.visit(upper, wallMs, this.#options.stallMs);
  }

  /** Drops readers, the longest stalled first, until the others hold no more than they may. */
  #relieve(): void {
    this.refreshNow();
    const stalled = this.#all().filter(({ blockedMs }) => blockedMs >= STALLED_MS_MIN);
    const holders = new Map<ArrayBufferLike, number>();
    let bytes = 0;
    for (const { held } of stalled) {
      if (held === null) continue;
      const count = holders.get(held) ?? 0;
      if (count === 0) bytes += held.byteLength;
      holders.set(held, count + 1);
    }
    if (bytes <= this.#options.stalledBytesMax) return;
    for (const stream of stalled.sort((a, b) => b.blockedMs - a.blockedMs)) {
      const { held } = stream;
      if (held === null) continue;
      stream.drop('buffer_full');
      const left = (holders.get(held) ?? 0) - 1;
      holders.set(held, left);
      if (left === 0) bytes -= held.byteLength;
      if (bytes <= this.#options.stalledBytesMax) return;
    }
  }

  #remove(stream: FeedStream, reason: EndReason, error: unknown): void {
    if (this.#slotOf.get(stream)?.delete(stream) !== true) return;
    this.#slotOf.delete(stream);
    this.#sockets.delete(stream.socket);
    this.#count -= 1;
    this.#options.onEnd(reason, error);
    if (this.#count > 0) return;
    for (const resolve of this.#whenEmpty) resolve();
    this.#whenEmpty.clear();
  }
}
