/** Who reads Lockstep streams of this server: so that there are not too many, and nothing else gets into their sockets. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TidelockError } from '../../core/errors.ts';

export class LockstepReaders {
  /** Bytes handed to sockets since the start. */
  bytesOut = 0;
  readonly #responses = new Set<ServerResponse>();
  readonly #sockets = new WeakSet<Socket>();

  get count(): number {
    return this.#responses.size;
  }

  /** True while nothing else may be written to the socket. */
  carries(socket: Socket): boolean {
    return this.#sockets.has(socket);
  }

  /** Throws `BUSY` when `max` read already. */
  requireRoom(max: number): void {
    if (this.count < max) return;
    throw new TidelockError({
      code: 'BUSY',
      message: `all ${max} streams are taken`,
      hint: 'try again later, or raise the setting streamsMax',
    });
  }

  /** Counts the reader until its connection or response ends. */
  add(response: ServerResponse): void {
    this.#responses.add(response);
    response.once('close', () => this.#responses.delete(response));
  }

  /** From now on the socket belongs to a stream; it is not used for anything else afterwards. */
  takeOver(socket: Socket): void {
    this.#sockets.add(socket);
  }
}
