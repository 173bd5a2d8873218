/** The way to a client: messages are gathered, sent in turns, and held back while the client takes none. */
import type { Socket } from 'node:net';
import { sqlError } from '../sql/errors.ts';
import type { WireLimits } from './limits.ts';
import { MessageWriter } from './outgoing.ts';

/** Gathered up to here before the socket gets them. */
const GATHERED_BYTES = 32 * 1024;

export class Outbox {
  readonly write = new MessageWriter();
  readonly #socket: Socket;
  readonly #limits: WireLimits;
  #isDue = false;

  readonly #counts: { bytesOut: number };

  constructor(socket: Socket, limits: WireLimits, counts: { bytesOut: number }) {
    this.#socket = socket;
    this.#limits = limits;
    this.#counts = counts;
  }

  /** Sends what was written, now. */
  flush(): void {
    this.#isDue = false;
    const bytes = this.write.take();
    if (bytes.length === 0 || !this.#socket.writable) return;
    this.#counts.bytesOut += bytes.length;
    this.#socket.write(bytes);
  }

  /**
   * Sends what was written, soon. With a promise the client is behind: it resolves when it has caught up, and
   * rejects when it is gone, or was dropped because it took nothing for too long.
   */
  push(): Promise<void> | undefined {
    if (this.write.sizeBytes >= GATHERED_BYTES) this.flush();
    else this.#flushSoon();
    if (this.#socket.destroyed) return Promise.reject(gone());
    return this.#socket.writableLength > this.#limits.unsentBytesMax ? this.#drained() : undefined;
  }

  /** Before the next message of the client is read: with a promise, as that of `push`, it has not taken its answers yet. */
  room(): Promise<void> | undefined {
    if (this.write.sizeBytes >= GATHERED_BYTES) this.flush();
    const isBehind = this.#socket.writableLength > this.#limits.unsentBytesMax;
    return isBehind && !this.#socket.destroyed ? this.#drained() : undefined;
  }

  /** Rows of one turn of the event loop go out together. */
  #flushSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      if (this.#isDue) this.flush();
    });
  }

  #drained(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(), this.#limits.stallMs);
      const settle = (act: () => void) => (): void => {
        clearTimeout(timer);
        socket.off('drain', onDrain);
        socket.off('close', onClose);
        act();
      };
      const onDrain = settle(resolve);
      const onClose = settle(() => reject(gone()));
      socket.on('drain', onDrain);
      socket.on('close', onClose);
    });
  }
}

function gone(): Error {
  return sqlError('57014', 'the client is gone');
}
