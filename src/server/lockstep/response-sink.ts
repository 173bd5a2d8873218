/**
 * A Lockstep stream as a chunked HTTP response, one JSON object in each chunk: the original client reads exactly
 * one object per chunk. Many small chunks still go out in one write.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Frame, Sink } from '../../lockstep/api.ts';
import { errorControlLine } from '../../protocol/lockstep.ts';
import { toTidelockError } from '../errors.ts';

/** Length in hexadecimal, and two line ends. */
const FRAMING_BYTES_MAX = 20;
const CR = 13;
const LF = 10;

export type ResponseSinkOptions = {
  readonly response: ServerResponse;
  readonly socket: Socket;
  /** What may wait for a reader before it is asked for room. */
  readonly bufferBytesMax: number;
  /** A reader that takes nothing for so long, though something waits for it, is cut. */
  readonly stallMs: number;
  readonly wrote: (bytes: number) => void;
};

export class ResponseSink implements Sink {
  onClose: (() => void) | null = null;
  readonly #options: ResponseSinkOptions;
  /** HTTP/1.0 readers get plain lines. */
  readonly #isChunked: boolean;
  #isOpen = true;

  /** The response's header must have been flushed. */
  constructor(options: ResponseSinkOptions) {
    this.#options = options;
    this.#isChunked = options.response.chunkedEncoding;
    options.socket.once('close', () => this.#close());
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isFull(): boolean {
    return this.#options.socket.writableLength > this.#options.bufferBytesMax;
  }

  write(frame: Frame): void {
    if (!this.#isOpen || frame.lines.length === 0) return;
    const bytes = this.#isChunked ? chunksOf(frame) : Buffer.from(frame.lines.join(''));
    this.#options.socket.write(bytes);
    this.#options.wrote(bytes.byteLength);
  }

  async room(): Promise<void> {
    if (!this.#isOpen || !this.isFull) return;
    const { socket } = this.#options;
    const idleMs = socket.timeout ?? 0;
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        socket.setTimeout(idleMs);
        socket.off('timeout', cut);
        socket.off('drain', settle);
        socket.off('close', settle);
        resolve();
      };
      const cut = (): void => void socket.destroy();
      // The socket's own timeout: it starts again as long as the reader takes anything at all.
      socket.setTimeout(this.#options.stallMs);
      socket.on('timeout', cut);
      socket.on('drain', settle);
      socket.on('close', settle);
    });
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#options.response.end();
  }

  /** Without the final chunk, so that the reader knows this was no proper end. */
  fail(error: unknown): void {
    if (!this.#isOpen) return;
    const { socket, stallMs } = this.#options;
    const line = errorControlLine(toTidelockError(error), Math.floor(Date.now() / 1000));
    if (!this.isFull) this.write({ lines: [line], framed: null });
    this.#isOpen = false;
    if (this.isFull) socket.destroy();
    socket.setTimeout(stallMs, () => socket.destroy());
    socket.destroySoon();
  }

  #close(): void {
    this.#isOpen = false;
    const { onClose } = this;
    this.onClose = null;
    onClose?.();
  }
}

/** All lines of a frame, each as one HTTP chunk; made once for all readers of the frame. */
function chunksOf(frame: Frame): Uint8Array {
  if (frame.framed !== null) return frame.framed;
  let chars = 0;
  for (const line of frame.lines) chars += line.length;
  let bytes = Buffer.allocUnsafeSlow(chars + frame.lines.length * FRAMING_BYTES_MAX);
  let at = 0;
  for (const line of frame.lines) {
    // A character takes three bytes at most, or four as two; most take one.
    const end = at + FRAMING_BYTES_MAX + line.length * 3;
    if (end > bytes.length) bytes = grown(bytes, at, end);
    at = writeChunk(bytes, at, line);
  }
  frame.framed = bytes.subarray(0, at);
  return frame.framed;
}

/** Returns where the chunk ends. The length is written before the text: as if it were ASCII, which most are. */
function writeChunk(bytes: Buffer, at: number, line: string): number {
  let head = line.length.toString(16);
  let size = bytes.write(line, at + head.length + 2);
  if (size !== line.length) {
    head = size.toString(16);
    size = bytes.write(line, at + head.length + 2);
  }
  bytes.write(head, at, 'latin1');
  let p = at + head.length;
  bytes[p++] = CR;
  bytes[p++] = LF;
  p += size;
  bytes[p++] = CR;
  bytes[p++] = LF;
  return p;
}

function grown(bytes: Buffer, used: number, needed: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, bytes.length * 2));
  bytes.copy(larger, 0, 0, used);
  return larger;
}
