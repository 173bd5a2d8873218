/**
 * A Lockstep stream that ends, as a response with Content-Length: one object a line. The length is known only at the
 * end, so the lines wait in memory while they are few, else in a file.
 */
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { FastifyReply } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import type { Frame, Sink } from '../../lockstep/api.ts';

const MEMORY_BYTES_MAX = 1024 * 1024;
/** Of one response, on the disk of the system's folder for temporary files. */
const FILE_BYTES_MAX = 16 * 1024 ** 3;

/** A reader that takes nothing for so long while the response is sent is cut. */
const SENDING_MS_MAX = 120_000;

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
  #isOpen = true;
  /** Writing, sending and removing of the file, one after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: SpoolSinkOptions) {
    this.#options = options;
    const { raw } = options.reply;
    // Nothing moves on the connection until the copy is complete, however long that takes.
    raw.socket?.setTimeout(0);
    raw.once('close', () => {
      this.#isOpen = false;
      this.onClose?.();
      this.onClose = null;
      void this.#next(() => this.#forget());
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isFull(): boolean {
    return this.#waitingBytes > MEMORY_BYTES_MAX;
  }

  write({ lines }: Frame): void {
    for (const line of lines) {
      this.#waiting.push(line);
      this.#waitingBytes += Buffer.byteLength(line);
    }
  }

  async room(): Promise<void> {
    if (this.#isOpen && this.isFull) await this.#next(() => this.#spill());
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#next(() => this.#send()).catch(() => this.#options.reply.raw.destroy());
  }

  fail(error: unknown): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#options.sendError(error);
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined); // whoever asked for it is told
    return done;
  }

  async #spill(): Promise<void> {
    const bytes = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#bytes += bytes.byteLength;
    if (this.#bytes > FILE_BYTES_MAX) throw tooLarge();
    this.#folder ??= await mkdtemp(join(tmpdir(), 'tidelock-'));
    const file = await open(join(this.#folder, 'lines'), 'a');
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
  }

  async #send(): Promise<void> {
    const { reply, contentType, wrote } = this.#options;
    const { raw } = reply;
    const rest = Buffer.from(this.#waiting.join(''));
    const length = this.#bytes + rest.byteLength;
    raw.socket?.setTimeout(SENDING_MS_MAX);
    raw.writeHead(200, { 'content-type': contentType, 'content-length': length });
    wrote(length);
    if (this.#folder !== null) {
      await pipeline(createReadStream(join(this.#folder, 'lines')), raw, { end: false });
    }
    raw.end(rest);
  }

  async #forget(): Promise<void> {
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true });
    this.#folder = null;
  }
}

function tooLarge(): TidelockError {
  return new TidelockError({
    code: 'TOO_LARGE',
    message: `the rows take more than ${FILE_BYTES_MAX / 1024 ** 3} GiB, which a response with Content-Length may have`,
    hint: 'read them as a stream: without follow=0, up to snapshot_completed',
  });
}
