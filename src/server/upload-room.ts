/**
 * What uploads hold before it is their turn: a place among those of their user, and memory for what has arrived of
 * their bodies. Bodies are read whole, so somebody with a token could fill the memory, and keep others out, with many
 * that arrive slowly.
 */
import { type Readable, Transform } from 'node:stream';
import { TidelockError } from '../core/errors.ts';

export type UploadRoomOptions = {
  /** Uploads of one user that arrive, wait or are merged. */
  readonly perUserMax: number;
  /** Bytes of bodies, as they are sent, of all of them together. */
  readonly bytesMax: number;
};

export class UploadRoom {
  readonly #options: UploadRoomOptions;
  /** Uploads by user, where there are any. */
  readonly #users = new Map<string, number>();
  #bytes = 0;

  constructor(options: UploadRoomOptions) {
    this.#options = options;
  }

  /** Who has no name is everybody, and has no limit of his own. Throws `BUSY`. */
  enter(userid: string): UploadPlace {
    const count = this.#users.get(userid) ?? 0;
    const isFull = userid !== '' && count >= this.#options.perUserMax;
    if (isFull) throw busy(`this user has ${count} uploads under way already`);
    this.#users.set(userid, count + 1);
    return new UploadPlace(
      (bytes, own) => this.#take(bytes, own),
      (bytes) => this.#leave(userid, bytes),
    );
  }

  /** `own`: what the same upload has already. */
  #take(bytes: number, own: number): TidelockError | null {
    const others = this.#bytes - own;
    if (others > 0 && this.#bytes + bytes > this.#options.bytesMax) {
      return busy(`those that are under way or wait have ${this.#bytes} bytes`);
    }
    this.#bytes += bytes;
    return null;
  }

  #leave(userid: string, bytes: number): void {
    this.#bytes -= bytes;
    const count = (this.#users.get(userid) ?? 1) - 1;
    if (count === 0) this.#users.delete(userid);
    else this.#users.set(userid, count);
  }
}

/** One upload, from its headers to its answer. */
export class UploadPlace {
  readonly #take: (bytes: number, own: number) => TidelockError | null;
  readonly #leave: (bytes: number) => void;
  #bytes = 0;
  #isInside = true;

  constructor(
    take: (bytes: number, own: number) => TidelockError | null,
    leave: (bytes: number) => void,
  ) {
    this.#take = take;
    this.#leave = leave;
  }

  /** The body, counted as it arrives. It fails with `BUSY` when there is no room for more, but one alone may always come. */
  counted(body: Readable): Readable {
    const counter = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        done(this.#count(chunk.length), chunk);
      },
    });
    // No pipeline: it would end the connection of who is to be told that there is no room.
    body.once('close', () => {
      if (!body.readableEnded) counter.destroy(new Error('the client is gone'));
    });
    return body.pipe(counter);
  }

  /** Gives everything back; calling it twice is harmless. */
  leave(): void {
    if (this.#isInside) this.#leave(this.#bytes);
    this.#isInside = false;
  }

  #count(bytes: number): TidelockError | null {
    if (!this.#isInside) return null;
    const refusal = this.#take(bytes, this.#bytes);
    if (refusal === null) this.#bytes += bytes;
    return refusal;
  }
}

function busy(why: string): TidelockError {
  return new TidelockError({
    code: 'BUSY',
    message: `too many uploads: ${why}`,
    hint: 'try again after the time in the Retry-After header',
  });
}
