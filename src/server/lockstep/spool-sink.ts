/**
 * A Lockstep stream that ends, as a response with Content-Length: one object a line. The length is known only at the
 * end, so the lines wait in memory while they are few, else in a file.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { FastifyReply } from 'fastify';
import type { Frame, Sink } from '../../lockstep/api.ts';

const MEMORY_BYTES_MAX = 1024 * 1024;

export type SpoolSinkOptions = {
  readonly reply: FastifyReply;
  readonly contentType: string;
  /** Answers with the error instead: nothing has been sent yet. */
  readonly sendError: (error: unknown) => void;
  readonly wrote: (bytes: number) => void;
};

export class SpoolSink implements Sink {
  onClose: (() => void) | null = null;
  readonly #options: SpoolSinkOptions;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #bytes = 0;
  #folder: string | null = null;
  #file: FileHandle | null = null;
  #isOpen = true;

  constructor(options: SpoolSinkOptions) {
    this.#options = options;
    options.reply.raw.once('close', () => {
      this.#isOpen = false;
      this.onClose?.();
      this.onClose = null;
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  write({ lines }: Frame): void {
    for (const line of lines) {
      this.#waiting.push(line);
      this.#waitingBytes += Buffer.byteLength(line);
    }
  }

  async room(): Promise<void> {
    if (this.#waitingBytes > MEMORY_BYTES_MAX) await this.#spill();
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#send().catch(() => this.#options.reply.raw.destroy());
  }

  fail(error: unknown): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#options.sendError(error);
    void this.#forget();
  }

  async #spill(): Promise<void> {
    if (this.#file === null) {
      this.#folder = await mkdtemp(join(tmpdir(), 'tidelock-'));
      this.#file = await open(join(this.#folder, 'lines'), 'w+');
    }
    const bytes = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#bytes += bytes.byteLength;
    await this.#file.writeFile(bytes);
  }

  async #send(): Promise<void> {
    const { raw } = this.#options.reply;
    try {
      const rest = Buffer.from(this.#waiting.join(''));
      const length = this.#bytes + rest.byteLength;
      raw.writeHead(200, { 'content-type': this.#options.contentType, 'content-length': length });
      this.#options.wrote(length);
      if (this.#folder !== null) {
        await pipeline(createReadStream(join(this.#folder, 'lines')), raw, { end: false });
      }
      raw.end(rest);
    } finally {
      await this.#forget();
    }
  }

  async #forget(): Promise<void> {
    await this.#file?.close();
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true });
    this.#file = null;
    this.#folder = null;
  }
}
