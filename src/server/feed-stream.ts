/**
 * One subscriber's stream over one socket.
 *
 *   reading --socket full--> blocked --drain--> reading
 *   reading --nothing left--> idle --frames or upper moved--> reading
 *   any --clean end--> closed (final chunk)   any --error--> closed (error line, no final chunk)
 *   any --client gone or dropped--> closed
 *
 * hot path: `advance` runs once per subscriber and broadcast. Frames are pulled only while the socket
 * takes them, so a stalled reader holds one frame at most; markers are written only when idle, so they
 * never split a transaction and never promise what is still waiting.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TidelockError } from '../core/errors.ts';
import type { Ts } from '../core/lsn.ts';
import type { Feed } from '../engine/api.ts';
import type { ErrorLine } from '../protocol/feed.ts';
import { toTidelockError } from './errors.ts';
import { CHUNK_END, chunkStart, encodeChunk, endsTransaction } from './framing.ts';

/** Large frames go out in pieces, so that a slow reader shows progress and only a dead one looks stalled. */
const PIECE_BYTES = 64 * 1024;
/** What one stream may write before the others have their turn. */
const TURN_BYTES = 512 * 1024;
/** A frame above this is written as it is, between the two lines of its chunk; smaller ones are copied into one. */
const COPY_BYTES_MAX = 16 * 1024;
const PROGRESS_MS_MIN = 1000;

export type StreamMode = {
  /** False: end when caught up. */
  readonly isFollowing: boolean;
  /** With `isFollowing` false: how long to wait for the first transaction. */
  readonly waitMs: number;
  readonly heartbeatMs: number;
  /** Wall clock; the token's end is the stream's end. */
  readonly expiresAtMs: number;
};

/** Why a stream ended; the label of the metric. */
export type EndReason =
  | 'finished'
  | 'client_gone'
  | 'stalled'
  | 'buffer_full'
  | 'token_expired'
  | 'drained'
  | 'failed';

/** What a stream needs of its surroundings. */
export type StreamHost = {
  /** The framed form of a shared frame. */
  readonly chunkOf: (frame: Uint8Array) => Buffer;
  /** Monotonic milliseconds, as of the present turn. */
  readonly now: () => number;
  readonly wrote: (bytes: number) => void;
  /** Calls `advance` soon. */
  readonly wake: (stream: FeedStream) => void;
  /** Calls `advance` when there is time: the log has something new. */
  readonly news: (stream: FeedStream) => void;
  readonly ended: (stream: FeedStream, reason: EndReason, error?: unknown) => void;
};

export type FeedStreamOptions = {
  readonly host: StreamHost;
  readonly feed: Feed;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly mode: StreamMode;
};

export class FeedStream {
  readonly socket: Socket;
  readonly #host: StreamHost;
  readonly #feed: Feed;
  readonly #response: ServerResponse;
  readonly #mode: StreamMode;
  /** HTTP/1.0 readers get the plain bytes, ended by the connection's end. */
  readonly #isChunked: boolean;
  readonly #openedAt: number;
  /** Bytes of a frame or chunk that the socket has not taken yet, and what ends the chunk behind them. */
  #rest: Buffer | null = null;
  #end: Buffer | null = null;
  #isIdle = false;
  #isEnding = false;
  #hasDelivered = false;
  #announced: Ts | -1 = -1;
  #announcedAt = 0;
  #wroteAt: number;
  #blockedAt = -1;
  #held: ArrayBufferLike | null = null;
  isClosed = false;
  /** Owned by the pump. */
  isQueued = false;

