/**
 * hot path: cuts the byte stream of a Postgres socket into protocol messages, without copying those
 * that lie inside one read. A message that spans reads is copied once, into a buffer of its own size.
 */
import { TidelockError } from '../core/errors.ts';

/**
 * Called for each message: `buffer[start..end)` is its body, valid only during the call. A returned
 * promise stops the cutting; go on with `resume` when it has settled.
 */
export type FrameSink = (
  type: number,
  buffer: Buffer,
  start: number,
  end: number,
) => Promise<void> | undefined;

/** Postgres itself cannot build a longer message. */
const FRAME_BYTES_MAX = 0x4000_0000;
const HEADER_BYTES = 5;
const NO_BYTES: Buffer = Buffer.alloc(0);

export class FrameSplitter {
  readonly #sink: FrameSink;
  /** The read being cut, and how far. */
  #chunk: Buffer = NO_BYTES;
  #at = 0;
  /** The beginning of a message whose end has not arrived: its header, then the whole of it. */
  #partial: Buffer = NO_BYTES;
  #filled = 0;
  readonly #header: Buffer = Buffer.alloc(HEADER_BYTES);

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Cuts one socket read. Throws `PROTOCOL` on a length that cannot be. */
  push(chunk: Buffer): Promise<void> | undefined {
    this.#chunk = chunk;
    this.#at = 0;
    return this.resume();
  }

  /** Goes on with the present read after a promise of the sink. */
  resume(): Promise<void> | undefined {
    while (this.#filled > 0 && this.#at < this.#chunk.length) {
      const waiting = this.#fillPartial();
      if (waiting !== undefined) return this.#stop(waiting);
    }
    const chunk = this.#chunk;
    const length = chunk.length;
    let at = this.#at;
    while (length - at >= HEADER_BYTES) {
      const size = chunk.readUInt32BE(at + 1) + 1;
      if (length - at < size) break;
      if (size < HEADER_BYTES) throw badLength(size);
      const waiting = this.#sink(chunk[at] ?? 0, chunk, at + HEADER_BYTES, at + size);
      at += size;
      if (waiting !== undefined) {
        this.#at = at;
        return this.#stop(waiting);
      }
    }
    if (at < length) this.#keep(chunk.subarray(at));
    this.#chunk = NO_BYTES;
    this.#at = 0;
    return undefined;
  }

  #stop(waiting: Promise<void>): Promise<void> {
    if (this.#at >= this.#chunk.length) {
      this.#chunk = NO_BYTES;
      this.#at = 0;
    }
    return waiting;
  }

  /** Remembers the beginning of a message. */
  #keep(bytes: Buffer): void {
    if (bytes.length < HEADER_BYTES) {
      bytes.copy(this.#header);
      this.#partial = this.#header;
    } else {
      this.#partial = Buffer.allocUnsafe(frameSize(bytes));
      bytes.copy(this.#partial);
    }
    this.#filled = bytes.length;
  }

  /** Adds bytes of the present read to the unfinished message, and hands it over when it is whole. */
  #fillPartial(): Promise<void> | undefined {
    const wanted = this.#partial.length - this.#filled;
    const taken = Math.min(wanted, this.#chunk.length - this.#at);
    this.#chunk.copy(this.#partial, this.#filled, this.#at, this.#at + taken);
    this.#filled += taken;
    this.#at += taken;
    if (taken < wanted) return undefined;
    if (this.#partial === this.#header) {
      const size = frameSize(this.#header);
      if (size > HEADER_BYTES) {
        this.#partial = Buffer.allocUnsafe(size);
        this.#header.copy(this.#partial);
        return undefined;
      }
    }
    const frame = this.#partial;
    this.#partial = NO_BYTES;
    this.#filled = 0;
    return this.#sink(frame[0] ?? 0, frame, HEADER_BYTES, frame.length);
  }
}

function frameSize(header: Buffer): number {
  const size = header.readUInt32BE(1) + 1;
  if (size < HEADER_BYTES || size > FRAME_BYTES_MAX) throw badLength(size);
  return size;
}

function badLength(size: number): TidelockError {
  return new TidelockError({
    code: 'PROTOCOL',
    message: `a message of ${size} bytes from Postgres cannot be`,
    hint: 'something between this server and Postgres changes the byte stream',
  });
}
