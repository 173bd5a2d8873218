/** Reads that surely take next to no time stay on this thread; all others go to processes of their own. */
import type { Readers, ReadListener, ReadRequest, RunningRead } from './read-port.ts';

export class DividedReaders implements Readers {
  readonly #here: Readers;
  readonly #elsewhere: Readers;

  constructor(here: Readers, elsewhere: Readers) {
    this.#here = here;
    this.#elsewhere = elsewhere;
  }

  start(request: ReadRequest, listener: ReadListener): RunningRead {
    return (request.isSmall() ? this.#here : this.#elsewhere).start(request, listener);
  }
}
