/**
 * Cuts the bytes of a client into messages, as they are asked for. What is read ahead is bounded: a socket whose
 * bytes nobody asks for is not read.
 *
 * The framing is our own: `pg-protocol` (of the `pg` package) reads and writes only the client's side, and `pg-gateway`
 * 0.2.4 ends at the start-up and hands on raw bytes.
 */
import type { Socket } from 'node:net';
import { sqlError } from '../sql/errors.ts';
import { READ_AHEAD_BYTES, STARTUP_BYTES_MAX } from './limits.ts';
import { protocolError } from './wire-error.ts';

export type Frame = {
  /** A character; `` for a start-up packet. */
  readonly type: string;
  readonly body: Buffer;
};

/** A number of bytes that many draw on. */
export class ByteBudget {
  #left: number;

  constructor(bytesMax: number) {
    this.#left = bytesMax;
  }

  /** False, and nothing taken, when there is not enough. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

const LENGTH_BYTES = 4;
const ENDS = ['end', 'close', 'error'];

export class FrameReader {
  readonly #socket: Socket;
  readonly #large: ByteBudget;
  #bytes = Buffer.allocUnsafe(0);
  #start = 0;
  #end = 0;
  /** The socket is read until so many bytes are here. */
  #wanted = READ_AHEAD_BYTES;
  #isEnded = false;
  #wake: (() => void) | null = null;
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);
  readonly #onEnd = (): void => this.#finish();

  constructor(socket: Socket, large: ByteBudget) {
    this.#socket = socket;
    this.#large = large;
    socket.on('data', this.#onData);
    for (const event of ENDS) socket.on(event, this.#onEnd);
  }

  /** Leaves the socket to another reader. Throws when something was sent ahead, which nobody has encrypted. */
  release(): void {
    this.#socket.off('data', this.#onData);
    for (const event of ENDS) this.#socket.off(event, this.#onEnd);
    this.#socket.pause();
    if (this.#end > this.#start) throw protocolError('unencrypted bytes follow the wish for TLS');
  }

  /** A packet without type: length, then content. Null when the client is gone. */
  async startup(): Promise<Frame | null> {
    return await this.#read('', STARTUP_BYTES_MAX);
  }

  /** The next message; null when the client is gone. Throws for one that is too long, or no message. */
  async message(bytesMax: number): Promise<Frame | null> {
    if (!(await this.#has(1))) return null;
    const type = String.fromCharCode(this.#cut(1)[0] ?? 0);
    return await this.#read(type, bytesMax);
  }

  async #read(type: string, bytesMax: number): Promise<Frame | null> {
    if (!(await this.#has(LENGTH_BYTES))) return null;
    const size = this.#cut(LENGTH_BYTES).readInt32BE(0) - LENGTH_BYTES;
    if (size < 0) throw protocolError('a message has an impossible length');
    if (size > bytesMax) {
      throw sqlError('54000', `a message has ${size} bytes; ${bytesMax} at most are taken here`);
    }
    const isLarge = size > READ_AHEAD_BYTES;
    if (isLarge && !this.#large.take(size)) {
      throw sqlError('53200', 'too many large messages are on their way at once: try again');
    }
    try {
      return (await this.#has(size)) ? { type, body: this.#cut(size) } : null;
    } finally {
      if (isLarge) this.#large.give(size);
    }
  }

  /** Waits for so many bytes. False when the client is gone before. */
  async #has(size: number): Promise<boolean> {
    this.#wanted = Math.max(size, READ_AHEAD_BYTES);
    // Bounded by the bytes: every turn waits for more of them, or for the end.
    while (this.#end - this.#start < size) {
      if (this.#isEnded) return false;
      this.#socket.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wanted = READ_AHEAD_BYTES;
    return true;
  }

  #take(chunk: Buffer): void {
    this.#makeRoom(chunk.length);
    chunk.copy(this.#bytes, this.#end);
    this.#end += chunk.length;
    if (this.#end - this.#start >= this.#wanted) this.#socket.pause();
    this.#awake();
  }

  /** Moves what is there to the front, or into a buffer of twice the size. */
  #makeRoom(size: number): void {
    const held = this.#end - this.#start;
    if (this.#end + size <= this.#bytes.length) return;
    const target =
      held + size <= this.#bytes.length / 2
        ? this.#bytes
        : Buffer.allocUnsafeSlow(Math.max(this.#wanted, 2 * (held + size)));
    this.#bytes.copy(target, 0, this.#start, this.#end);
    this.#bytes = target;
    this.#start = 0;
    this.#end = held;
  }

  #finish(): void {
    this.#isEnded = true;
    this.#awake();
  }

  #awake(): void {
    this.#wake?.();
    this.#wake = null;
  }

  /** The first bytes of what is there, as a copy. */
  #cut(size: number): Buffer {
    const cut = Buffer.from(this.#bytes.subarray(this.#start, this.#start + size));
    this.#start += size;
    const held = this.#end - this.#start;
    if (held === 0 && this.#bytes.length > 4 * READ_AHEAD_BYTES) {
      this.#bytes = Buffer.allocUnsafe(0);
      this.#start = 0;
      this.#end = 0;
    }
    if (held < READ_AHEAD_BYTES && !this.#isEnded) this.#socket.resume();
    return cut;
  }
}