  /** The response's header must have been flushed. */
  constructor(options: FeedStreamOptions) {
    this.#host = options.host;
    this.#feed = options.feed;
    this.#response = options.response;
    this.socket = options.socket;
    this.#mode = options.mode;
    this.#isChunked = options.response.chunkedEncoding;
    this.#openedAt = options.host.now();
    this.#wroteAt = this.#openedAt;
    options.socket.on('drain', this.#onDrain);
    options.socket.on('close', this.#onClose);
    options.feed.onReady = () => this.#host.news(this);
    this.#writeOwn(options.feed.head);
  }

  /** Writes what the socket takes and the turn allows. True: there is more, call again. */
  advance(): boolean {
    if (this.isClosed || !this.#isWritable()) return false;
    if (this.#rest !== null && !this.#writeRest()) return false;
    try {
      return this.#pull();
    } catch (error) {
      this.fail(error, 'failed');
      return false;
    }
  }

  /** Called about once a second: stalls, ends, heartbeats, progress. `upper` is the log's. */
  visit(upper: Ts, wallMs: number, stallMs: number): void {
    if (this.isClosed) return;
    const now = this.#host.now();
    if (wallMs >= this.#mode.expiresAtMs) this.fail(tokenExpired(), 'token_expired');
    else if (!this.#isWritable()) {
      if (this.blockedMs >= stallMs) this.drop('stalled');
    } else if (this.#isIdle && !this.isQueued) this.#visitIdle(now, upper);
  }

  /** How long the socket has taken nothing; 0 while it does. */
  get blockedMs(): number {
    return this.#blockedAt < 0 ? 0 : this.#host.now() - this.#blockedAt;
  }

  /** The memory that a blocked stream keeps from being freed; shared with whoever waits for the same frame. */
  get held(): ArrayBufferLike | null {
    return this.#held;
  }

  /** Ends the stream after its current transaction, with a clean end. */
  drain(): void {
    if (this.isClosed) return;
    this.#isEnding = true;
    if (this.#isIdle && this.#isWritable()) this.#finish('drained');
  }

  /** Says why, then cuts the connection: the missing final chunk tells readers that this was no clean end. */
  fail(error: unknown, reason: EndReason): void {
    if (this.isClosed) return;
    if (this.#rest === null) this.#writeOwn(errorLine(error));
    this.#close(reason, error);
    this.socket.destroySoon(); // flushes first; the server's idle timeout ends a reader that does not read
  }

  /** Cuts the connection without a word. */
  drop(reason: EndReason): void {
    if (this.isClosed) return;
    this.#close(reason);
    this.socket.destroy();
  }

  #pull(): boolean {
    let budget = TURN_BYTES;
    // When ending, nothing may be read that is not written: the last progress line covers what was read.
    for (let frame = this.#read(); frame !== null; frame = this.#read()) {
      if (!this.#deliver(frame)) return false;
      budget -= frame.byteLength;
      if (budget <= 0) return true;
    }
    return this.#caughtUp();
  }

  #read(): Uint8Array | null {
    const frame = this.#feed.read();
    if (frame === null) return null;
    this.#isIdle = false;
    this.#hasDelivered = true;
    return frame;
  }

  /** Writes a frame. True: the socket takes more and the stream goes on. */
  #deliver(frame: Uint8Array): boolean {
    const isRoom = this.#writeShared(frame);
    if (isRoom && this.#isEnding && endsTransaction(frame)) this.#finish('drained');
    return isRoom && !this.isClosed;
  }

  #caughtUp(): false {
    const isFirst = !this.#isIdle;
    this.#isIdle = true;
    if (this.#isEnding) this.#finish('drained');
    else if (!this.#mode.isFollowing && !this.#isWaiting()) this.#finish('finished');
    else if (this.#announced === -1 || (!isFirst && this.#isProgressDue())) this.#progress();
    return false;
  }

  #isWaiting(): boolean {
    return !this.#hasDelivered && this.#host.now() - this.#openedAt < this.#mode.waitMs;
  }

  #isProgressDue(): boolean {
    return (
      this.#feed.position !== this.#announced &&
      this.#host.now() - this.#announcedAt >= PROGRESS_MS_MIN
    );
  }

  #progress(): void {
    this.#announced = this.#feed.position;
    this.#announcedAt = this.#host.now();
    this.#writeOwn(this.#feed.progressLine('progress'));
  }

  #visitIdle(now: number, upper: Ts): void {
    const isWaitOver = !this.#mode.isFollowing && !this.#isWaiting();
    if (isWaitOver || upper > this.#feed.position) this.#host.wake(this);
    if (this.#isProgressDue()) this.#progress();
    else if (now - this.#wroteAt >= this.#mode.heartbeatMs) {
      this.#writeOwn(this.#feed.progressLine('heartbeat'));
    }
  }

  #isWritable(): boolean {
    return this.#blockedAt < 0;
  }

  /** A frame that other streams may get too. */
  #writeShared(frame: Uint8Array): boolean {
    if (!this.#isChunked) return this.#write(viewOf(frame));
    if (frame.byteLength <= COPY_BYTES_MAX) return this.#write(this.#host.chunkOf(frame));
    this.socket.cork();
    this.#put(chunkStart(frame.byteLength));
    this.#end = CHUNK_END;
    const isRoom = this.#write(viewOf(frame));
    this.socket.uncork();
    return isRoom;
  }

  /** Lines that only this stream gets. */
  #writeOwn(lines: Uint8Array): boolean {
    return this.#write(this.#isChunked ? encodeChunk(lines) : viewOf(lines));
  }

  /** False when the socket wants no more for now; the bytes are kept either way. */
  #write(bytes: Buffer): boolean {
    this.#rest = bytes;
    return this.#writeRest();
  }

  #writeRest(): boolean {
    let isRoom = true;
    while (this.#rest !== null && isRoom) {
      const rest = this.#rest;
      const isLast = rest.byteLength <= PIECE_BYTES;
      const piece = isLast ? rest : rest.subarray(0, PIECE_BYTES);
      this.#rest = isLast ? null : rest.subarray(PIECE_BYTES);
      isRoom = this.#put(piece);
      if (!isRoom) this.#held = piece.buffer;
    }
    if (this.#rest === null && this.#end !== null) {
      isRoom = this.#put(this.#end) && isRoom;
      this.#end = null;
    }
    this.#wroteAt = this.#host.now();
    if (!isRoom) this.#blockedAt = this.#wroteAt;
    return isRoom;
  }

  #put(bytes: Buffer): boolean {
    this.#host.wrote(bytes.byteLength);
    return this.socket.write(bytes);
  }

  readonly #onDrain = (): void => {
    this.#blockedAt = -1;
    this.#held = null;
    this.#host.wake(this);
  };

  readonly #onClose = (): void => {
    if (!this.isClosed) this.#close('client_gone');
  };

  /** The proper end. The place is given back when the client has it all. */
  #finish(reason: EndReason): void {
    this.#progress();
    if (this.#rest !== null) this.socket.write(this.#rest);
    this.#release();
    this.#response.once('close', () => this.#host.ended(this, reason));
    this.#response.end();
  }

  #close(reason: EndReason, error?: unknown): void {
    this.#release();
    this.#host.ended(this, reason, error);
  }

  #release(): void {
    this.isClosed = true;
    this.#rest = null;
    this.#feed.onReady = null;
    this.socket.off('drain', this.#onDrain);
    this.socket.off('close', this.#onClose);
    this.#feed.close();
  }
}

function viewOf(frame: Uint8Array): Buffer {
  return Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
}

function tokenExpired(): TidelockError {
  return new TidelockError({
    code: 'TOKEN_INVALID',
    message: 'the token of this stream has expired',
    hint: 'get a new token and resume with since=<the last position>',
  });
}

function errorLine(error: unknown): Uint8Array {
  const { code, message, hint } = toTidelockError(error);
  const line: ErrorLine = {
    type: 'error',
    error: hint === undefined ? { code, message } : { code, message, hint },
  };
  return Buffer.from(`${JSON.stringify(line)}\n`);
}
